"""What a bundle says about itself: one typed, immutable description, read once from `configs/metadata.json`.

Our own bundles say it in the section `monai_unet`, any other MONAI bundle in `network_data_format` (MONAI
documentation, "MONAI Bundle Specification", section "metadata.json File"). These rules hold for the second, and
everywhere:

- **Input channels** are those that `channel_def` names, in the order of its keys, which count from 0 (keys that run
  from 1 to the number of channels are taken in order too). A key left out between two others is `channel <key>`.
  Without `channel_def` they are `channel 0`, `channel 1`, … as many as `num_channels` says; without both, none is
  known and none is checked. Channels of the network beyond those that are named are made by the bundle's own
  preprocessing, and nobody is asked for them.
- **Labels** are the values of the label map, and keep these values in every file. The background, 0, is no label.
  Where channel 0 of the output is the background, or has no name while others have, the other keys of `channel_def`
  are values; a single channel is the value 1; without `channel_def`, channel `n` is the value `n`, "class n".
  Several channels of which none is the background are **regions**, which may overlap: the bundle's postprocessing
  makes values of them in a way that the metadata does not tell, so that no label is named.
- A value that the description does not name is "class <value>".
- Names are distinct: one that comes again has its number appended.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from monai_unet.bundle_format.description import BundleDescription, Kind, Label, unnamed
from monai_unet.bundle_format.json_values import Value, is_number, read_object
from monai_unet.io import Color
from monai_unet.io.datasets import Channel, ExpectedInput

_KINDS: dict[str, Kind] = {"segmentation": "segmentation", "editor": "editor"}
_HIGHEST = 65535
_APPEARANCE = 8**3
_MODALITIES = {"MRI": "MR", "PET": "PT"}


def read_description(path: Path) -> BundleDescription:
    """The description in a `metadata.json`, parsed once for as long as the file is the same.

    Raises:
        InputError: not readable, or something in it is of the wrong kind; the message names file and place.
    """
    try:
        state = path.stat()
    except OSError:
        return describe(read_object(path), source=str(path))
    return _read_once(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=256)
def _read_once(path: Path, modified: int, size: int) -> BundleDescription:
    return describe(read_object(path), source=str(path))


def describe(metadata: Mapping[str, Any], *, source: str = "metadata.json") -> BundleDescription:
    """The description in parsed metadata; configs call it on `@_meta_`.

    Raises:
        InputError: something in it is of the wrong kind; the message names `source` and the place.

    >>> output = {"pred": {"channel_def": {"0": "background", "1": "liver"}}}
    >>> describe({"network_data_format": {"outputs": output}}).label_names
    {1: 'liver'}
    """
    whole = Value(metadata, source)
    own, formats = whole.at("monai_unet"), whole.at("network_data_format")
    image, prediction = _tensor(formats.at("inputs"), "image"), _tensor(formats.at("outputs"), "pred")
    outputs = _output_names(prediction)
    overlap = len(outputs) > 1 and bool(_definition(prediction)) and not _has_background(prediction)
    spacing = own.at("spacing_mm").numbers(3)
    return BundleDescription(
        name=whole.at("name").text(),
        version=whole.at("version").text(),
        task=whole.at("task").text(),
        description=whole.at("description").text(),
        authors=whole.at("authors").text(),
        copyright=whole.at("copyright").text(),
        license=whole.at("license").text(),
        data_source=whole.at("data_source").text(),
        intended_use=whole.at("intended_use").text(),
        kind=_kind(own.at("kind")),
        channels=_own_channels(own) or _foreign_channels(image),
        labels=_own_labels(own.at("labels")) or _foreign_labels(prediction, outputs),
        outputs=outputs,
        regions=outputs if overlap else (),
        label_regions=_label_regions(own.at("label_regions")),
        axes=own.at("axes").text(),
        spacing_mm=(spacing[0], spacing[1], spacing[2]) if spacing else None,
        halo=own.at("halo").whole(0, _HIGHEST),
        halo_height=own.at("halo_height").whole(0, _HIGHEST),
        scores=_scores(own.at("test_dice"), whole.at("eval_metrics")),
        weights_sha256=own.at("weights_sha256").text(),
    )


def tuned_metadata(
    metadata: Mapping[str, Any], *, said: str, dice: float | None, weights_sha256: str
) -> dict[str, Any]:
    """The metadata of a bundle with other weights: `said` goes before its description, its measurements go.

    Args:
        metadata: parsed `metadata.json` of the bundle that the training began from.
        said: what was done, one or two sentences.
        dice: mean Dice of the new weights, or None.
        weights_sha256: of the new weights.
    """
    made = copy.deepcopy(dict(metadata))
    made["description"] = f"{said} {describe(metadata).description}".rstrip()
    made["eval_metrics"] = {} if dice is None else {"mean_dice_of_fine_tuning": dice}
    measured = ("test_dice", "halo_agreement")
    own = {key: value for key, value in (made.get("monai_unet") or {}).items() if key not in measured}
    made["monai_unet"] = {**own, "weights_sha256": weights_sha256}
    return made


def _kind(value: Value) -> Kind:
    kind = _KINDS.get(value.text() or "segmentation")
    if kind is None:
        raise value.wrong(" or ".join(_KINDS))
    return kind


def _tensor(side: Value, usual: str) -> Value:
    """The image among a side's tensors: the one of the usual name, else the first that is an image, else the first."""
    names = list(side.table())
    if usual in names or not names:
        return side.at(usual)
    return side.at(next((name for name in names if side.at(name).at("type").text() == "image"), names[0]))


