"""Folds and validation part: patients stay together, the draw is repeatable, what others numbered is kept."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from labelled_phantom import write_set

from monai_unet.errors import InputError
from monai_unet.generators import drain
from monai_unet.io.datasets import LabelledCase, read_labelled_set
from monai_unet.planning import Split, kept_split, make_folds, make_split, take_fingerprint, validation_part


def case(name: str, group: str = "", *, site: str = "", fold: int | None = None) -> LabelledCase:
    return LabelledCase(name, (f"{name}.nii",), f"{name}_l.nii", group or name, site, fold=fold)


def test_cases_of_a_patient_share_a_fold_and_every_case_is_held_out_once() -> None:
    cases = [case(f"p{p}_{n}", f"p{p}") for p in range(11) for n in range(1 + p % 3)]
    folds = make_folds(cases, 4, seed=3)
    assert sorted(name for fold in folds for name in fold) == sorted(c.name for c in cases)
    of = {name: number for number, fold in enumerate(folds) for name in fold}
    for p in range(11):
        assert len({of[c.name] for c in cases if c.group == f"p{p}"}) == 1
    assert max(map(len, folds)) - min(map(len, folds)) <= 2


def test_the_draw_follows_the_seed_and_not_the_order_of_cases() -> None:
    cases = [case(f"c{n}") for n in range(20)]
    first = make_folds(cases, 5, seed=1)
    assert make_folds(cases, 5, seed=1) == first
    assert {frozenset(fold) for fold in make_folds(cases[::-1], 5, seed=1)} == {frozenset(fold) for fold in first}
    assert make_folds(cases, 5, seed=2) != first


def test_sites_and_rare_classes_are_spread_over_the_folds() -> None:
    cases = [case(f"c{n}", site="small" if n < 5 else "large") for n in range(25)]
    marked = {f"c{n}": frozenset({1, 2} if n % 5 == 0 else {1}) for n in range(25)}
    for seed in range(5):
        folds = make_folds(cases, 5, seed=seed, marked=marked)
        assert [sum(2 in marked[name] for name in fold) for fold in folds] == [1] * 5
        sites = {c.name: c.site for c in cases}
        assert [Counter(sites[name] for name in fold)["small"] for fold in folds] == [1] * 5


def test_no_fold_is_empty_where_one_patient_has_most_cases() -> None:
    cases = [case(f"p0_{n}", "p0") for n in range(20)] + [case(f"q{n}") for n in range(3)]
    assert all(make_folds(cases, 4, seed=0))


def test_fewer_patients_than_folds_is_one_sentence() -> None:
    with pytest.raises(InputError, match="5 folds need 5 patients or more, and there are 2"):
        make_folds([case("a", "p"), case("b", "p"), case("c", "q")], 5)
    with pytest.raises(InputError, match="give 2 or more"):
        make_folds([case("a"), case("b")], 1)


def test_fold_numbers_of_the_data_set_are_taken() -> None:
    cases = [case("a", fold=0), case("b", fold=2), case("c", fold=2)]
    assert make_folds(cases, 5) == (("a",), ("b", "c"))
    with pytest.raises(InputError, match="1 training cases have no fold number, d first"):
        make_folds([*cases, case("d")], 5)
    with pytest.raises(InputError, match="both are of patient p"):
        make_folds([case("a", "p", fold=0), case("b", "p", fold=1)], 5)


@pytest.mark.parametrize(("patients", "held"), [(2, 1), (5, 1), (6, 2), (10, 2), (50, 10)])
def test_about_a_fifth_of_the_patients_validate(patients: int, held: int) -> None:
    cases = [case(f"p{p}_{n}", f"p{p}") for p in range(patients) for n in (1, 2)]
    found = validation_part(cases, seed=4)
    assert len({name.split("_")[0] for name in found}) == held
    assert len(found) == 2 * held


def test_one_patient_cannot_validate() -> None:
    with pytest.raises(InputError, match="the training list holds 1"):
        validation_part([case("a", "p"), case("b", "p")])


def test_a_split_is_drawn_once_and_noticed_to_be_of_other_cases(tmp_path: Path) -> None:
    made = Split(("a", "b"), ("c",), (), seed=1)
    assert kept_split(tmp_path / "split.json", made) == made
    assert kept_split(tmp_path / "split.json", Split(("c", "b"), ("a",), (), seed=2)) == made
    with pytest.raises(InputError, match=r"1 cases are gone \(c\) and 1 are new \(d\)"):
        kept_split(tmp_path / "split.json", Split(("a", "b"), ("d",), ()))
    (tmp_path / "split.json").write_text("[]")
    with pytest.raises(InputError, match="cannot be read as a split"):
        kept_split(tmp_path / "split.json", made)


def test_a_set_without_validation_gets_one_and_own_lists_are_kept(tmp_path: Path) -> None:
    labelled = read_labelled_set(write_set(tmp_path / "set", count=6))
    print_ = drain(take_fingerprint(labelled, workers=1))
    split = make_split(labelled, print_, seed=0)
    assert (len(split.training), len(split.validation)) == (4, 2)
    assert not set(split.training) & set(split.validation)
    folds = make_split(labelled, print_, folds=3, seed=0)
    assert [len(fold) for fold in folds.folds] == [2, 2, 2]
    learnt, judged = folds.of_fold(1)
    assert sorted((*learnt, *judged)) == sorted(folds.training)


def test_without_known_patients_there_are_no_folds(tmp_path: Path) -> None:
    root = write_set(tmp_path / "set", count=3)
    (root / "patients.csv").write_text("name,patient\na0,p1\na1,\na2,\n")
    labelled = read_labelled_set(root)
    print_ = drain(take_fingerprint(labelled, workers=1))
    with pytest.raises(InputError, match="does not say which training cases are of one patient, so folds"):
        make_split(labelled, print_, folds=2)
    with pytest.raises(InputError, match="has no validation list"):
        make_split(labelled, print_)
