from .decathlon_download import download
from .hippocampus_demo import run_demo
from .tumour_demo import patient, run_tumour_demo

__all__ = ["download", "patient", "run_demo", "run_tumour_demo"]
