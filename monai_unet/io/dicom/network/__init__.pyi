from .archives import open_archive
from .multipart import boundary_of, each_part
from .queries import Archive, FoundSeries, FoundStudy, LinkError, PermanentError, SendItem, StudyQuery, check_uid
from .receiving import fetch_study
from .sending import Sent, item_of, send_files, send_items
from .servers import (
    DimseServer,
    Server,
    Tls,
    WebServer,
    check_ae_title,
    from_settings,
    one_of,
    parse_server,
    parse_tls,
    read_private_yaml,
    read_servers,
    unknown,
)
from .transport import STORED_SYNTAXES, end_silence

__all__ = [
    "STORED_SYNTAXES",
    "Archive",
    "DimseServer",
    "FoundSeries",
    "FoundStudy",
    "LinkError",
    "PermanentError",
    "SendItem",
    "Sent",
    "Server",
    "StudyQuery",
    "Tls",
    "WebServer",
    "boundary_of",
    "check_ae_title",
    "check_uid",
    "each_part",
    "end_silence",
    "fetch_study",
    "from_settings",
    "item_of",
    "one_of",
    "open_archive",
    "parse_server",
    "parse_tls",
    "read_private_yaml",
    "read_servers",
    "send_files",
    "send_items",
    "unknown",
]
