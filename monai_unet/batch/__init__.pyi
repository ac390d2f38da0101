from .jobs import Job, find_jobs, named_job
from .study import JobOutcome, segment_jobs

__all__ = ["Job", "JobOutcome", "find_jobs", "named_job", "segment_jobs"]
