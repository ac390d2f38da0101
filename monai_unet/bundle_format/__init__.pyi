from .catalogue import VARIABLE, Bundle, built_in_folder, find_bundle, find_bundles, user_folder
from .channel_files import named_files, ordered_files
from .parts import BundleParts, build_parts
from .trust import folder_hash, is_trusted, require_trust, trust, unpack
from .weights import check_stated_hash, load_weights, read_tensors

__all__ = [
    "VARIABLE",
    "Bundle",
    "BundleParts",
    "build_parts",
    "built_in_folder",
    "check_stated_hash",
    "find_bundle",
    "find_bundles",
    "folder_hash",
    "is_trusted",
    "load_weights",
    "named_files",
    "ordered_files",
    "read_tensors",
    "require_trust",
    "trust",
    "unpack",
    "user_folder",
]
