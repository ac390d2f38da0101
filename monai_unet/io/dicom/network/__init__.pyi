from .archives import open_archive
from .queries import Archive, FoundSeries, FoundStudy, LinkError, PermanentError, SendItem, StudyQuery
from .receiving import fetch_study
from .sending import Sent, send_files, send_items
from .servers import DimseServer, Server, Tls, WebServer, one_of, parse_server, read_private_yaml, read_servers

__all__ = [
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
    "fetch_study",
    "one_of",
    "open_archive",
    "parse_server",
    "read_private_yaml",
    "read_servers",
    "send_files",
    "send_items",
]
