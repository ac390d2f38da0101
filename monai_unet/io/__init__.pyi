from . import palette
from .atomic import (
    FileBatch,
    atomic_folder,
    atomic_path,
    remove_abandoned,
    remove_unfinished,
    settle,
    sync_file,
    sync_folder,
    together,
    write_text,
)
from .datasets.case_stream import CaseStream
from .datasets.cases import find_cases, find_results
from .datasets.decathlon import dataset_cases, read_dataset
from .datasets.sequences import find_sequence_cases, match_sequence, sequence_cases
from .dicom.read import read_series
from .dicom.series import DicomSeries, find_series
from .foreign_text import address, cell, drawn, of_cell, plain, visible
from .formats.label_table import LabelEntry
from .hashes import file_hash, sha256_of
from .limits import reading_limit
from .mask_file import MaskFile, parse_names, read_mask_file
from .mask_split import files_of_structures, write_each_structure
from .monai_reader import LoadChannelsd, LoadVolumed, SaveLabelMapd, VolumeReader
from .notes import NOTES, notes_of
from .numba_cache import njit
from .outputs import InputFiles, claim_file, claim_folder, claim_names, input_at, unused_folder
from .palette import Color, label_color, unit_rgb
from .results import RESEARCH_USE, AlgorithmIdentity, LesionMeasurements, Segment, StoredSegmentation
from .save_handler import SaveHandler
from .smallest_type import in_smallest_type
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
    "Color",
    "DicomSeries",
    "FileBatch",
    "InputFiles",
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
    "address",
    "atomic_folder",
    "atomic_path",
    "case_name",
    "cell",
    "claim_file",
    "claim_folder",
    "claim_names",
    "dataset_cases",
    "drawn",
    "file_hash",
    "files_of_structures",
    "find_cases",
    "find_results",
    "find_sequence_cases",
    "find_series",
    "in_smallest_type",
    "input_at",
    "label_color",
    "match_sequence",
    "njit",
    "notes_of",
    "of_cell",
    "palette",
    "parse_names",
    "plain",
    "read_dataset",
    "read_grid",
    "read_label_table",
    "read_mask_file",
    "read_series",
    "read_volume",
    "reading_limit",
    "remove_abandoned",
    "remove_unfinished",
    "sequence_cases",
    "settle",
    "sha256_of",
    "sync_file",
    "sync_folder",
    "together",
    "unit_rgb",
    "unused_folder",
    "visible",
    "write_each_structure",
    "write_label_map",
    "write_text",
    "write_volume",
]
