"""Files to volumes and back: every volume in the working frame (S, A, R), every result on the grid it came from."""

from monai_unet.io.case_stream import CaseStream
from monai_unet.io.cases import find_cases
from monai_unet.io.decathlon import dataset_cases, read_dataset
from monai_unet.io.dicom_read import read_series
from monai_unet.io.dicom_series import DicomSeries, find_series
from monai_unet.io.geometry import WORKING_AXES, Grid, from_working_frame, to_working_frame
from monai_unet.io.label_table import LabelEntry
from monai_unet.io.monai_reader import LoadChannelsd, LoadVolumed, SaveLabelMapd, VolumeReader
from monai_unet.io.save_handler import SaveHandler
from monai_unet.io.sequences import find_sequence_cases, match_sequence, sequence_cases
from monai_unet.io.volume import (
    case_name,
    grid_of,
    read_label_table,
    read_volume,
    source_grid,
    write_label_map,
    write_volume,
)

__all__ = [
    "WORKING_AXES",
    "CaseStream",
    "DicomSeries",
    "Grid",
    "LabelEntry",
    "LoadChannelsd",
    "LoadVolumed",
    "SaveHandler",
    "SaveLabelMapd",
    "VolumeReader",
    "case_name",
    "dataset_cases",
    "find_cases",
    "find_sequence_cases",
    "find_series",
    "from_working_frame",
    "grid_of",
    "match_sequence",
    "read_dataset",
    "read_label_table",
    "read_series",
    "read_volume",
    "sequence_cases",
    "source_grid",
    "to_working_frame",
    "write_label_map",
    "write_volume",
]
