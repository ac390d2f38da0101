"""One hostile string, as name of the patient, description, file name and label name, through every command."""

from __future__ import annotations

import csv
import html.parser
import json
import re
import shutil
import unicodedata
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from dicom_checks import ALGORITHM
from dicom_phantom import write_phantom
from pydicom import dcmread
from segmentation_cases import hippocampus_weights

from monai_unet.cli import main
from monai_unet.geometry.grid import to_working_frame
from monai_unet.io.dicom import find_series, write_seg
from monai_unet.io.results import Segment

HOSTILE = '=HYPERLINK("x")<img src="file:///s.png"><h1>\x1b[31mred\x1b]0;t\x07\x9b2J\u202egnp.exe\u2066\u200b../../x&#y?$\\bad$'
FILE = HOSTILE.replace("/", "_")
SHORT = "=1+1$\\bad$<b>\x1b[31m\u202e../x"
"""What fits into the 64 characters of a segment's label."""


def tells_a_terminal(text: str) -> bool:
    return any(unicodedata.category(letter) in ("Cc", "Cf") and letter not in "\n" for letter in text)


class Page(html.parser.HTMLParser):
    """What a browser would make of a report."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.headings: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]


def look_at(folder: Path) -> None:
    """Every file that a command left."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    for path in files:
        if path.suffix in (".json", ".jsonl", ".html", ".csv"):
            text = path.read_text(encoding="utf-8")
            assert not tells_a_terminal(re.sub(r"[\n\t]", "", text)), path
        if path.suffix == ".html":
            page = Page(text)
            assert not page.tags & {"script", "iframe", "object", "form", "b"}, path
            for address in page.addresses:
                assert address.startswith(("data:image/", "./", "../", "#", "cases.csv", "lesions.csv", "summary.json"))
        if path.suffix == ".csv":
            for row in csv.reader(text.splitlines()):
                for cell in row:
                    number = re.fullmatch(r"[+-]?\d+\.?\d*(e[+-]?\d+)?", cell)
                    assert number or not cell.startswith(("=", "+", "-", "@")), cell
        if path.suffix == ".json":
            json.loads(text)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CT of a patient of that name in a folder of that name, a SEG whose segments are called so, a data set of it."""
    root = tmp_path_factory.mktemp("study")
    phantom = write_phantom(root / FILE, shape=(24, 22, 10))
    for path in phantom.folder.iterdir():
        image = dcmread(path)
        image.SpecificCharacterSet = "ISO_IR 192"
        # a backslash parts the values of an element
        image.PatientName = HOSTILE.replace("\\", "")
        image.PatientID, image.SeriesDescription = HOSTILE[:64].replace("\\", ""), HOSTILE
        image.StudyDescription = image.InstitutionName = HOSTILE
        image.save_as(path)
    labels = np.zeros((24, 22, 10), np.uint8)
    labels[4:14, 3:12, 2:6], labels[15:20, 3:12, 2:6] = 1, 2
    working, _ = to_working_frame(labels, phantom.grid)
    (series,) = find_series(phantom.folder)
    segments = [Segment(1, SHORT), Segment(2, "+" + SHORT)]
    write_seg(working, root / "mask.dcm", source=series, segments=segments, algorithm=ALGORITHM)
    data = root / "data"
    (data / "p").mkdir(parents=True)
    for name, array in (("image", phantom.voxels), ("label", labels)):
        (data / name).mkdir()
        nib.save(nib.Nifti1Image(array, phantom.grid.affine), data / name / f"{FILE}.nii.gz")
    nib.save(nib.Nifti1Image(np.roll(labels, 1, 0), phantom.grid.affine), data / "p" / f"{FILE}.nii.gz")
    case = {"image": f"image/{FILE}.nii.gz", "label": f"label/{FILE}.nii.gz"}
    content = {"labels": {"0": "background", "1": HOSTILE + " tumour", "2": "@" + SHORT}, "test": [case]}
    (data / "dataset.json").write_text(json.dumps(content))
    hippocampus_weights(root / "model.pt")
    return root


def run(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> str:
    capsys.readouterr()
    found = main([str(word) for word in words])
    said = capsys.readouterr()
    # a bar of progress rewrites its line
    text = (said.out + said.err).replace("\r", "")
    assert not tells_a_terminal(text), repr(text)
    assert found == code, text
    return text


def test_info(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for more in ([], ["--json"], ["--identity"]):
        assert "HYPERLINK" in run(capsys, "info", study, *more)


@pytest.mark.parametrize("to", ["", "seg", "rtstruct", "sr", "dicom", "split", "label map"])
def test_convert(study: Path, tmp_path: Path, to: str, capsys: pytest.CaptureFixture[str]) -> None:
    out, ct = tmp_path / "out", study / FILE
    if to == "":
        run(capsys, "convert", ct, out / f"{FILE}.nii.gz")
    elif to == "dicom":
        run(capsys, "convert", ct, out / "copy", "--to", "dicom", "--deidentify")
    elif to == "split":
        run(capsys, "convert", study / "mask.dcm", out, "--split")
        # words alone, and nowhere else
        assert all(re.fullmatch(r"[\w.]+", path.name) for path in out.rglob("*"))
    elif to == "label map":
        run(capsys, "convert", study / "mask.dcm", out / "mask.nrrd")
    else:
        run(capsys, "convert", study / "mask.dcm", out / "made.dcm", "--source", ct, "--to", to)
    look_at(out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_segment(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = ["--bundle", "hippocampus_mri", "--checkpoint", study / "model.pt", "--device", "cpu"]
    run(capsys, "segment", study / FILE, "-o", tmp_path / "out", *model)
    look_at(tmp_path / "out")
    # what cannot be segmented is named as text too
    bad = tmp_path / f"{FILE}.nii"
    bad.write_bytes(b"no volume")
    assert "no volume" not in run(capsys, "segment", bad, "-o", tmp_path / "other", *model, code=1)


def test_evaluate_and_compare(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--dataset", study / "data", "--predictions", study / "data" / "p", "--lesions", "all", "--workers", 1]
    for name in ("one", FILE):
        run(capsys, "evaluate", *words, "--output", tmp_path / name)
        look_at(tmp_path / name)
    run(capsys, "compare", tmp_path / "one", tmp_path / FILE, "--output", tmp_path / "compared")
    run(capsys, "compare", tmp_path / "one", tmp_path / FILE, "--output", tmp_path / "named", "--names", "a", HOSTILE)
    look_at(tmp_path / "compared")
    look_at(tmp_path / "named")
    # a case that fails, and labels that nobody named
    shutil.copytree(study / "data", tmp_path / "data")
    (tmp_path / "data" / "p" / f"{FILE}.nii.gz").write_bytes(b"x")
    words = ["--predictions", tmp_path / "data" / "p", "--references", tmp_path / "data" / "label", "--workers", 1]
    run(capsys, "evaluate", *words, "--output", tmp_path / "failed", code=1)


def test_interact(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    how = ["--method", "classical", "--clicks", 1]
    run(capsys, "interact", "--dataset", study / "data", "--output", tmp_path / "out", *how)
    look_at(tmp_path / "out")
    case = ["--image", study / FILE, "--reference", study / "mask.dcm"]
    run(capsys, "interact", *case, *how, "--json")
