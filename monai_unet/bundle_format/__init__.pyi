from .archives import Limits, unpack
from .catalogue import VARIABLE, Bundle, built_in_folder, find_bundle, find_bundles, user_folder
from .channel_files import named_files, ordered_files
from .content import folder_hash
from .own_code import bundle_parser, own_imports
from .parts import BundleParts, build_parts
from .private_copy import named_as_shown
from .trust import is_trusted, require_trust, trust, trusted_copy
from .weights import check_stated_hash, load_weights, read_tensors, sha256_of

__all__ = [
    "VARIABLE",
    "Bundle",
    "BundleParts",
    "Limits",
    "build_parts",
    "built_in_folder",
    "bundle_parser",
    "check_stated_hash",
    "find_bundle",
    "find_bundles",
    "folder_hash",
    "is_trusted",
    "load_weights",
    "named_as_shown",
    "named_files",
    "ordered_files",
    "own_imports",
    "read_tensors",
    "require_trust",
    "sha256_of",
    "trust",
    "trusted_copy",
    "unpack",
    "user_folder",
]
