from . import exporting, models, pacs, zoo
from .controller import Controller, ERROR, WARNING
from .editing import Editing
from .findings import Findings, Wholes, centre_voxel, in_parts, measure_objects, measure_wholes, sum_of_targets, wholes_of
from .models import editor_bundles, region_of
from .opening import OpenImage, best_of, details, list_images, open_image, refusal, title
from .prompted import prompted_by
from .suitability import recognised_entries, unsuited, wanted
from .summary import save_html
from .work import BackgroundWork, once
from .zoo import licence_of

__all__ = [
    "BackgroundWork",
    "Controller",
    "ERROR",
    "Editing",
    "Findings",
    "OpenImage",
    "WARNING",
    "Wholes",
    "best_of",
    "centre_voxel",
    "details",
    "editor_bundles",
    "exporting",
    "in_parts",
    "licence_of",
    "list_images",
    "measure_objects",
    "measure_wholes",
    "models",
    "once",
    "open_image",
    "pacs",
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
    "zoo",
]
