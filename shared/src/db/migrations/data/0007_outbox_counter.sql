-- The next place in the outbox, written once a transaction: AUTOINCREMENT
-- writes it with each row. A place is never used twice.
CREATE TABLE outbox_counter (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    next INTEGER NOT NULL
) STRICT;
INSERT INTO outbox_counter (one, next)
    SELECT 1, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0) + 1;

CREATE TABLE outbox_new (
    seq        INTEGER PRIMARY KEY,
    msg_id     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    body       BLOB NOT NULL,
    origin     TEXT NOT NULL,                 -- the process that sends it
    created_at INTEGER NOT NULL,
    due_at     INTEGER,                       -- not before; null: at once
    packs      INTEGER NOT NULL               -- may share a message
) STRICT;
INSERT INTO outbox_new SELECT * FROM outbox ORDER BY seq;
DROP TABLE outbox;
ALTER TABLE outbox_new RENAME TO outbox;
CREATE INDEX outbox_scheduled ON outbox (due_at) WHERE due_at IS NOT NULL;
