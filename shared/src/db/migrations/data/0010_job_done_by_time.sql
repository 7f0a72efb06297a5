-- Rows come in the order of time: at the end of the index, not at its front.
DROP INDEX job_done_by_time;
CREATE INDEX job_done_by_time ON job_done (finished_at);
