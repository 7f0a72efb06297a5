-- A dead job that was sent back: where it went on.
CREATE TABLE job_retries (
    id         TEXT PRIMARY KEY,              -- the one that died
    queue      TEXT NOT NULL,
    kind       TEXT NOT NULL,
    cause      TEXT NOT NULL,
    attempt    INTEGER NOT NULL,
    reason     TEXT NOT NULL,
    retried_as TEXT NOT NULL,                 -- the job that it is now
    at         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Orders that came with an Idempotency-Key. They are here and not in ttl.db, so
-- that the key and the jobs commit together: an order is never made twice.
CREATE TABLE job_orders (
    key        TEXT PRIMARY KEY,              -- SHA-256 of the sender and the key
    request    TEXT NOT NULL,                 -- SHA-256 of what was asked
    answer     TEXT NOT NULL,                 -- JSON
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One fault that is told again and again is one alert, until it is over.
ALTER TABLE alerts ADD COLUMN key TEXT;
ALTER TABLE alerts ADD COLUMN resolved_at INTEGER;
CREATE UNIQUE INDEX alerts_by_key ON alerts (key) WHERE key IS NOT NULL AND resolved_at IS NULL;
