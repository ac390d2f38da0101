"""One call from an image, in whatever form a user has it, to a label map on the same grid."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from monai.data import MetaTensor
from numpy.typing import ArrayLike, NDArray

from monai_unet.errors import InputError
from monai_unet.geometry import Grid, meta_of, to_working_frame
from monai_unet.segmentation.segmenter import Segmentation, Segmenter


@runtime_checkable
class NiftiImage(Protocol):
    """What is used of nibabel's images."""

    affine: NDArray[np.float64]
    dataobj: ArrayLike


@runtime_checkable
class ItkImage(Protocol):
    """What is used of SimpleITK's images."""

    def GetSpacing(self) -> tuple[float, ...]: ...  # noqa: N802
    def GetOrigin(self) -> tuple[float, ...]: ...  # noqa: N802
    def GetDirection(self) -> tuple[float, ...]: ...  # noqa: N802


AnyImage = str | Path | MetaTensor | NiftiImage | ItkImage | NDArray[np.generic] | torch.Tensor


def segment(
    image: AnyImage | list[AnyImage] | tuple[AnyImage, ...],
    bundle: str | Path = "hippocampus_mri",
    *,
    affine: ArrayLike | None = None,
    device: str | None = None,
    trust: bool = False,
) -> Segmentation:
    """Segment one case with a bundle; for many cases load a `Segmenter` once.

    Args:
        image: a file or DICOM folder; an image of nibabel or SimpleITK; a volume from `read_volume`; or an array
            (i, j, k) with `affine`. Several, one a channel in the order of the bundle, as a list.
        bundle: name or folder, see `monai-unet bundles`.
        affine: of an array: (4, 4), array index to RAS+ millimetres, as nibabel has it. Left and right cannot be told
            without it.
        device: "cpu" or "cuda"; by default CUDA where there is one.
        trust: consent to run a bundle that is not built in.

    Returns:
        A `Segmentation`; its `labels` are (1, S, A, R), and `write_label_map(result.labels, path,
        like=result.labels.meta)` puts them onto the grid of the image. Lengths in mm.

    Raises:
        InputError: the image cannot be used by this bundle, or an array came without affine.

    >>> import nibabel, numpy as np
    >>> brain = nibabel.Nifti1Image(np.random.default_rng(0).random((32, 48, 32), dtype=np.float32), np.eye(4))
    >>> segment(brain, "hippocampus_mri", device="cpu").labels.shape
    torch.Size([1, 32, 48, 32])
    """
    given: list[AnyImage] = list(image) if isinstance(image, list | tuple) else [image]
    segmenter = Segmenter.load(bundle, device=device, trust=trust)
    if all(isinstance(one, str | Path) for one in given):
        return segmenter.segment([Path(str(one)) for one in given])
    from monai_unet.io.datasets import stack_channels

    return segmenter.segment(stack_channels([as_volume(one, affine=affine) for one in given]))


def as_volume(image: AnyImage, *, affine: ArrayLike | None = None) -> MetaTensor:
    """An image in whatever form as a volume (1, S, A, R) with its affine (working frame, RAS mm).

    Args as `segment`; a file is read by `read_volume`.

    Raises:
        InputError: an array without affine, or not three-dimensional.

    >>> as_volume(np.zeros((4, 5, 6)), affine=np.diag([-1.0, -1.0, 2.0, 1.0])).shape
    torch.Size([1, 6, 5, 4])
    """
    from monai_unet.io import read_volume

    if isinstance(image, str | Path):
        return read_volume(image)
    if isinstance(image, MetaTensor) and affine is None:
        return image if image.ndim == 4 else MetaTensor(image.as_tensor()[None], meta=dict(image.meta))
    if isinstance(image, NiftiImage):
        return _placed(np.asarray(image.dataobj), image.affine)
    if isinstance(image, ItkImage):
        return _placed(*_from_itk(image))
    if affine is None:
        raise InputError(
            "an array says nothing about its orientation and voxel size; give affine= (4×4, array index to RAS "
            "millimetres), or a file, a nibabel or a SimpleITK image."
        )
    array = image.numpy(force=True) if isinstance(image, torch.Tensor) else np.asarray(image)
    return _placed(array, np.asarray(affine, dtype=float))


def _placed(array: NDArray[np.generic], affine: NDArray[np.float64]) -> MetaTensor:
    array = array[0] if array.ndim == 4 and array.shape[0] == 1 else array
    if array.ndim != 3:
        raise InputError(f"a volume has three axes, got an array of shape {array.shape}; give one channel at a time.")
    if np.shape(affine) != (4, 4):
        raise InputError(f"affine must be 4×4, got {np.shape(affine)}.")
    a, b, c = array.shape
    grid = Grid((a, b, c), np.asarray(affine, dtype=float))
    working, placed = to_working_frame(array, grid)
    data = torch.from_numpy(np.ascontiguousarray(working, dtype=np.float32)[None])
    return MetaTensor(data, meta={**meta_of(placed, of_file=grid), "filename_or_obj": "the given image"})


def _from_itk(image: ItkImage) -> tuple[NDArray[np.generic], NDArray[np.float64]]:
    import SimpleITK as sitk

    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    array = sitk.GetArrayFromImage(image)  # type: ignore[arg-type]
    return array.T, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
