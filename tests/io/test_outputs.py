"""No output replaces an input, whatever its path is called, or a file of somebody else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monai_unet.errors import InputError
from monai_unet.io.outputs import claim_file, claim_folder, claim_names, input_at, unused_folder


def test_an_input_is_known_under_every_name(tmp_path: Path) -> None:
    folder = tmp_path / "series"
    folder.mkdir()
    image = folder / "001.dcm"
    image.write_text("image")
    (tmp_path / "link").symlink_to(image)
    (tmp_path / "folder link").symlink_to(folder)
    os.link(image, tmp_path / "hard link")
    spellings = [
        image,
        folder / ".." / "series" / "001.dcm",
        tmp_path / "link",
        tmp_path / "folder link" / "001.dcm",
        tmp_path / "hard link",
        os.path.relpath(image),
        folder / "new" / ".." / "001.dcm",
    ]
    for spelling in spellings:
        for given in (image, folder, tmp_path / "folder link"):
            with pytest.raises(InputError, match="input"):
                claim_file(spelling, inputs=[None, given], overwrite=True)
    assert claim_file(folder / "002.dcm", inputs=[folder]) == folder / "002.dcm"
    assert input_at(tmp_path / "nothing", [folder]) is None


def test_a_disk_that_ignores_case_is_asked_and_not_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system says that two spellings are one file: the same device and inode."""
    image = tmp_path / "scan.nii.gz"
    image.write_text("image")
    real_stat, real_exists = os.stat, os.path.lexists

    def folded(path: object) -> object:
        return str(path).lower() if isinstance(path, str | os.PathLike) and "SCAN" in str(path) else path

    monkeypatch.setattr(os, "stat", lambda path, **options: real_stat(folded(path), **options))
    monkeypatch.setattr(os.path, "lexists", lambda path: real_exists(folded(path)))
    with pytest.raises(InputError, match="same file as the input"):
        claim_file(tmp_path / "SCAN.nii.gz", inputs=[image], overwrite=True)


def test_a_file_that_is_there_is_replaced_only_when_the_user_says_so(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("a", "dangling"):
        with pytest.raises(InputError, match="there already"):
            claim_file(tmp_path / name)
        claim_file(tmp_path / name, overwrite=True)
    with pytest.raises(InputError, match="is a folder"):
        claim_file(tmp_path, overwrite=True)


def test_a_folder_is_new_or_empty_and_apart_from_the_inputs(tmp_path: Path) -> None:
    source, used = tmp_path / "source", tmp_path / "used"
    for folder in (source, used, tmp_path / "empty"):
        folder.mkdir()
    (used / "0001.dcm").write_text("")
    (tmp_path / "link").symlink_to(source)
    with pytest.raises(InputError, match="holds files already"):
        claim_folder(used)
    for inside in (source, source / "new", tmp_path / "link" / "a" / "b"):
        with pytest.raises(InputError, match="lies in the input"):
            claim_folder(inside, inputs=[source])
    with pytest.raises(InputError, match="is a file"):
        claim_folder(used / "0001.dcm")
    assert claim_folder(tmp_path / "empty", inputs=[source, None]) == tmp_path / "empty"
    assert claim_folder(tmp_path / "new", inputs=[source]) == tmp_path / "new"


def test_files_of_another_run_are_not_mixed_with_ours(tmp_path: Path) -> None:
    claim_names(tmp_path / "new", ["cases.csv"])
    claim_names(tmp_path, ["cases.csv", "predictions"])
    (tmp_path / "predictions").mkdir()
    claim_names(tmp_path, ["predictions"])
    (tmp_path / "predictions" / "a.nii.gz").write_text("")
    with pytest.raises(InputError, match="another run"):
        claim_names(tmp_path, ["cases.csv", "predictions"])
    (tmp_path / "cases.csv").write_text("")
    with pytest.raises(InputError, match="another run"):
        claim_names(tmp_path, ["cases.csv"])
    claim_names(tmp_path, ["cases.csv"], overwrite=True)
    with pytest.raises(InputError, match="is an input"):
        claim_names(tmp_path, ["cases.csv"], inputs=[tmp_path / "cases.csv"], overwrite=True)


def test_the_next_free_folder_is_taken(tmp_path: Path) -> None:
    assert unused_folder(tmp_path / "demo", ["a"]) == tmp_path / "demo"
    for name in ("demo", "demo_2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text("")
    assert unused_folder(tmp_path / "demo", ["a"]) == tmp_path / "demo_3"
    assert unused_folder(tmp_path / "demo", ["b"]) == tmp_path / "demo"
