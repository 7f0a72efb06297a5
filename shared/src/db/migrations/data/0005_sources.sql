-- What is known of the sources that the gateway asks; deploy/sources.yml says
-- how each is asked.
CREATE TABLE sources (
    name          TEXT PRIMARY KEY,
    url           TEXT NOT NULL,
    blogroll      INTEGER NOT NULL,            -- 1: a feed, shown on the home page
    every_ms      INTEGER NOT NULL,
    next_at       INTEGER NOT NULL,            -- asked when this has come
    turn          INTEGER NOT NULL DEFAULT 0,  -- counts the scheduled polls
    etag          TEXT,                        -- of the newest answer
    last_modified TEXT,
    fingerprint   TEXT,                        -- of what it said
    asked_at      INTEGER,
    answered_at   INTEGER,                     -- well
    changed_at    INTEGER,
    failures      INTEGER NOT NULL DEFAULT 0,  -- in a row
    rests_until   INTEGER,                     -- left alone until then
    error         TEXT                         -- of the newest failure
) STRICT;

-- When each host may be asked again.
CREATE TABLE source_hosts (
    host    TEXT PRIMARY KEY,
    free_at INTEGER NOT NULL
) STRICT;

-- The newest entries of the feeds, as the home page shows them.
CREATE TABLE blogroll_feeds (
    source   TEXT PRIMARY KEY,
    title    TEXT NOT NULL,
    asked_at INTEGER NOT NULL
) STRICT;
CREATE TABLE blogroll_entries (
    source       TEXT NOT NULL REFERENCES blogroll_feeds (source) ON DELETE CASCADE,
    id           TEXT NOT NULL,
    title        TEXT NOT NULL,
    url          TEXT NOT NULL,
    published_at INTEGER NOT NULL,             -- or first seen
    asked_at     INTEGER NOT NULL,
    PRIMARY KEY (source, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX blogroll_newest ON blogroll_entries (published_at DESC);
