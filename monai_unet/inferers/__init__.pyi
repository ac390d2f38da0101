from .agreement import Runtime, agreeing_openvino, require_runtime
from .averaging import SMALLEST, Activation, Averaged
from .even_windows import EvenWindowInferer
from .halo_strips import HaloStripInferer, smallest_halo
from .labels import Interpolation, LabelSink, RegionSink, in_pieces, require_numbers
from .localised import LocalisedInferer
from .memory import activation_bytes_per_voxel, fitted
from .onednn import OneDNNForSingleImages
from .openvino_core import compiled_file, openvino_module
from .out_of_memory import is_out_of_memory
from .runtime import OpenVINONetwork, Precision, TorchNetwork, cpu_has_bf16, openvino_installed
from .sliding_window import StreamingSlidingWindowInferer, batches_by_plane, plan_windows
from .stepwise import stepwise
from .stock import as_streaming
from .streaming import InferenceStep, Slab, StreamingInferer, UnsuitableOutputError
from .whole_volume import WholeVolumeInferer

__all__ = [
    "SMALLEST",
    "Activation",
    "Averaged",
    "EvenWindowInferer",
    "HaloStripInferer",
    "InferenceStep",
    "Interpolation",
    "LabelSink",
    "LocalisedInferer",
    "OneDNNForSingleImages",
    "OpenVINONetwork",
    "Precision",
    "RegionSink",
    "Runtime",
    "Slab",
    "StreamingInferer",
    "StreamingSlidingWindowInferer",
    "TorchNetwork",
    "UnsuitableOutputError",
    "WholeVolumeInferer",
    "activation_bytes_per_voxel",
    "agreeing_openvino",
    "as_streaming",
    "batches_by_plane",
    "compiled_file",
    "cpu_has_bf16",
    "fitted",
    "in_pieces",
    "is_out_of_memory",
    "openvino_installed",
    "openvino_module",
    "plan_windows",
    "require_numbers",
    "require_runtime",
    "smallest_halo",
    "stepwise",
]
