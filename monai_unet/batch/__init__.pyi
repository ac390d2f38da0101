from .jobs import Job, find_jobs, named_job
from .study import Outcome, segment_jobs

__all__ = ["Job", "Outcome", "find_jobs", "named_job", "segment_jobs"]
