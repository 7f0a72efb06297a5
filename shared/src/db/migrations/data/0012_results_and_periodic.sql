-- What jobs made that ran without a database; kept as long as job_done.
CREATE TABLE job_results (
    job_id TEXT PRIMARY KEY,
    at     INTEGER NOT NULL,
    bytes  INTEGER NOT NULL,
    result TEXT                              -- JSON; null: too large to be kept
) STRICT;
CREATE INDEX job_results_by_time ON job_results (at);

-- When a periodic job was sent last, and as which job.
ALTER TABLE periodic_jobs ADD COLUMN last_at INTEGER;
ALTER TABLE periodic_jobs ADD COLUMN last_job TEXT;
