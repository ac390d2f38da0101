from .catalogue import VARIABLE, Bundle, built_in_folder, find_bundle, find_bundles, is_bundle, user_folder
from .channel_files import named_files, ordered_files
from .description import BundleDescription, Label
from .json_values import read_object
from .metadata import describe, tuned_metadata
from .parts import BundleParts, build_parts
from .trust import folder_hash, is_trusted, require_trust, trust, unpack
from .weights import check_stated_hash, load_weights, read_tensors

__all__ = [
    "VARIABLE",
    "Bundle",
    "BundleDescription",
    "BundleParts",
    "Label",
    "build_parts",
    "built_in_folder",
    "check_stated_hash",
    "describe",
    "find_bundle",
    "find_bundles",
    "folder_hash",
    "is_bundle",
    "is_trusted",
    "load_weights",
    "named_files",
    "ordered_files",
    "read_object",
    "read_tensors",
    "require_trust",
    "trust",
    "tuned_metadata",
    "unpack",
    "user_folder",
]
