"""The plan of a model: everything that its bundle's configs say, in one place, each choice with its reason."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from monai_unet.errors import InputError
from monai_unet.io import write_text
from monai_unet.mappings import Json

PLAN_FILE = "plan.json"
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class PlannedChannel:
    """One image of a case.

    Attributes:
        name: as the user is asked for it.
        modality: DICOM's word, "CT", "MR", "PT", or "" where unknown.
        window: for CT, lowest and highest intensity that are kept apart, mean and standard deviation of what is marked
            (HU); None: intensities have no scale, each image is normalised by itself.
        zeros_outside: most of the image is exactly 0 (a brain without its skull): statistics leave that out.
        expected_spacing, expected_extent: lowest and highest of the data set per axis, mm (S, A, R).
    """

    name: str
    modality: str = ""
    window: tuple[float, float, float, float] | None = None
    zeros_outside: bool = False
    expected_spacing: tuple[Triple, Triple] | None = None
    expected_extent: tuple[Triple, Triple] | None = None


@dataclass(frozen=True)
class PlannedClass:
    """One structure.

    Attributes:
        name: as the data set calls it.
        value: in the label maps that the model writes.
        values: in the data set's label maps; several for a region.
        color: RGB, 0 to 255.
        snomed_code, snomed_meaning: "" when not known.
    """

    name: str
    value: int
    values: tuple[int, ...]
    color: tuple[int, int, int]
    snomed_code: str = ""
    snomed_meaning: str = ""


@dataclass(frozen=True)
class Plan:
    """What a bundle is written from; sizes and spacings are in the order (S, A, R), or across the slices first.

    Attributes:
        name: of the bundle: lower case, digits and underscores.
        title: in words.
        data_set: name and layout of the data that it was planned for, and how many cases each list has.
        channels, classes: in order; the network's outputs are the classes behind the background, or the regions.
        regions: classes may overlap; each has an output of its own.
        ignore: label value of voxels that nobody annotated, or None.
        slices_first: scans lie in several planes and are turned so that their slices come first.
        spacing: mm that images are resampled to.
        kept_slices: distances between slices (mm, lowest and highest) that are left as acquired, or None.
        patch_size, batch_size: voxels, patches of one step.
        network, widths, strides, kernels, norm, deep_supervision: the network and its levels, full resolution first.
        background: how often a patch is drawn anywhere, relative to one class.
        rotate: largest turns in radians about the axes.
        scale: largest change of size, as the logarithm.
        mirror: axes that are mirrored in training.
        mirrored_pairs: class indices that change places when R is mirrored.
        loss: of `monai_unet.training.build_loss`; regions have their own.
        epochs, epoch_steps: the schedule; an epoch visits every case and has at least so many steps.
        learning_rate, weight_decay, ema_decay: of AdamW and of the averaged weights.
        validations: how many there are, the last one at the end.
        bf16: activations in bfloat16 on CPUs that compute it.
        cache: where preprocessed cases wait, "memory" or "disk".
        flips: axes over which predictions are averaged.
        largest_only: values of classes of which only the largest connected part is kept.
        smallest_ml: parts below this volume are dropped.
        threshold: of regions.
        device: what it was planned for.
        seconds_per_step, memory_gib: measured there; 0 where nothing was measured.
        reasons: choice → why, in words.
    """

    name: str
    title: str
    channels: tuple[PlannedChannel, ...]
    classes: tuple[PlannedClass, ...]
    spacing: Triple
    patch_size: tuple[int, int, int]
    strides: tuple[tuple[int, int, int], ...]
    kernels: tuple[tuple[int, int, int], ...]
    widths: tuple[int, ...]
    data_set: Mapping[str, Any] = field(default_factory=dict)
    regions: bool = False
    ignore: int | None = None
    slices_first: bool = False
    kept_slices: tuple[float, float] | None = None
    batch_size: int = 2
    network: str = "dynunet"
    norm: str = "instance"
    deep_supervision: int = 0
    background: float = 0.5
    rotate: Triple = (0.3, 0.3, 0.3)
    scale: float = 0.2
    mirror: tuple[int, ...] = ()
    mirrored_pairs: tuple[tuple[int, int], ...] = ()
    loss: str = "dice_ce"
    epochs: int = 50
    epoch_steps: int = 50
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    ema_decay: float = 0.99
    validations: int = 5
    bf16: bool = True
    cache: Literal["memory", "disk"] = "memory"
    flips: tuple[int, ...] = ()
    largest_only: tuple[int, ...] = ()
    smallest_ml: float = 0.0
    threshold: float = 0.5
    device: str = "cpu"
    seconds_per_step: float = 0.0
    memory_gib: float = 0.0
    reasons: Mapping[str, str] = field(default_factory=dict)
    version: int = 1

    @property
    def outputs(self) -> int:
        """Channels of the network's output."""
        return len(self.classes) + (0 if self.regions else 1)

    @property
    def source_values(self) -> tuple[int, ...]:
        """Values of the data set's label maps in the order of the class indices 1, 2, …"""
        if not self.regions:
            return tuple(entry.values[0] for entry in self.classes)
        return tuple(sorted({value for entry in self.classes for value in entry.values}))

    def to_json(self) -> Json:
        """Plain values for a JSON file."""
        return dataclasses.asdict(self)

    def save(self, path: Path) -> None:
        """Write it as JSON that a person may edit."""
        write_text(path, json.dumps(self.to_json(), indent=2) + "\n")


