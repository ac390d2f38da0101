"""The readers and writers of `monai_unet.io` as components that a bundle's config can name."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import KeysCollection, PathLike
from monai.data import ImageReader, MetaTensor
from monai.transforms import LoadImaged, MapTransform
from monai.utils import ensure_tuple
from numpy.typing import NDArray

from monai_unet.io.formats import LabelEntry
from monai_unet.io.outputs import claim_file
from monai_unet.io.volume import case_name, read_volume, write_label_map
from monai_unet.mappings import CaseData, CaseDict

# MONAI says at every construction of a reader that NVIDIA's decoder is not there; nobody can act on it
logging.getLogger("monai.data.nvimgcodec_pydicom_plugin").setLevel(logging.ERROR)


class VolumeReader(ImageReader):
    """`read_volume` as a MONAI image reader; axes of the array (S, A, R), see `monai_unet.io.volume`.

    Name it through `LoadVolumed`: MONAI's `LoadImaged` tries its other readers when this one refuses a file, and
    these silently return wrong geometry for the very cases that are refused here.

    Args:
        options: `series`, `uneven` and `tilt` of `read_volume`, for DICOM.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = options

    def verify_suffix(self, filename: Sequence[PathLike] | PathLike) -> bool:
        """Whether this reader is the one to use: always, it names what it cannot read."""
        return True

    def read(self, data: Sequence[PathLike] | PathLike, **kwargs: object) -> list[MetaTensor]:
        """Volumes of the named files or DICOM folders."""
        return [read_volume(Path(name), **self.options) for name in ensure_tuple(data)]

    def get_data(self, img: object) -> tuple[NDArray[np.number], CaseDict]:
        """Array (S, A, R), or (C, S, A, R) for several files on one grid, and its metadata."""
        from monai_unet.io.datasets import stack_channels

        volume = stack_channels(ensure_tuple(img))
        meta = dict(volume.meta)
        meta["original_channel_dim"] = 0
        return volume.numpy(), meta


class LoadVolumed(LoadImaged):
    """MONAI's `LoadImaged` with `VolumeReader` and no other: a refused file is an error, never a second guess.

    Gives MetaTensors (C, S, A, R), channel first. Where the data have the key "series" (of `find_cases`, or of a case
    in `dataset.json`), it chooses among the DICOM series below a path. Args as `monai.transforms.LoadImaged`, and
    `reader_options`: those of `VolumeReader`.
    """

    def __init__(
        self, keys: KeysCollection, *, reader_options: Mapping[str, object] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(keys, reader=None, ensure_channel_first=True, image_only=True, **kwargs)
        self.reader_options = dict(reader_options or {})

    def __call__(self, data: CaseData, reader: ImageReader | None = None) -> CaseDict:
        """Load each key's path (or list of paths, one per channel)."""
        chosen = {"series": str(data["series"])} if data.get("series") else {}
        return super().__call__(data, reader=reader or VolumeReader(**{**self.reader_options, **chosen}))


class LoadChannelsd(LoadVolumed):
    """Load the sequences of a case as one MetaTensor (C, S, A, R), a channel of zeros for each that is None.

    The value of each key is a list in the order of the bundle's channels, see
    `monai_unet.io.datasets.read_channels`.
    """

    def __call__(self, data: CaseData, reader: ImageReader | None = None) -> CaseDict:
        """Load each key's sequences."""
        from monai_unet.io.datasets import read_channels

        result = dict(data)
        for key in self.key_iterator(result):
            files = result[key]
            result[key] = read_channels(files if isinstance(files, list | tuple) else [files])
        return result


class SaveLabelMapd(MapTransform):
    """Write the label map at each key as `<output_dir>/<case>.nii.gz` on the grid of the file it came from.

    Input: MetaTensor (1, S, A, R) in the working frame whose `meta` was made by `LoadVolumed`. The case is what stands
    under "name" (see `find_cases`), else the file's own name. `names` (label value → name) go into the file's header.

    Raises:
        InputError: the file is there already and not of this run, or it is the image.
    """

    def __init__(
        self,
        keys: KeysCollection,
        *,
        output_dir: str,
        suffix: str = "",
        names: Mapping[int, str] | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.output_dir = Path(output_dir)
        self.suffix = suffix
        # keys of a JSON object are strings
        self.table = {int(value): LabelEntry(name) for value, name in (names or {}).items()}
        self._written: set[Path] = set()

    def __call__(self, data: CaseData) -> CaseDict:
        """Write, and pass the data on."""
        for key in self.key_iterator(dict(data)):
            labels = data[key]
            name = str(data.get("name") or case_name(labels.meta["filename_or_obj"])) + self.suffix
            path = self.output_dir / f"{name}.nii.gz"
            image, again = str(labels.meta["filename_or_obj"]), path in self._written
            claim_file(path, inputs=[image], overwrite=again, hint="or give another --output_dir")
            write_label_map(labels.cpu().numpy(), path, like=labels.meta, table=self.table)
            self._written.add(path)
        return dict(data)
