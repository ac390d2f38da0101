"""npe2 writer: a label layer on the grid of the file that its image came from."""

from __future__ import annotations

import napari
import numpy as np
from numpy.typing import NDArray

from monai_unet.errors import InputError
from monai_unet.io import write_label_map
from monai_unet.mappings import Json
from napari_plugin.case import OpenImage
from napari_plugin.viewer import METADATA


def write_labels(path: str, data: NDArray[np.integer], attributes: Json) -> list[str]:
    """Write one label layer; napari gives array and attributes.

    Labels (S, A, R) in the working frame.

    Raises:
        InputError: no image of the same voxels, opened by this plugin, says where the labels lie.
    """
    viewer = napari.current_viewer()
    layers = [] if viewer is None else list(viewer.layers)
    images = [attributes.get("metadata", {}).get(METADATA), *(layer.metadata.get(METADATA) for layer in layers)]
    image = next((i for i in images if isinstance(i, OpenImage) and i.grid.shape == tuple(data.shape)), None)
    if image is None:
        raise InputError(
            f"{path} was not written: no image of {'×'.join(map(str, data.shape))} voxels was opened with monai-unet, "
            "so that it is not known where in the patient the labels lie."
        )
    write_label_map(data, path, like=image.volume.meta)
    return [path]
