"""One reader of labelled data sets, whatever their layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from monai_unet.errors import InputError
from monai_unet.io.datasets.case_table import take_folds, take_patients
from monai_unet.io.datasets.decathlon import read_dataset
from monai_unet.io.datasets.labelled import Draft, LabelledSet
from monai_unet.io.datasets.layout_bids import is_bids, read_bids
from monai_unet.io.datasets.layout_csv import is_case_table, read_csv
from monai_unet.io.datasets.layout_decathlon import lists_of, read_decathlon
from monai_unet.io.datasets.layout_dicom import is_dicom_tree, read_dicom_tree
from monai_unet.io.datasets.layout_folders import pairs_of_folders, read_folders
from monai_unet.io.datasets.layout_nnunet import is_nnunet, read_nnunet
from monai_unet.io.datasets.patients import fill_groups
from monai_unet.io.datasets.stated_classes import stated_channels, stated_classes
from monai_unet.io.datasets.structures import structure_table
from monai_unet.mappings import Json

LAYOUTS = (
    "a dataset.json (Decathlon, nnU-Net), a CSV with the columns image and label, BIDS derivatives, folders images and "
    "labels, or DICOM studies with RTSTRUCT or SEG"
)


def read_labelled_set(
    path: str | Path,
    *,
    image: str | Sequence[str] | None = None,
    label: str | None = None,
    structures: str | Path | Mapping[str, object] | None = None,
    masks: str | Path | None = None,
) -> LabelledSet:
    """The cases of a labelled data set, its channels and its classes, without reading a voxel.

    DICOM contours are the exception: of these masks are drawn.

    Layouts:

    - a Decathlon folder or its `dataset.json`, also as published: tests as plain strings, no validation list, several
      channels in one 4D file (the case has one image then, and the set several channels);
    - a raw folder of nnU-Net (`imagesTr/case_0000.nii.gz`), version 1 or 2, with regions and the value to ignore;
    - a CSV with the columns `image` (or `image_<channel>`) and `label`, and if wanted `case`, `patient`, `site`, `part`
      (training, validation, test) and `fold`;
    - BIDS: masks (`…_dseg`, `…_mask`) in `derivatives`, images of the same subject and session;
    - DICOM studies with RTSTRUCT or SEG;
    - a folder `images` beside a folder `labels` (also `imagesTr`/`labelsTr`, and `…Val`, `…Ts`), matched by name.
      PNG and TIFF are read as single slices.

    A CSV in the folder with the columns name and patient (or site) names the patients of the first two and the last;
    `splits_final.json` gives folds; a `dataset.json` without lists names classes and channels.

    Args:
        path: the folder, or the file that lists the cases.
        image: which images are the channels, in order: keys of the entries of a `dataset.json`, columns, suffixes of
            BIDS, or the one modality of DICOM.
        label: the key or column of the label, where it is not "label"; the kind of masks of BIDS.
        structures: DICOM only, which structures are which class, see `structure_table`.
        masks: DICOM only, folder that the masks are drawn into.

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
    draft = _drafted(root, wanted, label or "") or _of_dicom(root, wanted, structures, masks)
    take_patients(draft)
    take_folds(draft)
    fill_groups(draft)
    return draft.finished()


def _drafted(path: Path, image: Sequence[str], label: str) -> Draft | None:
    if path.is_file() and path.suffix.lower() in (".csv", ".tsv"):
        return read_csv(path, image, label)
    file = path if path.suffix == ".json" else path / "dataset.json"
    content = read_dataset(file) if file.is_file() else {}
    if content and is_nnunet(file.parent, content):
        return read_nnunet(file.parent, content)
    if lists_of(content):
        return read_decathlon(file, content, image, label or "label")
    if path.is_dir():
        tables = [table for table in sorted(path.glob("*.[ct]sv")) if is_case_table(table)]
        if len(tables) == 1:
            return _named(read_csv(tables[0], image, label), content, file)
        pairs = pairs_of_folders(path)
        if pairs:
            return _named(read_folders(path, pairs), content, file)
        if is_bids(path):
            return read_bids(path, image, label)
    return None


def _of_dicom(
    path: Path,
    image: Sequence[str],
    structures: str | Path | Mapping[str, object] | None,
    masks: str | Path | None,
) -> Draft:
    if not path.is_dir() or not is_dicom_tree(path):
        raise InputError(f"{path} is in no layout that is read; give {LAYOUTS}.")
    if masks is None:
        raise InputError(f"{path} holds contours, of which masks are to be drawn; name a folder for them with masks.")
    table = {} if structures is None else structure_table(structures)
    return read_dicom_tree(path, image, table, Path(masks))


def _named(draft: Draft, content: Json, file: Path) -> Draft:
    """A data set whose `dataset.json` lists no cases, but names classes and channels."""
    classes = stated_classes(content, file)
    draft.classes, draft.ignore, draft.region_order = classes.classes, classes.ignore, classes.region_order
    draft.faults += classes.faults
    channels = stated_channels(content)
    if len(channels) == len(draft.channels):
        draft.channels = channels
    return draft
