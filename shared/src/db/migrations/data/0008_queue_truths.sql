-- Whether a queue is paused, as it was last said; NATS alone may lose it.
CREATE TABLE queue_pauses (
    queue  TEXT PRIMARY KEY,
    paused INTEGER NOT NULL,
    at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What follows a batch may have a time and a key.
ALTER TABLE job_batches ADD COLUMN then_due INTEGER;      -- not before
ALTER TABLE job_batches ADD COLUMN then_key TEXT;
ALTER TABLE job_batches ADD COLUMN then_held_ms INTEGER;  -- null: until it is over

-- A job that is sent back takes its key again.
ALTER TABLE dead_jobs ADD COLUMN unique_key TEXT;

-- An attempt that was put off did not fail.
ALTER TABLE job_errors ADD COLUMN put_off INTEGER NOT NULL DEFAULT 0;
