"""`monai-unet compare`: two evaluations of the same cases, case by case."""

from __future__ import annotations

import argparse
from pathlib import Path

from monai_unet.cli import SOME_FAILED, SUCCESS
from monai_unet.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("first", metavar="A", help="folder written by evaluate")
    parser.add_argument("second", metavar="B", help="folder written by evaluate, of the same cases")
    parser.add_argument("--names", nargs=2, metavar=("A", "B"), help="what to call them (default: the folders' names)")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the comparison")
    parser.add_argument("--overwrite", action="store_true", help="replace a comparison that is there")


def run(arguments: argparse.Namespace) -> int:
    """Compare and write; 0 all cases compared, 2 some cases or classes are in one result only."""
    from monai_unet.evaluation import compare, read_result, text_rows, write_comparison_json, write_comparison_report
    from monai_unet.io import claim_names

    names = arguments.names or _names(Path(arguments.first), Path(arguments.second))
    if names[0] == names[1]:
        raise InputError(f"Both results would be called {names[0]}; tell them apart with --names A B.")
    comparison = compare(read_result(arguments.first, name=names[0]), read_result(arguments.second, name=names[1]))
    folder = Path(arguments.output)
    inputs = [arguments.first, arguments.second] if arguments.overwrite else []
    inputs = [Path(given, name) for given in inputs for name in ("summary.json", "cases.csv", "journal.jsonl")]
    claim_names(
        folder,
        ["compare.json", "compare.html"],
        inputs=inputs,
        overwrite=arguments.overwrite,
        hint="or say --overwrite",
    )
    write_comparison_json(comparison, folder / "compare.json")
    write_comparison_report(comparison, folder / "compare.html")
    print(text_rows(comparison))
    alone = len(comparison.only_first) + len(comparison.only_second)
    if alone:
        print(f"not compared, as only one result has them: {alone} cases, see {folder / 'compare.json'}")
    if comparison.classes_of_one:
        print(f"not compared, as only one result has them: {', '.join(comparison.classes_of_one)}")
    print(f"{comparison.cases} cases compared; report: {folder / 'compare.html'}")
    return SOME_FAILED if alone or comparison.classes_of_one else SUCCESS


def _names(first: Path, second: Path) -> list[str]:
    names = [folder.resolve().name for folder in (first, second)]
    if names[0] == names[1]:
        return ["_".join(folder.resolve().parts[-2:]) for folder in (first, second)]
    return names
