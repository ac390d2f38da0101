from .archives import Limits, unpack
from .catalogue import VARIABLE, Bundle, built_in_folder, find_bundle, find_bundles, is_bundle, user_folder
from .channel_files import named_files, ordered_files
from .content import folder_hash
from .description import BundleDescription, Label
from .json_values import read_object
from .metadata import describe, tuned_metadata
from .own_code import bundle_parser, own_imports
from .parts import BundleParts, build_parts
from .private_copy import named_as_shown
from .trust import is_trusted, require_trust, trust, trusted_copy
from .weights import check_stated_hash, load_weights, read_tensors

__all__ = [
    "VARIABLE",
    "Bundle",
    "BundleDescription",
    "BundleParts",
    "Label",
    "Limits",
    "build_parts",
    "built_in_folder",
    "bundle_parser",
    "check_stated_hash",
    "describe",
    "find_bundle",
    "find_bundles",
    "folder_hash",
    "is_bundle",
    "is_trusted",
    "load_weights",
    "named_as_shown",
    "named_files",
    "ordered_files",
    "own_imports",
    "read_object",
    "read_tensors",
    "require_trust",
    "trust",
    "trusted_copy",
    "tuned_metadata",
    "unpack",
    "user_folder",
]
