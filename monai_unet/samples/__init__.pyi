from .decathlon_download import download
from .hippocampus_demo import DemoResult, run_demo
from .tumour_demo import TumourDemoResult, patient, run_tumour_demo

__all__ = ["DemoResult", "TumourDemoResult", "download", "patient", "run_demo", "run_tumour_demo"]
