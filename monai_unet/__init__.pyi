from .errors import InputError
from .evaluation.scores import score_case
from .interaction.session.session import EditSession
from .io.volume import read_volume, write_label_map
from .networks.table import build_unet
from .segmentation.segment import segment
from .segmentation.segmenter import Segmenter
from .version import __version__

__all__ = [
    "EditSession",
    "InputError",
    "Segmenter",
    "__version__",
    "build_unet",
    "read_volume",
    "score_case",
    "segment",
    "write_label_map",
]
