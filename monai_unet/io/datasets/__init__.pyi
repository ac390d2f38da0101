from .case_files import images_beside, images_in, label_maps_in, unique_names
from .channel import Channel, ExpectedInput
from .channels import UnrelatedFramesError, place_onto, read_channels, stack_channels
from .decathlon import dataset_cases, dataset_labels, read_dataset
from .head_check import head_warnings, skull_warnings
from .input_check import check_input, expected_of, size_warnings
from .inventory import Entry, inventory
from .labelled import LabelClass, LabelledCase, LabelledSet
from .read_labelled import read_labelled_set
from .sequence_check import sequence_warnings
from .sequences import group_sequences, match_sequence
from .stated_classes import stated_classes
from .structures import structure_table

__all__ = [
    "Channel",
    "Entry",
    "ExpectedInput",
    "LabelClass",
    "LabelledCase",
    "LabelledSet",
    "UnrelatedFramesError",
    "check_input",
    "dataset_cases",
    "dataset_labels",
    "expected_of",
    "group_sequences",
    "head_warnings",
    "images_beside",
    "images_in",
    "inventory",
    "label_maps_in",
    "match_sequence",
    "place_onto",
    "read_channels",
    "read_dataset",
    "read_labelled_set",
    "sequence_warnings",
    "size_warnings",
    "skull_warnings",
    "stack_channels",
    "stated_classes",
    "structure_table",
    "unique_names",
]
