"""Text of files stays text: one hostile string through every way out that has no window."""

from __future__ import annotations

import csv
import html.parser
import json
import logging
import unicodedata
from pathlib import Path
from urllib.parse import unquote

import nibabel as nib
import numpy as np
import pytest
from dicom_phantom import write_phantom
from pydicom import dcmread

from monai_unet.cli import main
from monai_unet.evaluation.compare import read_result
from monai_unet.evaluation.report import link
from monai_unet.io.foreign_text import cell, of_cell, plain, visible

HOSTILE = (
    '=HYPERLINK("x")<img src="file:///s.png"><h1>\x1b[31mred\x1b]0;title\x07\x9b2J\u202egnp.exe\u2066\u200b ../../x'
)


def tells_a_terminal(text: str) -> bool:
    """Whether a terminal would act on it, or not show it: control and format characters, by Unicode's own table."""
    return any(unicodedata.category(letter) in ("Cc", "Cf") and letter not in "\n" for letter in text)


def test_plain_text_has_nothing_that_a_terminal_acts_on() -> None:
    assert plain(HOSTILE) == '=HYPERLINK("x")<img src="file:///s.png"><h1>redgnp.exe ../../x'
    arabic_and_syriac_marks = "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2"
    everything = "".join(map(chr, range(0x3000))) + "\ufeff\U000e0041"
    assert not any(tells_a_terminal(letter) for letter in plain(everything) if letter not in arabic_and_syriac_marks)
    assert plain("Größe µ 体 é") == "Größe µ 体 é"


@pytest.mark.parametrize("begins", ["=1+1", "+1+1", "-1+1", "@SUM(1)", "\t=1", "\r=1", " =1", "'=1", "\u202e=1"])
def test_no_cell_begins_as_a_formula(begins: str) -> None:
    found = str(cell(begins))
    assert found.startswith("'")
    assert of_cell(found) == plain(begins)


@pytest.mark.parametrize("value", [1, -2.5, "-2.5", "+1e-3", "case_1", "", None])
def test_numbers_and_names_stay_what_they_are(value: object) -> None:
    assert cell(value) == value


def test_json_for_programs_keeps_what_it_escapes() -> None:
    text = visible(json.dumps([HOSTILE], ensure_ascii=False))
    assert not tells_a_terminal(text)
    assert json.loads(text) == [HOSTILE]


@pytest.mark.parametrize("name", ["javascript:alert(1).nii.gz", "x#y?z.nii.gz", "%2e.nii.gz", "ä b.nii.gz"])
def test_links_of_the_report_lead_to_the_file_and_are_no_scheme(tmp_path: Path, name: str) -> None:
    found = link(tmp_path / "p" / name, tmp_path / "p")
    assert found.startswith("./")
    assert not {":", "#", "?"} & set(found)
    assert (tmp_path / "p" / unquote(found)) == tmp_path / "p" / Path(name.lstrip("/"))


def test_info_prints_a_description_as_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    phantom = write_phantom(tmp_path / "ct")
    for path in phantom.folder.iterdir():
        dataset = dcmread(path)
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.SeriesDescription = "\x1b[31mred\u202e\nnote: forged"
        dataset.save_as(path)
    assert main(["info", str(phantom.folder)]) == 0
    out = capsys.readouterr().out
    assert not tells_a_terminal(out)
    assert "\nnote: forged" not in out
    assert main(["info", str(phantom.folder), "--json"]) == 0
    assert not tells_a_terminal(capsys.readouterr().out)


def test_bundles_prints_metadata_as_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "bundles" / "foreign"
    (root / "configs").mkdir(parents=True)
    metadata = {"version": HOSTILE, "task": f"{HOSTILE}\nown  1.0  forged", "description": HOSTILE}
    (root / "configs" / "metadata.json").write_text(json.dumps(metadata))
    (root / "configs" / "inference.json").write_text("{}")
    monkeypatch.setenv("MONAI_UNET_BUNDLES", str(tmp_path / "bundles"))
    assert main(["bundles"]) == 0
    out = capsys.readouterr().out
    assert "foreign" in out
    assert not tells_a_terminal(out)
    assert "\nown  1.0  forged" not in out


def test_errors_and_the_log_are_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(tmp_path / "\x1b[31mnone\u202e")]) == 1
    assert not tells_a_terminal(capsys.readouterr().err)
    record = logging.LogRecord("x", logging.WARNING, "", 0, "no picture of %s", (HOSTILE,), None)
    assert logging.lastResort is not None
    assert not tells_a_terminal(logging.lastResort.format(record))


def test_tables_and_report_of_an_evaluation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mask = np.zeros((8, 8, 8), np.uint8)
    mask[2:6, 2:6, 2:6] = 1
    for folder in ("reference", "prediction"):
        (tmp_path / folder).mkdir()
        for name in ("=cmd|' -C calc'!A0.nii.gz", "javascript:alert(1).nii.gz"):
            nib.save(nib.Nifti1Image(mask, np.eye(4)), tmp_path / folder / name)
    out = tmp_path / "out"
    given = ["--predictions", tmp_path / "prediction", "--references", tmp_path / "reference", "--output", out]
    given = ["evaluate", *map(str, given), "--labels", "1=@SUM(1)\x1b[31m", "--workers", "1"]
    assert main(given) == 0
    assert not tells_a_terminal(capsys.readouterr().out)
    for table in ("cases.csv", "lesions.csv"):
        with (out / table).open(newline="") as file:
            cells = [value for row in csv.reader(file) for value in row]
        assert not [value for value in cells if value.startswith(("=", "@", "+"))]
        assert not any(tells_a_terminal(value) for value in cells)

    addresses: list[str] = []

    class Links(html.parser.HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            addresses.extend(str(value) for key, value in attrs if key == "href")

    Links().feed((out / "report.html").read_text(encoding="utf-8"))
    assert any("javascript" in address for address in addresses)
    assert all(":" not in address for address in addresses)
    assert all((out / unquote(address)).exists() for address in addresses if not address.startswith("#"))
    assert "=cmd|' -C calc'!A0" in {case for case, _ in read_result(out).values}
