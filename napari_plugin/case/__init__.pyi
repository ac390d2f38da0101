from . import exporting, models, pacs
from .controller import ERROR, WARNING, Controller
from .editing import Editing
from .findings import (
    Findings,
    Uptakes,
    Wholes,
    centre_voxel,
    chosen_targets,
    in_parts,
    measure_objects,
    measure_uptakes,
    measure_wholes,
    rules_of,
    sum_of_targets,
    uptake_text,
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
    "Uptakes",
    "Wholes",
    "best_of",
    "centre_voxel",
    "chosen_targets",
    "details",
    "editor_bundles",
    "exporting",
    "in_parts",
    "list_images",
    "measure_objects",
    "measure_uptakes",
    "measure_wholes",
    "models",
    "once",
    "open_image",
    "pacs",
    "prompted_by",
    "recognised_entries",
    "refusal",
    "region_of",
    "rules_of",
    "save_html",
    "sum_of_targets",
    "title",
    "unsuited",
    "uptake_text",
    "wanted",
    "wholes_of",
]
