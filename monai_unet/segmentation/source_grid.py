"""Between the grid of a file and the one a bundle works on: what a bundle receives, and where its result belongs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import SpatialResample

from monai_unet.errors import InputError
from monai_unet.geometry import Grid, from_working_frame, grid_of, meta_of, source_grid, to_working_frame
from monai_unet.io import NOTES, LoadChannelsd, notes_of, read_volume
from monai_unet.io.datasets import read_channels, stack_channels
from monai_unet.mappings import Json

if TYPE_CHECKING:
    from monai_unet.bundle_format import BundleParts

NIFTI = (".nii", ".nii.gz")


@dataclass(frozen=True)
class Source:
    """What a case came from.

    Attributes:
        name: the (first) file or folder.
        grid: of that file, in its own axis order; the result lies on it.
        loaded: grid of the image as the bundle's loader states it, which its postprocessing must come back to.
        frame: the same voxels with the affine of the file (MONAI's reader changes some affines that shear).
        notes: what was unusual about reading it.
    """

    name: str
    grid: Grid
    loaded: Grid
    frame: Grid
    notes: tuple[str, ...] = ()

    @property
    def meta(self) -> Json:
        """Metadata for a volume in the working frame, as `read_volume` gives it."""
        return {
            **meta_of(self.grid.to_working(), of_file=self.grid),
            "filename_or_obj": self.name,
            NOTES: self.notes,
        }


def read_source(paths: Sequence[Path | None], parts: BundleParts) -> tuple[MetaTensor, Source]:
    """Read one case as the bundle's own loader does; DICOM goes through our reader, which refuses what is not sound.

    A bundle that reads by `LoadChannelsd` has its sequences put on one grid, and may miss some (None).

    Raises:
        InputError: a file is missing or damaged, or the channels lie on different grids.
    """
    if isinstance(parts.loader, LoadChannelsd):
        return given_volume(read_channels(paths), parts, owned=True)
    files = [path for path in paths if path is not None]
    stock = not parts.reads_working_frame and all(path.name.lower().endswith(NIFTI) for path in files)
    if not stock:
        return given_volume(stack_channels([read_volume(path) for path in files]), parts, owned=True)
    # read first by our reader: it names what cannot be trusted, where MONAI's would guess or fail at length
    checked = stack_channels([read_volume(path) for path in files])
    grid, notes = source_grid(checked.meta), notes_of(checked.meta)
    del checked
    names = [str(path) for path in files]
    image = parts.load({parts.image_key: names if len(names) > 1 else names[0]})[parts.image_key]
    loaded = Grid(grid.shape, np.asarray(image.affine, dtype=float))
    return image, Source(names[0], grid, loaded, grid, notes)


def given_volume(volume: MetaTensor, parts: BundleParts, *, owned: bool = False) -> tuple[MetaTensor, Source]:
    """A volume (C, S, A, R) from `read_volume` as the bundle's loader would have given it.

    A bundle that reads by `LoadVolumed` gets it as it is, any other in the axis order of the file, as MONAI's
    `LoadImaged` gives NIfTI files.

    Intensities keep their unit.

    Args:
        owned: nobody else holds the volume, so that it need not be copied before it is changed.
    """
    meta, name = volume.meta, str(volume.meta.get("filename_or_obj", "the given volume"))
    grid = source_grid(meta) if "original_affine" in meta else grid_of(volume)
    notes = notes_of(meta)
    if parts.reads_working_frame:
        values = volume.as_tensor()
        image = MetaTensor(values if owned else values.clone(), meta={**meta, "original_channel_dim": 0})
        return image, Source(name, grid, grid_of(volume), grid_of(volume), notes)
    array = np.stack([from_working_frame(channel, grid) for channel in volume.as_tensor().numpy()])
    single = len(array) == 1 and not parts.loader._loader.ensure_channel_first
    image = MetaTensor(
        torch.from_numpy(np.ascontiguousarray(array[0] if single else array)),
        meta={
            "affine": torch.as_tensor(grid.affine),
            "original_affine": grid.affine,
            "spatial_shape": np.asarray(grid.shape),
            "original_channel_dim": float("nan") if single else 0,
            "space": "RAS",
            "filename_or_obj": name,
        },
    )
    return image, Source(name, grid, grid, grid, notes)


def label_map(pred: torch.Tensor, source: Source) -> tuple[MetaTensor, list[str]]:
    """Postprocessed output of a bundle as a label map (1, S, A, R) on the grid of the source, and notes about it.

    Raises:
        InputError: the bundle's output carries no geometry and does not have the shape of the input either.
    """
    notes: list[str] = []
    if not isinstance(pred, MetaTensor):
        if tuple(pred.shape[-3:]) != source.loaded.shape:
            raise InputError(
                f"the bundle's result for {source.name} has shape {tuple(pred.shape)} and no geometry, so that it "
                "cannot be put on the image; its postprocessing must keep the metadata (Invertd)."
            )
        pred = MetaTensor(pred, affine=torch.as_tensor(source.loaded.affine))
    if not grid_of(pred).matches(source.loaded, tolerance=0.01):
        # what stock SaveImaged(resample=True) does with a result that was not inverted
        pred = SpatialResample(mode="nearest", padding_mode="border")(
            pred, dst_affine=torch.as_tensor(source.loaded.affine), spatial_size=source.loaded.shape
        )
        notes.append("The bundle's result lay on another grid than the image; it was resampled (nearest neighbour).")
    array = np.asarray(pred.detach().cpu())
    if array.shape[0] > 1:
        array, note = _painted(array)
        notes.append(note)
    if array.dtype == np.uint8:
        integers = array[0]
    else:
        values = np.rint(array[0])
        integers = values.astype(np.uint8 if int(values.max(initial=0)) < 256 else np.uint16)
    working, _ = to_working_frame(integers, source.frame)
    labels = torch.from_numpy(np.ascontiguousarray(working)[None])
    return MetaTensor(labels, meta=source.meta), notes


def _painted(channels: np.ndarray) -> tuple[np.ndarray, str]:
    """Region channels (C, *spatial), which may overlap, as one label map: the smaller region lies on top."""
    masks = channels > 0.5
    labels = np.zeros((1, *masks.shape[1:]), dtype=np.uint8)
    for channel in sorted(range(len(masks)), key=lambda c: -int(masks[c].sum())):
        labels[0][masks[channel]] = channel + 1
    overlaps = int((masks.sum(0) > 1).sum())
    return labels, f"{len(masks)} regions were painted into one label map; {overlaps} voxels lay in more than one."