def plan_of(content: object, *, source: str = "plan") -> Plan:
    """A plan from parsed JSON.

    Raises:
        InputError: a name that plans do not have, one that is missing, or a value of the wrong kind.

    >>> entry = {"name": "liver", "value": 1, "values": [1], "color": [0, 0, 0]}
    >>> facts = {"channels": [{"name": "CT"}], "classes": [entry], "spacing": [3, 1, 1], "patch_size": [8, 64, 64]}
    >>> levels = {"strides": [[1, 2, 2]], "kernels": [[1, 3, 3], [3, 3, 3]], "widths": [16, 32]}
    >>> plan_of({"name": "liver", "title": "Liver", **facts, **levels}).outputs
    2
    """
    return typing.cast(Plan, _value(Plan, content, source))


def read_plan(path: str | Path) -> Plan:
    """The plan in a file, or in the `plan.json` of a folder.

    Raises:
        InputError: there is none, or something in it is wrong.
    """
    file = Path(path)
    file = file / PLAN_FILE if file.is_dir() else file
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{file} does not exist; make a plan with monai-unet plan DATA -o FOLDER.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{file} is not valid JSON ({error}); correct the file.") from None
    return plan_of(content, source=str(file))


def _value(kind: Any, content: Any, place: str) -> Any:
    """`content` as a value of a type of the fields above."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        if content is None:
            return None
        return _value(next(other for other in inner if other is not type(None)), content, place)
    if origin is Literal:
        if content not in inner:
            raise InputError(f"{place} must be {' or '.join(map(str, inner))}, got {content!r}.")
        return content
    if origin is tuple:
        return _tuple(inner, content, place)
    if dataclasses.is_dataclass(kind):
        return _record(kind, content, place)
    if kind is float and isinstance(content, int | float) and not isinstance(content, bool):
        return float(content)
    if origin is not None:  # a mapping
        kind = dict
    if not isinstance(content, kind) or (kind is int and isinstance(content, bool)):
        raise InputError(f"{place} must be of the kind {kind.__name__}, got {content!r}.")
    return content


def _tuple(inner: tuple[Any, ...], content: Any, place: str) -> tuple[Any, ...]:
    if not isinstance(content, list | tuple):
        raise InputError(f"{place} must be a list, got {content!r}.")
    if inner[-1] is Ellipsis:
        return tuple(_value(inner[0], item, f"{place}[{number}]") for number, item in enumerate(content))
    if len(content) != len(inner):
        raise InputError(f"{place} must have {len(inner)} entries, got {len(content)}.")
    return tuple(_value(kind, item, f"{place}[{n}]") for n, (kind, item) in enumerate(zip(inner, content, strict=True)))


def _record(kind: Any, content: Any, place: str) -> Any:
    if not isinstance(content, dict):
        raise InputError(f"{place} must hold an object ({{…}}), got {content!r}.")
    hints = typing.get_type_hints(kind)
    unknown = [name for name in content if name not in hints]
    if unknown:
        raise InputError(f"{place} names {unknown[0]!r}, which plans do not have; they have {', '.join(hints)}.")
    needed = [
        entry.name
        for entry in dataclasses.fields(kind)
        if entry.default is dataclasses.MISSING
        and entry.default_factory is dataclasses.MISSING
        and entry.name not in content
    ]
    if needed:
        raise InputError(f"{place} lacks {', '.join(needed)}; plan again, or add it.")
    return kind(**{name: _value(hints[name], value, f"{place}: {name}") for name, value in content.items()})
