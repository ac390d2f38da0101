from .study import Job, find_jobs, named_job, segment_jobs

__all__ = ["Job", "find_jobs", "named_job", "segment_jobs"]