def _definition(tensor: Value) -> dict[int, str]:
    """Channel number → name, as `channel_def` says, counted from 0."""
    stated = tensor.at("channel_def")
    names: dict[int, str] = {}
    for key in stated.table():
        number = Value(key, stated.source, f"{stated.place}.{key}").whole(0, _HIGHEST)
        names[int(number or 0)] = stated.at(key).text()
    return dict(sorted(names.items()))


def _output_names(prediction: Value) -> tuple[str, ...]:
    named, count = _definition(prediction), prediction.at("num_channels").whole(0, _HIGHEST) or 0
    return _names(named, max(count, *(number + 1 for number in named), 0))


def _names(named: Mapping[int, str], count: int) -> tuple[str, ...]:
    """Of the channels 0 to `count` - 1."""
    return _distinct([named.get(number) or f"channel {number}" for number in range(count)], range(count))


def _has_background(tensor: Value) -> bool:
    """Whether channel 0 is the background: by its name, or because only the others are named."""
    named = _definition(tensor)
    return bool(named) and (0 not in named or re.match(r"(background|bg)\b", named[0].lower()) is not None)


def _own_channels(own: Value) -> tuple[Channel, ...]:
    expected = own.at("expected")
    channels = []
    for item in own.at("channels").items():
        name = item.at("name").text()
        if not name:
            raise item.at("name").wrong("the channel's name")
        own_expected = item.at("expected")
        channels.append(
            Channel(
                name,
                tuple(synonym.text() for synonym in item.at("synonyms").items()),
                item.at("modality").text(),
                item.at("optional").flag(),
                item.at("contrast_enhanced_head").flag(),
                _expected(own_expected if own_expected.stated else expected),
                item.at("skull_stripped").flag(),
            )
        )
    names = [channel.name for channel in channels]
    if len(set(names)) != len(names):
        raise own.at("channels").wrong("channels of different names")
    return tuple(channels)


def _expected(value: Value) -> ExpectedInput:
    intensity = value.at("intensity").numbers(2)
    return ExpectedInput(
        modality=value.at("modality").text(),
        spacing=_limits(value.at("spacing")),
        extent=_limits(value.at("extent")),
        intensity=(intensity[0], intensity[1]) if intensity else None,
        appearance=value.at("appearance").numbers(_APPEARANCE),
    )


