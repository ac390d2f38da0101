from .gathered import Gathered, GatheredCase, gather, write_table
from .jobs import Job, find_jobs, named_job
from .parts import Part, part_of
from .receipt import refuse_shared
from .run_record import RunRecord, records_in
from .runner import Work, run_cases, run_here, worker_device
from .segment_cases import JobOutcome, segment_jobs
from .segment_job import ModelChoice, SegmentJob

__all__ = [
    "Gathered",
    "GatheredCase",
    "Job",
    "JobOutcome",
    "ModelChoice",
    "Part",
    "RunRecord",
    "SegmentJob",
    "Work",
    "find_jobs",
    "gather",
    "named_job",
    "part_of",
    "records_in",
    "refuse_shared",
    "run_cases",
    "run_here",
    "segment_jobs",
    "worker_device",
    "write_table",
]
