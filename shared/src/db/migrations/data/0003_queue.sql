-- The queue: rows of the outbox that go at once have no time, so that most
-- rows cost one insert and no index; a row may be packed with others.
CREATE TABLE outbox_new (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    msg_id     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    body       BLOB NOT NULL,
    origin     TEXT NOT NULL,                 -- the process that sends it
    created_at INTEGER NOT NULL,
    due_at     INTEGER,                       -- not before; null: at once
    packs      INTEGER NOT NULL               -- may share a message
) STRICT;
INSERT INTO outbox_new (seq, msg_id, subject, body, origin, created_at, due_at, packs)
    SELECT seq, msg_id, subject, body, origin, created_at,
           CASE WHEN due_at > created_at THEN due_at END, 0 FROM outbox ORDER BY seq;
DROP TABLE outbox;
ALTER TABLE outbox_new RENAME TO outbox;
CREATE INDEX outbox_scheduled ON outbox (due_at) WHERE due_at IS NOT NULL;

-- While a row stands, no other job with its key is sent.
CREATE TABLE unique_jobs (
    queue      TEXT NOT NULL,
    key        TEXT NOT NULL,
    job_id     TEXT NOT NULL,
    expires_at INTEGER,                       -- null: until the job is over
    PRIMARY KEY (queue, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX unique_jobs_by_job ON unique_jobs (job_id);

-- Many jobs, and one that follows when none of them is open any more.
CREATE TABLE job_batches (
    id           TEXT PRIMARY KEY,
    total        INTEGER NOT NULL,
    open         INTEGER NOT NULL,
    then_subject TEXT NOT NULL,
    then_body    BLOB NOT NULL,
    created_at   INTEGER NOT NULL,
    finished_at  INTEGER
) STRICT, WITHOUT ROWID;

-- Jobs that are with the workers and are not to run.
CREATE TABLE job_cancels (
    job_id TEXT PRIMARY KEY,
    at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE periodic_jobs (
    name   TEXT PRIMARY KEY,
    due_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What followed from what.
CREATE INDEX job_done_by_cause ON job_done (cause);