def _limits(value: Value) -> Any:
    """Lowest and highest of three axes, or None."""
    rows = [row.numbers(3) for row in value.items()]
    if value.stated and (len(rows) != 2 or None in rows):
        raise value.wrong("the lowest and the highest of three axes")
    return tuple(rows) if rows else None


def _foreign_channels(image: Value) -> tuple[Channel, ...]:
    named, count = _definition(image), image.at("num_channels").whole(0, _HIGHEST) or 0
    if named and list(named) == list(range(1, count + 1)):
        named = {number - 1: name for number, name in named.items()}
    modality = image.at("modality").text()
    modality = _MODALITIES.get(modality.upper(), modality)
    return tuple(Channel(name, modality=modality) for name in _names(named, max(named) + 1 if named else count))


def _own_labels(stated: Value) -> tuple[Label, ...]:
    labels: dict[int, Label] = {}
    for item in stated.items():
        value, name = item.at("value").whole(1, _HIGHEST), item.at("name").text()
        if value is None or value in labels:
            raise item.at("value").wrong(f"a whole number from 1 to {_HIGHEST}, another for each label")
        if not name:
            raise item.at("name").wrong("the label's name")
        code = item.at("snomed")
        labels[value] = Label(value, name, _color(item, value), code.at("value").text(), code.at("meaning").text())
    ordered = [labels[value] for value in sorted(labels)]
    if len({label.name for label in ordered}) != len(ordered):
        raise stated.wrong("labels of different names")
    return tuple(ordered)


def _label_regions(stated: Value) -> Mapping[str, tuple[int, ...]]:
    regions = {}
    for name in stated.table():
        values = [value.whole(1, _HIGHEST) for value in stated.at(name).items()]
        if not values or None in values:
            raise stated.at(name).wrong("the values of its labels")
        regions[str(name)] = tuple(value for value in values if value)
    return MappingProxyType(regions)


def _color(item: Value, value: int) -> Color:
    stated = item.at("color")
    if not stated.stated:
        return unnamed(value).color
    channels = [channel.whole(0, 255) for channel in stated.items()]
    if len(channels) != 3:
        raise stated.wrong("a colour of three numbers from 0 to 255")
    red, green, blue = (channel or 0 for channel in channels)
    return red, green, blue


def _foreign_labels(prediction: Value, outputs: Sequence[str]) -> tuple[Label, ...]:
    named, background = _definition(prediction), _has_background(prediction)
    structures = {value: name for value, name in named.items() if value}
    if background and structures:
        names = structures
    elif named and not background:
        # one channel is thresholded; how regions become values is not told
        names = {1: named[0]} if len(outputs) == 1 else {}
    else:
        names = dict.fromkeys(range(1, max(len(outputs), 2)) if outputs else (), "")
    distinct = _distinct([name or unnamed(value).name for value, name in names.items()], list(names))
    return tuple(Label(value, name, unnamed(value).color) for value, name in zip(names, distinct, strict=True))


def _scores(own: Value, metrics: Value) -> Mapping[str, float]:
    """Our own test scores, else the plain numbers among `eval_metrics`."""
    if own.stated:
        for name in own.table():
            if not is_number(own.at(name).content):
                raise own.at(name).wrong("a number")
    stated = own.table() if own.stated else metrics.content if isinstance(metrics.content, Mapping) else {}
    return MappingProxyType({str(name): float(value) for name, value in stated.items() if is_number(value)})


def _distinct(names: Sequence[str], numbers: Sequence[int]) -> tuple[str, ...]:
    """Names, of which one that comes again has its number appended."""
    given: set[str] = set()
    found = []
    for name, number in zip(names, numbers, strict=True):
        found.append(name if name not in given else f"{name} ({number})")
        given.add(found[-1])
    return tuple(found)
