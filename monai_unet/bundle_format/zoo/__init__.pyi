from .addresses import ZooAddresses
from .download import Fetched, download
from .licence import licence_of
from .listing import ZooModel, list_models, split_version

__all__ = ["Fetched", "ZooAddresses", "ZooModel", "download", "licence_of", "list_models", "split_version"]
