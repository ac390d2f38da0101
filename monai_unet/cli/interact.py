"""`monai-unet interact`: how good a mask becomes with how many clicks, by a user who clicks into the largest error."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import Any

from monai_unet.cli import FAILURE, SOME_FAILED, SUCCESS
from monai_unet.errors import InputError
from monai_unet.generators import drain

DEFAULT_METHOD = "lesion_editor"
PICTURES = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    source = parser.add_argument_group("what is clicked at")
    source.add_argument("--image", metavar="FILE", help="a volume of one channel, or a DICOM folder")
    source.add_argument("--reference", metavar="FILE", help="its reference label map, on the same grid")
    source.add_argument(
        "--initial", metavar="MASK", help="label map to begin with; of a data set a folder of <case> files"
    )
    source.add_argument(
        "--dataset", metavar="DIR", help="instead: a folder with dataset.json, or such a file of another name in it"
    )
    source.add_argument("--key", default="test", help="list of the data set: training, validation, test (default test)")
    source.add_argument(
        "--labels",
        nargs="+",
        type=int,
        metavar="VALUE",
        help="label values of the reference (default: all as one object; of a data set each label is one)",
    )
    how = parser.add_argument_group("how")
    how.add_argument(
        "--method", default=DEFAULT_METHOD, metavar="NAME", help=f"a bundle, or classical (default {DEFAULT_METHOD})"
    )
    how.add_argument("--clicks", type=int, default=10, metavar="N", help="clicks per object (10)")
    how.add_argument("--tolerance", type=float, default=1.0, metavar="MM", help="of the surface Dice (1 mm)")
    how.add_argument("--seed", type=int, metavar="N", help="of the choice between equally good clicks")
    how.add_argument(
        "--trust", action="store_true", help="agree to run a model that is not built in (its config can run any code)"
    )
    output = parser.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print one JSON object with a list for each score")
    output.add_argument("--output", metavar="DIR", help="folder of the report (with --dataset)")


def run(arguments: argparse.Namespace) -> int:
    """Measure one case or a data set; 0 all measured, 2 some cases failed, 1 none was measured."""
    from monai_unet.interaction.answering import build_answerer

    if arguments.clicks < 1:
        raise InputError(f"--clicks must be 1 or more, got {arguments.clicks}.")
    if not isfinite(arguments.tolerance) or arguments.tolerance < 0:
        raise InputError(f"--tolerance must be 0 mm or more, got {arguments.tolerance}.")
    if bool(arguments.dataset) == bool(arguments.image or arguments.reference):
        raise InputError("Say what to measure: --image FILE --reference FILE, or --dataset DIR.")
    if arguments.dataset:
        if not arguments.output:
            raise InputError("A data set needs a folder for its report; name one: --output DIR.")
        return _run_dataset(arguments, build_answerer(arguments.method, trust=arguments.trust))
    if not arguments.image or not arguments.reference:
        raise InputError("One case needs both --image FILE and --reference FILE.")
    return _run_one(arguments, build_answerer(arguments.method, trust=arguments.trust))


def _run_one(arguments: argparse.Namespace, answerer: Any) -> int:
    from monai_unet.evaluation.clicks import read_case

    case = read_case(arguments.image, arguments.reference, initial=arguments.initial or "")
    mask = case.object_mask(arguments.labels)
    curve = _measure(arguments, answerer, case, mask, arguments.labels)
    if arguments.json:
        print(json.dumps(_as_json(arguments, curve), allow_nan=False))
        return SUCCESS
    print("clicks  Dice   NSD    Dice outside  ms")
    for count, numbers in enumerate(zip(curve.dice, curve.nsd, curve.dice_outside, curve.milliseconds, strict=True)):
        dice, nsd, outside, milliseconds = numbers
        print(f"{count:6d}  {dice:.3f}  {nsd:.3f}  {outside:.3f}         {milliseconds:.0f}")
    return SUCCESS


def _measure(arguments: argparse.Namespace, answerer: Any, case: Any, mask: Any, values: Any) -> Any:
    from monai_unet.evaluation.clicks import SEED, run_case

    return drain(
        run_case(
            case.image,
            case.grid,
            mask,
            answerer,
            clicks=arguments.clicks,
            initial=case.initial_mask(values),
            tolerance_mm=arguments.tolerance,
            seed=SEED if arguments.seed is None else arguments.seed,
        )
    )


def _as_json(arguments: argparse.Namespace, curve: Any) -> dict[str, Any]:
    from monai_unet.evaluation.clicks import BALL, SEED, TARGETS

    return {
        "image": arguments.image,
        "reference": arguments.reference,
        "method": arguments.method,
        "dice": curve.dice,
        "nsd": curve.nsd,
        "dice_outside": [value if isfinite(value) else None for value in curve.dice_outside],
        "milliseconds": [round(value, 3) for value in curve.milliseconds],
        "clicks": [{"world": click.world, "include": click.positive} for click in curve.clicks],
        "clicks_to": {f"{target:.2f}": curve.clicks_to(target) for target in TARGETS},
        "tolerance_mm": arguments.tolerance,
        "outside_ball_voxels": BALL,
        "seed": SEED if arguments.seed is None else arguments.seed,
        "notes": curve.notes,
    }


def _run_dataset(arguments: argparse.Namespace, answerer: Any) -> int:
    from monai_unet.evaluation import Refusal, provenance
    from monai_unet.evaluation.clicks import SEED, write_benchmark

    started = provenance.now()
    found, refusals, shown = [], [], {}
    for name, result in _cases(arguments, answerer):
        if isinstance(result, InputError):
            refusals.append(Refusal(name, str(result)))
            print(f"not measured: {name}: {result}", file=sys.stderr)
            continue
        measured, picture = result
        found.append(measured)
        shown[f"{name}, {measured.structure}"] = (measured.curve.dice[-1], picture)
        print(f"{name}, {measured.structure}: Dice {measured.curve.dice[-1]:.3f}", file=sys.stderr)
    if not found:
        raise InputError("No case of the data set could be measured; see the list above.")
    made = provenance.environment() | {
        "title": f"Clicks with {arguments.method} on {Path(arguments.dataset).name}, {arguments.key}",
        "started": started,
        "finished": provenance.now(),
        "tolerance of NSD": f"{arguments.tolerance:g} mm",
        "seed": str(SEED if arguments.seed is None else arguments.seed),
    }
    order = sorted(shown, key=lambda name: shown[name][0])
    chosen = dict.fromkeys([*order[: PICTURES - 1], order[len(order) // 2]])
    pictures = {f"{name}: Dice {shown[name][0]:.3f}": shown[name][1] for name in chosen}
    table = write_benchmark(found, refusals, arguments.output, provenance=made, pictures=pictures)
    if arguments.json:
        print((Path(arguments.output) / "summary.json").read_text(encoding="utf-8"), end="")
    else:
        print(table)
        report = Path(arguments.output) / "report.html"
        print(f"{len(found)} objects measured, {len(refusals)} cases not; report: {report}")
    return FAILURE if not found else SOME_FAILED if refusals else SUCCESS


def _cases(arguments: argparse.Namespace, answerer: Any) -> Iterator[tuple[str, Any]]:
    """Per object its case's name and its curve with a picture, or per case the reason why it has none."""
    from monai_unet.evaluation import case_picture
    from monai_unet.evaluation.clicks import CaseCurve, list_cases

    for files in list_cases(arguments.dataset, arguments.key, initial=arguments.initial or ""):
        try:
            case = files.read()
            values = arguments.labels or case.values()
            if not values:
                raise InputError("the reference is empty, so there is nothing to click at.")
        except InputError as error:
            yield files.name, error
            continue
        for value in values:
            try:
                mask = case.object_mask([value])
                curve = _measure(arguments, answerer, case, mask, [value])
            except InputError as error:
                yield files.name, error
                continue
            picture = case_picture(
                curve.mask.astype("uint8"), mask.astype("uint8"), spacing=case.grid.spacing, image=case.image
            )
            curve.mask = None
            volume = float(mask.sum()) * case.voxel_ml
            yield files.name, (CaseCurve(files.name, files.labels.get(value, f"label {value}"), volume, curve), picture)
