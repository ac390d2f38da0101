"""npe2 reader: volumes and DICOM studies dropped on napari or named on its command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import napari
from napari.utils.notifications import show_info

from monai_unet.errors import InputError
from napari_plugin.volume_paths import may_hold_volume

if TYPE_CHECKING:
    from napari.types import LayerDataTuple


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerDataTuple]] | None:
    """The reader where the path may hold a volume, else None."""
    paths = [Path(p) for p in ([path] if isinstance(path, str) else path)]
    return read if all(may_hold_volume(p) for p in paths) else None


def read(path: str | list[str]) -> list[LayerDataTuple]:
    """Layers of the volumes of a path: of a DICOM study the largest series.

    Where the dock is open, the case goes there and napari gets no layer from here.
    """
    from napari_plugin.widget import dock_of

    paths = [path] if isinstance(path, str) else list(path)
    dock = dock_of(napari.current_viewer())
    if dock is not None:
        dock.controller.open_paths(paths)
        return [(None,)]
    return layers_of(paths)


def layers_of(paths: list[str]) -> list[LayerDataTuple]:
    """An image layer for each path, and the viewer prepared for it.

    Raises:
        InputError: a path holds nothing that can be read.
    """
    from monai_unet.io import plain
    from napari_plugin.case import best_of, list_images, open_image, title
    from napari_plugin.viewer import hang, image_layer

    layers: list[LayerDataTuple] = []
    for one in paths:
        entries = list_images(one)
        image = replace(open_image(best_of(entries)), siblings=tuple(entries))
        others = [title(entry) for entry in entries if entry is not image.entry]
        if others:
            said = plain(f"{image.name} is shown. Also there: {'; '.join(others)}. The dock lists them.")
            show_info(said.replace("<", "‹"))  # napari's notification takes what looks like markup for markup
        layers.append(image_layer(image))
    if not layers:
        raise InputError("no path was given.")
    viewer = napari.current_viewer()
    if viewer is not None:
        hang(viewer)
    return layers
