from . import exporting, models
from .controller import ERROR, WARNING, Controller
from .editing import Editing
from .findings import (
    Findings,
    Wholes,
    centre_voxel,
    in_parts,
    measure_objects,
    measure_wholes,
    sum_of_targets,
    wholes_of,
)
from .models import editor_bundles, region_of
from .opening import OpenImage, best_of, details, list_images, open_image, refusal, title
from .prompted import prompted_by
from .suitability import recognised_entries, unsuited, wanted
from .summary import save_html
from .work import BackgroundWork, once

__all__ = [
    "ERROR",
    "WARNING",
    "BackgroundWork",
    "Controller",
    "Editing",
    "Findings",
    "OpenImage",
    "Wholes",
    "best_of",
    "centre_voxel",
    "details",
    "editor_bundles",
    "exporting",
    "in_parts",
    "list_images",
    "measure_objects",
    "measure_wholes",
    "models",
    "once",
    "open_image",
    "prompted_by",
    "recognised_entries",
    "refusal",
    "region_of",
    "save_html",
    "sum_of_targets",
    "title",
    "unsuited",
    "wanted",
    "wholes_of",
]
