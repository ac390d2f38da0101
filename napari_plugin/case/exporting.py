"""Saving a session's result: mask, DICOM SEG, RTSTRUCT, SR, table, training case (no Qt).

Everything is written from one `EditedCase`, a snapshot, so that it may run in another thread while the user works on.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monai_unet.bundle_format import Bundle, BundleDescription, find_bundle
from monai_unet.errors import InputError
from monai_unet.generators import drain
from monai_unet.geometry import grid_of, place
from monai_unet.interaction.session import SegmentObject
from monai_unet.io import (
    RESEARCH_USE,
    AlgorithmIdentity,
    Segment,
    case_name,
    cell,
    notes_of,
    read_mask_file,
    write_label_map,
    write_text,
    write_volume,
)
from monai_unet.io.datasets import dataset_labels, read_dataset
from monai_unet.io.dicom import DicomSeries, meaning_of, new_uid, write_rtstruct, write_seg, write_sr
from monai_unet.io.formats import LabelEntry
from monai_unet.mappings import Json
from monai_unet.measurement import Lesion, Uptake, bidimensional_product, for_report
from monai_unet.version import __version__
from napari_plugin.case.claims import claim_beside, claim_named
from napari_plugin.case.findings import (
    Uptakes,
    Wholes,
    in_parts,
    measure_objects,
    measure_uptakes,
    measure_wholes,
    wholes_of,
)
from napari_plugin.case.opening import OpenImage, dicom_series
from napari_plugin.case.prompted import Prompted, bundle_named

EDITED_BY = "monai-unet editor"


@dataclass(frozen=True, eq=False)
class EditedCase:
    """What is saved.

    Attributes:
        image: the image it was drawn on.
        labels: (S, A, R), a copy.
        objects: those with voxels or without, by value.
        made_by: provenance of the automatic result it began with; empty without.
        notes: what was unusual about the images that were shown, one sentence each.
        prompted: the objects that prompts were given on, see `prompted_by`.
    """

    image: OpenImage
    labels: NDArray[np.integer]
    objects: tuple[SegmentObject, ...]
    made_by: Mapping[str, object]
    notes: tuple[str, ...] = ()
    prompted: tuple[Prompted, ...] = ()

    def measured(self) -> dict[int, Lesion | None]:
        """The measurements of each object."""
        return drain(measure_objects(self.labels, self.image.array, self.image.grid, [o.value for o in self.objects]))

    def wholes(self) -> Wholes:
        """The same of the wholes that classes of one tumour are parts of."""
        held = wholes_of(self.objects)
        return drain(measure_wholes(self.labels, self.image.array, self.image.grid, held))

    def uptakes(self) -> Uptakes:
        """SUV of each object, where the image is PET and its headers state what is needed."""
        values = [item.value for item in self.objects]
        return measure_uptakes(self.labels, self.image.array, self.image.grid, values, self.image.suv)

    def algorithm(self) -> AlgorithmIdentity:
        """Who drew it: the editor, from an automatic result where there was one."""
        bundle, answered = self.made_by.get("bundle"), self._answering_bundle()
        version = str(self.made_by.get("version") or __version__)
        weights = str(self.made_by.get("weights_sha256") or "")
        if bundle:
            name = f"{bundle}, corrected"
        elif answered is not None:
            name, weights = f"{EDITED_BY} with {answered.name}", answered.description.weights_sha256
        else:
            name = EDITED_BY
        return AlgorithmIdentity(name, version, weights, made_by="SEMIAUTOMATIC", notes=self.stated_notes())

    def _answering_bundle(self) -> Bundle | None:
        """The network that answered most objects; None where none did."""
        methods = [method for item in self.prompted for method in item.methods]
        found = [bundle for name in sorted(set(methods), key=methods.count) if (bundle := bundle_named(name))]
        return found[-1] if found else None

    def stated_notes(self) -> tuple[str, ...]:
        """The notes of the automatic result and of the images, each once."""
        return tuple(dict.fromkeys([*notes_of(self.made_by), *self.notes]))

    def numbered(self) -> tuple[NDArray[np.integer], list[Segment]]:
        """Labels with the values 1, 2, … in the order of the objects, as DICOM numbers segments, and the segments."""
        highest = max((item.value for item in self.objects), default=0)
        table = np.zeros(highest + 1, dtype=np.uint16)
        segments = []
        for number, item in enumerate(self.objects, start=1):
            table[item.value] = number
            meaning = meaning_of(item.class_name or item.name)
            segments.append(Segment(number, item.name, meaning, item.color, item.name[:64], str(new_uid())))
        return table[self.labels], segments


def save_mask(outcome: EditedCase, path: Path) -> list[Path]:
    """NIfTI, NRRD or MetaImage on the grid of the image, and `<case>.json` that says how it was made."""
    claim_named(path, outcome.image)
    claim_beside(path.with_name(case_name(path) + ".json"), outcome.image)
    table = {item.value: LabelEntry(item.name, item.color) for item in outcome.objects}
    write_label_map(outcome.labels, path, like=outcome.image.volume.meta, table=table)
    provenance = path.with_name(case_name(path) + ".json")
    names = {str(item.value): item.name for item in outcome.objects}
    algorithm = outcome.algorithm()
    stated: Json = {"bundle": algorithm.name, "version": algorithm.version, "weights_sha256": algorithm.weights_sha256}
    stated |= {"notes": list(outcome.stated_notes())}
    stated |= {"prompted": [item.stated() for item in outcome.prompted]} if outcome.prompted else {}
    stated |= {"source": outcome.image.entry.path, "corrected": True, "use": RESEARCH_USE, "labels": names}
    write_text(provenance, json.dumps({**dict(outcome.made_by), **stated}, indent=2) + "\n")
    return [path, provenance]


def save_seg(outcome: EditedCase, path: Path) -> list[Path]:
    """DICOM SEG on the images of the series."""
    claim_named(path, outcome.image)
    labels, segments = _named(outcome)
    write_seg(labels, path, source=_series(outcome), segments=segments, algorithm=outcome.algorithm())
    return [path]


def save_rtstruct(outcome: EditedCase, path: Path) -> list[Path]:
    """RT Structure Set on the images of the series."""
    claim_named(path, outcome.image)
    labels, segments = _named(outcome)
    write_rtstruct(labels, path, source=_series(outcome), segments=segments, algorithm=outcome.algorithm())
    return [path]


def save_sr(outcome: EditedCase, path: Path) -> list[Path]:
    """Structured Report with the measurements, and beside it the SEG it refers to."""
    claim_named(path, outcome.image)
    claim_beside(path.with_name(f"{path.stem}.seg.dcm"), outcome.image)
    outcome = replace(outcome, objects=tuple(o for o in outcome.objects if (outcome.labels == o.value).any()))
    labels, segments = _named(outcome)
    series, measured, uptakes = _series(outcome), outcome.measured(), outcome.uptakes()
    apart = [in_parts(item.name, measured[item.value]) for item in outcome.objects]
    algorithm = replace(outcome, notes=(*outcome.notes, *filter(None, apart))).algorithm()
    seg = path.with_name(f"{path.stem}.seg.dcm")
    write_seg(labels, seg, source=series, segments=segments, algorithm=algorithm)
    lesions = [
        for_report(
            lesion, segment=segment.number, name=segment.name, modality=series.modality, uptake=uptakes.get(value)
        )
        for segment, (value, lesion) in zip(segments, measured.items(), strict=True)
        if lesion is not None
    ]
    if series.modality == "PT" and outcome.image.unit != "Bq/ml":
        lesions = [replace(lesion, unit="1") for lesion in lesions]
    write_sr(lesions, path, source=series, segmentation=seg, algorithm=algorithm)
    return [path, seg]


COLUMNS = (
    *("label", "name", "class", "volume_ml", "long_axis_mm", "short_axis_mm", "longest_diameter_3d_mm"),
    *("mean_intensity", "sd_intensity", "centre_r_mm", "centre_a_mm", "centre_s_mm", "parts", "target", "organ"),
    *("product_mm2", "lowest_intensity", "highest_intensity", "intensity_unit"),
    *("suvbw_mean", "suvbw_max", "suvbw_peak", "suvbw_mean_times_ml", "use", "notes"),
)


def save_csv(outcome: EditedCase, path: Path) -> list[Path]:
    """One line for each object, and one, without a label, for each whole that they are parts of.

    What was unusual about the images stands in every line, as each may be copied out of the table alone.
    """
    claim_named(path, outcome.image)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    measured, uptakes, unit = outcome.measured(), outcome.uptakes(), outcome.image.unit
    last = [RESEARCH_USE, cell("; ".join(outcome.stated_notes()))]
    for item in outcome.objects:
        lesion = measured[item.value]
        line = [item.value, cell(item.name), cell(item.class_name), *_cells(lesion), "yes" if item.target else "no"]
        more = [cell(item.organ), *_more_cells(lesion), unit, *_uptake_cells(uptakes.get(item.value))]
        table.writerow([*line, *more, *last])
    for name, whole in outcome.wholes().items():
        line = ["", cell(name), "whole of several labels", *_cells(whole), "no"]
        table.writerow([*line, "", *_more_cells(whole), unit, *_uptake_cells(None), *last])
    write_text(path, text.getvalue())
    return [path]


def save_for_training(outcome: EditedCase, folder: Path) -> list[Path]:
    """Append image and mask to a dataset in Decathlon layout, which is begun where there is none.

    A label there is a class: lesions of one class become one label. A class keeps the value that the dataset gives it,
    else the one that the model gives it (also under a new name, where the model has none for it), else, where no model
    was at work and each object is a class of its own, the one it has; only a class that has none gets a new one.

    What was unusual about the images stands beside the case.

    Raises:
        InputError: `dataset.json` is not readable, or gives the value of a model's class to another.
    """
    description = folder / "dataset.json"
    begun = description.is_file()
    dataset = read_dataset(folder) if begun else _new_dataset(outcome)
    stated = dataset_labels(folder) if begun else {}
    values = _class_values(outcome, stated, folder)
    table = np.zeros(max((item.value for item in outcome.objects), default=0) + 1, dtype=np.uint16)
    for item in outcome.objects:
        table[item.value] = values[_class_of(item)]
    base = case_name(outcome.image.entry.path) or "case"
    taken = {Path(case["image"]).name for case in dataset["training"]}
    # what the list does not name is somebody's file all the same
    taken |= {path.name for kind in ("imagesTr", "labelsTr") for path in (folder / kind).glob(f"{base}_*")}
    number = next(n for n in range(1, len(taken) + 2) if f"{base}_{n:03d}.nii.gz" not in taken)
    image, mask = (f"{kind}/{base}_{number:03d}.nii.gz" for kind in ("imagesTr", "labelsTr"))
    write_volume(outcome.image.volume, folder / image)
    write_label_map(table[outcome.labels], folder / mask, like=outcome.image.volume.meta)
    named = {**stated, **{value: name for name, value in values.items()}}
    dataset["labels"] = {"0": "background", **{str(value): named[value] for value in sorted(named)}}
    notes: Json = {"notes": list(outcome.stated_notes())} if outcome.stated_notes() else {}
    dataset["training"] = [*dataset["training"], {"image": f"./{image}", "label": f"./{mask}", **notes}]
    dataset["numTraining"] = len(dataset["training"])
    write_text(description, json.dumps(dataset, indent=2) + "\n")
    return [folder / image, folder / mask, description]


def load_mask(path: Path, image: OpenImage) -> tuple[NDArray[np.integer], list[SegmentObject]]:
    """Labels (S, A, R) on the voxels of an image, and their names, from a mask, a SEG or an RTSTRUCT.

    Raises:
        InputError: not a mask, structures that overlap, or voxels that are not those of the image.
    """
    mask = read_mask_file(path, source=dicom_series(image), threshold=0.5)
    if len(mask.masks) > 1:
        raise InputError(f"{path} has structures that overlap, which one label map cannot hold; load them one by one.")
    labels = place(mask.masks.numpy()[0], grid_of(mask.masks), image.grid, name=str(path))
    return labels, [SegmentObject(s.number, s.name, s.name, s.rgb) for s in mask.segments]


def _cells(lesion: Lesion | None) -> list[str]:
    if lesion is None:
        return [""] * 9 + ["0"]
    return [*(f"{value:.6g}" for value in _numbers(lesion)), str(lesion.parts)]


def _more_cells(lesion: Lesion | None) -> list[str]:
    if lesion is None:
        return ["", "", ""]
    span = lesion.intensity_range or ()
    return [f"{bidimensional_product(lesion):.6g}", *(f"{value:.6g}" for value in span), *([""] * (2 - len(span)))]


def _uptake_cells(uptake: Uptake | None) -> list[str]:
    if uptake is None:
        return [""] * 4
    values = (uptake.mean, uptake.highest, uptake.peak, uptake.total)
    return ["" if value is None else f"{value:.6g}" for value in values]


def _numbers(lesion: Lesion) -> Sequence[float]:
    centre = [float(mm) for mm in lesion.centroid_mm]
    return [
        lesion.volume_ml,
        lesion.long_axis.length_mm,
        lesion.short_axis.length_mm,
        lesion.longest_diameter.length_mm,
        float(lesion.intensity_mean or 0.0),
        float(lesion.intensity_sd or 0.0),
        *centre,
    ]


def _named(outcome: EditedCase) -> tuple[NDArray[np.integer], list[Segment]]:
    if not outcome.objects:
        raise InputError("There is nothing to save yet; segment or paint a lesion first.")
    return outcome.numbered()


def _series(outcome: EditedCase) -> DicomSeries:
    series = dicom_series(outcome.image)
    if series is None:
        raise InputError(
            f"{outcome.image.name} is not DICOM, and a DICOM result refers to DICOM images; save a mask or a table."
        )
    return series


def _new_dataset(outcome: EditedCase) -> Json:
    return {
        "name": "corrected cases",
        "description": f"Corrected with {EDITED_BY} {__version__}. {RESEARCH_USE}.",
        "tensorImageSize": "3D",
        "modality": {"0": outcome.image.modality or "image"},
        "labels": {},
        "numTraining": 0,
        "training": [],
        "validation": [],
        "test": [],
    }


def _class_values(outcome: EditedCase, stated: Mapping[int, str], folder: Path) -> dict[str, int]:
    """Class → label value in a dataset whose labels are `stated` (value → name; none: a new one)."""
    model = _labels_of_model(outcome)
    of_model = {name: value for value, name in model.items()}
    classes: dict[str, list[int]] = {}
    for item in outcome.objects:
        classes.setdefault(_class_of(item), []).append(item.value)
    each_its_own = not model and len(classes) == len(outcome.objects)
    reserved = {*model, *(value for objects in classes.values() if each_its_own for value in objects)}
    values = {name: value for value, name in stated.items()} or dict(of_model)
    for name, objects in classes.items():
        if name in values:
            continue
        wanted, only = of_model.get(name), objects[0] if len(objects) == 1 else 0
        stand_in = BundleDescription().label(only).name
        if wanted is None and model.get(only) == stand_in:
            # the user has given a name to a label that had none
            wanted = only
            values.pop(stand_in, None)
        taken = set(values.values())
        if wanted in taken:
            raise InputError(
                f"In {folder} the label {wanted} is {stated.get(wanted, '')}, and for the model that marked this case "
                f"it is {name}; choose another folder, so that no label changes its meaning."
            )
        if wanted is None and each_its_own and only not in taken:
            wanted = only
        values[name] = wanted or max(taken | reserved, default=0) + 1
    return values


def _class_of(item: SegmentObject) -> str:
    return item.class_name or item.name


def _labels_of_model(outcome: EditedCase) -> dict[int, str]:
    """Value → name as the model numbers them that the result began with, so that it can learn from the corrections."""
    stated = outcome.made_by.get("labels")
    if isinstance(stated, Mapping):
        return {int(value): str(name) for value, name in stated.items()}
    try:
        return find_bundle(str(outcome.made_by.get("bundle", ""))).description.label_names
    except InputError:
        return {}
