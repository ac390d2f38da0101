"""One reader of labelled data sets, whatever their layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from monai_unet.errors import InputError
from monai_unet.io.datasets.decathlon import read_dataset
from monai_unet.io.datasets.labelled import Draft, LabelledSet
from monai_unet.io.datasets.layout_decathlon import lists_of, read_decathlon
from monai_unet.io.datasets.layout_folders import pairs_of_folders, read_folders
from monai_unet.io.datasets.patients import fill_groups

LAYOUTS = (
    "a dataset.json (Decathlon, nnU-Net), a CSV with the columns image and label, BIDS derivatives, folders images and "
    "labels, or DICOM studies with RTSTRUCT or SEG"
)


def read_labelled_set(
    path: str | Path, *, image: str | Sequence[str] | None = None, label: str | None = None
) -> LabelledSet:
    """The cases of a labelled data set, its channels and its classes, without reading a voxel.

    Layouts: a Decathlon folder or its `dataset.json`, also as published (tests as plain strings, no validation list,
    several channels in one 4D file: the case has one image then, and the set several channels); a folder `images`
    beside a folder `labels` (also `imagesTr`/`labelsTr`, and `…Val`, `…Ts`), matched by name.

    Args:
        path: the folder, or the file that lists the cases.
        image: which images are the channels, in order: keys of the entries of a `dataset.json`.
        label: the key of the label, where it is not "label".

    Raises:
        InputError: no known layout, or anything is missing, listed twice or contradicts itself; all of it in one
            sentence.

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> for kind in ("images", "labels"):
    ...     Path(folder.name, kind).mkdir()
    ...     for case in ("a", "b"):
    ...         Path(folder.name, kind, f"{case}.nii.gz").touch()
    >>> [case.name for case in read_labelled_set(folder.name).cases]
    ['a', 'b']
    >>> folder.cleanup()
    """
    root = Path(path)
    if not root.exists():
        raise InputError(f"{root} does not exist; check the path.")
    wanted = (image,) if isinstance(image, str) else tuple(image or ())
    draft = _drafted(root, wanted, label or "")
    fill_groups(draft)
    return draft.finished()


def _drafted(path: Path, image: Sequence[str], label: str) -> Draft:
    file = path if path.suffix == ".json" else path / "dataset.json"
    if file.is_file():
        content = read_dataset(file)
        if lists_of(content):
            return read_decathlon(file, content, image, label or "label")
    pairs = pairs_of_folders(path)
    if pairs:
        return read_folders(path, pairs)
    raise InputError(f"{path} is in no layout that is read; give {LAYOUTS}.")
