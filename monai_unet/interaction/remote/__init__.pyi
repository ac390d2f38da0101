from .answerer import RemoteAnswerer
from .connection import Connection, ServerFacts, is_address
from .protocol import ANSWERED, KEY_VARIABLE, LEASE_HEADER, META_HEADER, PORT, POSTS, READS
from .wire import Stated, WireError, pack_array, packer, stated, unpack_array, unpack_into

__all__ = [
    "ANSWERED",
    "KEY_VARIABLE",
    "LEASE_HEADER",
    "META_HEADER",
    "PORT",
    "POSTS",
    "READS",
    "Connection",
    "RemoteAnswerer",
    "ServerFacts",
    "Stated",
    "WireError",
    "is_address",
    "pack_array",
    "packer",
    "stated",
    "unpack_array",
    "unpack_into",
]
