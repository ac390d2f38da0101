from .channels import UnrelatedFramesError, place_onto, read_channels, stack_channels
from .decathlon import dataset_cases, read_dataset
from .input_check import ExpectedInput, check_input
from .inventory import Entry, inventory
from .sequence_check import sequence_warnings
from .sequences import group_sequences, match_sequence

__all__ = [
    "Entry",
    "ExpectedInput",
    "UnrelatedFramesError",
    "check_input",
    "dataset_cases",
    "group_sequences",
    "inventory",
    "match_sequence",
    "place_onto",
    "read_channels",
    "read_dataset",
    "sequence_warnings",
    "stack_channels",
]
