from .atomic import atomic_path, write_text
from .datasets.case_stream import CaseStream
from .datasets.cases import find_cases
from .datasets.decathlon import dataset_cases, read_dataset
from .datasets.sequences import find_sequence_cases, match_sequence, sequence_cases
from .dicom.read import read_series
from .dicom.series import DicomSeries, find_series
from .formats.label_table import LabelEntry
from .mask_file import MaskFile, parse_names, read_mask_file
from .monai_reader import LoadChannelsd, LoadVolumed, SaveLabelMapd, VolumeReader
from .notes import NOTES, notes_of
from .results import RESEARCH_USE, AlgorithmIdentity, LesionMeasurements, Segment, StoredSegmentation
from .save_handler import SaveHandler
from .volume import (
    VOLUME_SUFFIXES,
    case_name,
    read_grid,
    read_label_table,
    read_volume,
    write_label_map,
    write_volume,
)

__all__ = [
    "NOTES",
    "RESEARCH_USE",
    "VOLUME_SUFFIXES",
    "AlgorithmIdentity",
    "CaseStream",
    "DicomSeries",
    "LabelEntry",
    "LesionMeasurements",
    "LoadChannelsd",
    "LoadVolumed",
    "MaskFile",
    "SaveHandler",
    "SaveLabelMapd",
    "Segment",
    "StoredSegmentation",
    "VolumeReader",
    "atomic_path",
    "case_name",
    "dataset_cases",
    "find_cases",
    "find_sequence_cases",
    "find_series",
    "match_sequence",
    "notes_of",
    "parse_names",
    "read_dataset",
    "read_grid",
    "read_label_table",
    "read_mask_file",
    "read_series",
    "read_volume",
    "sequence_cases",
    "write_label_map",
    "write_text",
    "write_volume",
]
