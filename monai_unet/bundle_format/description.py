"""The description of a bundle as the rest of the program sees it: channels, labels, grid, what it is and whose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from monai_unet.io import Color, label_color
from monai_unet.io.datasets import Channel

Kind = Literal["segmentation", "editor"]


@dataclass(frozen=True)
class Label:
    """One value of a bundle's label map.

    Attributes:
        value: 1 to 65535.
        name: of the structure.
        color: RGB, 0 to 255 each.
        snomed_code, snomed_meaning: SNOMED CT code and its meaning; empty when not stated.
    """

    value: int
    name: str
    color: Color
    snomed_code: str = ""
    snomed_meaning: str = ""


@dataclass(frozen=True)
class BundleDescription:
    """What a bundle says about itself; read by `monai_unet.bundle_format.metadata`.

    Attributes:
        name, version, task, description, authors, copyright, license, data_source, intended_use: texts, "" when not
            stated.
        kind: "segmentation" (images in, labels out) or "editor" (answers prompts, see `monai_unet.interaction`).
        channels: the images that the user gives, in order; empty when not stated.
        labels: the values of the label map that have a name, ascending, without the background.
        outputs: names of the network's output channels, in order; empty when not stated.
        regions: the same where they are regions that may overlap, else empty.
        label_regions: name → the labels whose union it is: one tumour, its core; none where each label stands alone.
        axes: of the arrays that the network sees, such as "SAR"; "" when not stated.
        spacing_mm: voxel size of the network's grid along these axes, or None.
        halo: voxels around a place that its label depends on, or None (see `monai_unet.inferers`).
        halo_height: the same along the first axis, for inference in strips, or None.
        scores: what was measured on held-out cases, name → number.
        weights_sha256: of `models/model.pt`; "" when not stated.
    """

    name: str = ""
    version: str = ""
    task: str = ""
    description: str = ""
    authors: str = ""
    copyright: str = ""
    license: str = ""
    data_source: str = ""
    intended_use: str = ""
    kind: Kind = "segmentation"
    channels: tuple[Channel, ...] = ()
    labels: tuple[Label, ...] = ()
    outputs: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    label_regions: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    axes: str = ""
    spacing_mm: tuple[float, float, float] | None = None
    halo: int | None = None
    halo_height: int | None = None
    scores: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    weights_sha256: str = ""

    @property
    def label_names(self) -> dict[int, str]:
        """Value → name of the labels."""
        return {label.value: label.name for label in self.labels}

    @property
    def inputs(self) -> tuple[Channel, ...]:
        """What to ask the user for: the channels, or one image where they are not stated."""
        return self.channels or (Channel("channel 0"),)

    def regions_of(self, value: int) -> tuple[str, ...]:
        """Names of the unions of labels that a label is part of, the largest first."""
        held = [name for name, values in self.label_regions.items() if value in values]
        return tuple(sorted(held, key=lambda name: -len(self.label_regions[name])))

    def label(self, value: int) -> Label:
        """The label of a value, also of one that has no name."""
        known = next((label for label in self.labels if label.value == value), None)
        return known or unnamed(value)


def unnamed(value: int) -> Label:
    """The label of a value that nothing names: "class <value>", in the colour that the palette gives it."""
    return Label(value, f"class {value}", label_color(value))
