"""`monai-unet doctor`"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, NotRequired, TypedDict

from monai_unet.cli.arguments import Command, Option
from monai_unet.cli.letters import say

if TYPE_CHECKING:
    from monai_unet.bundle_format import Bundle

PACKAGES = ("monai", "torch", "pytorch-ignite", "numpy", "nibabel", "SimpleITK", "pydicom", "highdicom", "numba")
# import name, what it brings, how to get it
OPTIONAL = (
    ("openvino", "about twice as fast on a CPU", 'pip install "monai-unet[openvino]"'),
    ("napari", "the window for radiologists", 'pip install "monai-unet[napari]"'),
    ("pynetdicom", "send to and fetch from a PACS", 'pip install "monai-unet[dicom-network]"'),
    ("blosc2", "serve, and servers of nnInteractive's protocol", 'pip install "monai-unet[nninteractive]"'),
    ("distributed", "evaluation on a cluster", 'pip install "monai-unet[cluster]"'),
    ("gdcm", "compressed DICOM (JPEG lossless)", "pip install python-gdcm"),
    ("openjpeg", "compressed DICOM (JPEG 2000)", "pip install pylibjpeg-openjpeg"),
    ("jpeg_ls", "compressed DICOM (JPEG-LS)", "pip install pyjpegls"),
)


class Device(TypedDict):
    """What computes."""

    name: str
    memory_gb: NotRequired[float]
    threads: int
    processors: int | None


class Memory(TypedDict):
    """Main memory in GB."""

    total: float
    free: float


class Missing(TypedDict("Missing", {"for": str})):  # a key that is a word of Python
    """A package that would bring something."""

    package: str
    how: str


class Tried(TypedDict):
    """A small segmentation, timed; or why there was none."""

    works: bool
    bundle: NotRequired[str]
    load_seconds: NotRequired[float]
    seconds_for_64x64x64: NotRequired[float]
    problem: NotRequired[str]


class MachineReport(TypedDict):
    """All that is known of this machine, as `--json` prints it."""

    monai_unet: str
    python: str
    system: str
    packages: dict[str, str]
    device: Device
    memory_gb: Memory
    disk_free_gb: float
    shared_memory_gb: float | None
    missing: list[Missing]
    segmentation: Tried


@dataclass(frozen=True, kw_only=True)
class DoctorCommand(Command):
    """Print what a person who is asked for help needs to know about this machine."""

    json: Annotated[bool, Option("for programs")] = False

    def run(self) -> int:
        """Examine and print; 1 when nothing can be segmented."""
        report = examine()
        if self.json:
            say(json.dumps(report, indent=2))
        else:
            _print(report)
        return 0 if report["segmentation"]["works"] else 1


def examine() -> MachineReport:
    """Versions, machine, what is missing, and a small segmentation timed."""
    import psutil

    memory = psutil.virtual_memory()
    return {
        "monai_unet": _version("monai-unet"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
        "device": _device(),
        "memory_gb": {"total": round(memory.total / 1e9, 1), "free": round(memory.available / 1e9, 1)},
        "disk_free_gb": round(shutil.disk_usage(os.getcwd()).free / 1e9, 1),
        "shared_memory_gb": _shared_memory(),
        "missing": [
            {"package": name, "for": use, "how": how}
            for name, use, how in OPTIONAL
            if not importlib.util.find_spec(name)
        ],
        "segmentation": _timed_segmentation(),
    }


def _device() -> Device:
    import torch

    threads, processors = torch.get_num_threads(), os.cpu_count()
    if not torch.cuda.is_available():
        return {"name": "cpu", "threads": threads, "processors": processors}
    properties = torch.cuda.get_device_properties(0)
    memory = round(properties.total_memory / 1e9, 1)
    return {"name": properties.name, "memory_gb": memory, "threads": threads, "processors": processors}


def _takes_one_channel(bundle: Bundle) -> bool:
    return bundle.kind != "editor" and len(bundle.description.channels) == 1


def _timed_segmentation() -> Tried:
    """The first built-in bundle of one channel with weights on a volume of noise, 64×64×64."""
    import torch
    from monai.data import MetaTensor

    from monai_unet.bundle_format import find_bundles
    from monai_unet.segmentation import Segmenter

    bundle = next((b for b in find_bundles() if b.built_in and b.has_weights and _takes_one_channel(b)), None)
    if bundle is None:
        return {"works": False, "problem": "no built-in bundle with weights; install monai-unet again"}
    volume = torch.rand((1, 64, 64, 64), generator=torch.Generator().manual_seed(0))
    affine = torch.eye(4, dtype=torch.float64)[[2, 1, 0, 3]]
    meta = {"original_affine": affine, "spatial_shape": [64, 64, 64], "filename_or_obj": "noise"}
    try:
        started = time.perf_counter()
        segmenter = Segmenter.load(bundle.name)
        loaded = time.perf_counter()
        segmenter.segment(MetaTensor(volume, affine=affine, meta=meta))
        done = time.perf_counter()
    except Exception as error:  # a report of what does not work must not fail itself
        return {"works": False, "bundle": bundle.name, "problem": f"{type(error).__name__}: {error}"}
    return {
        "works": True,
        "bundle": bundle.name,
        "load_seconds": round(loaded - started, 2),
        "seconds_for_64x64x64": round(done - loaded, 2),
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def _shared_memory() -> float | None:
    """Free shared memory in GB, which loader workers need (Linux; None elsewhere)."""
    return round(shutil.disk_usage("/dev/shm").free / 1e9, 1) if sys.platform == "linux" else None


def _print(report: MachineReport) -> None:
    device = report["device"]
    gpu = f"{device['name']}, {device['memory_gb']} GB" if "memory_gb" in device else "none (the CPU is used)"
    say(f"monai-unet {report['monai_unet']}, Python {report['python']}, {report['system']}")
    say("packages      " + ", ".join(f"{name} {version}" for name, version in report["packages"].items()))
    say(f"GPU           {gpu}")
    say(f"processors    {device['processors']}, PyTorch uses {device['threads']} threads")
    say(f"memory        {report['memory_gb']['free']} GB free of {report['memory_gb']['total']} GB")
    say(f"disk          {report['disk_free_gb']} GB free in this folder")
    tried = report["segmentation"]
    if tried["works"]:
        say(
            f"segmentation  {tried['bundle']} works: loaded in {tried['load_seconds']} s, "
            f"64×64×64 voxels in {tried['seconds_for_64x64x64']} s"
        )
    else:
        say(f"segmentation  does not work: {tried['problem']}")
    for item in report["missing"]:
        say(f"missing       {item['package']} ({item['for']}): {item['how']}")
