-- data.db: what the site is. Times are Unix milliseconds in UTC, ids UUIDv7.

CREATE TABLE users (
    id         TEXT PRIMARY KEY,
    email      TEXT NOT NULL UNIQUE COLLATE NOCASE,
    name       TEXT NOT NULL,
    role       TEXT NOT NULL,                 -- admin
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE api_tokens (
    hash         TEXT PRIMARY KEY,            -- SHA-256 of the token
    user_id      TEXT NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    name         TEXT NOT NULL,
    created_at   INTEGER NOT NULL
) STRICT;

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE posts (
    id           TEXT PRIMARY KEY,
    slug         TEXT NOT NULL UNIQUE,
    title        TEXT NOT NULL,
    markdown     TEXT NOT NULL,
    html         TEXT NOT NULL,               -- rendered when it was saved
    excerpt      TEXT NOT NULL,
    words        INTEGER NOT NULL,
    status       TEXT NOT NULL,               -- draft | published | scheduled
    publish_at   INTEGER,                     -- of a scheduled post
    published_at INTEGER,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    version      INTEGER NOT NULL DEFAULT 1   -- its ETag
) STRICT;
CREATE INDEX posts_by_date ON posts (status, published_at DESC, id DESC);

CREATE TABLE post_tags (
    post_id TEXT NOT NULL REFERENCES posts(id) ON DELETE CASCADE,
    tag     TEXT NOT NULL,
    PRIMARY KEY (tag, post_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX tags_by_post ON post_tags (post_id);

CREATE VIRTUAL TABLE posts_text USING fts5 (post_id UNINDEXED, title, markdown, tokenize = 'porter unicode61');

CREATE TABLE comments (
    id         TEXT PRIMARY KEY,
    post_id    TEXT NOT NULL REFERENCES posts(id) ON DELETE CASCADE,
    parent_id  TEXT REFERENCES comments(id) ON DELETE CASCADE,
    author     TEXT NOT NULL,
    email      TEXT,
    body       TEXT NOT NULL,                 -- Markdown as it was typed
    html       TEXT NOT NULL,                 -- sanitised; empty until checked
    status     TEXT NOT NULL,                 -- pending | approved | rejected
    reason     TEXT,                          -- why it is held or rejected
    trusted    INTEGER NOT NULL,              -- written by the admin
    visitor    TEXT,                          -- salted hash, for the spam rules
    created_at INTEGER NOT NULL,
    checked_at INTEGER                        -- by the worker; null until then
) STRICT;
CREATE INDEX comments_by_post ON comments (post_id, status, created_at, id);
CREATE INDEX comments_by_status ON comments (status, created_at DESC, id DESC);

CREATE TABLE images (
    id          TEXT PRIMARY KEY,
    status      TEXT NOT NULL,                -- queued | ready | failed
    error       TEXT,
    filename    TEXT NOT NULL,
    alt         TEXT NOT NULL,
    original    TEXT NOT NULL,                -- key in the private bucket
    bytes       INTEGER NOT NULL,
    width       INTEGER,
    height      INTEGER,
    placeholder TEXT,                         -- ThumbHash, base64
    created_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE image_variants (
    image_id TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE,
    key      TEXT NOT NULL,                   -- in the public bucket
    width    INTEGER NOT NULL,
    height   INTEGER NOT NULL,
    type     TEXT NOT NULL,
    bytes    INTEGER NOT NULL,
    PRIMARY KEY (image_id, type, width)
) STRICT, WITHOUT ROWID;

-- A visit is a visitor's page views with less than 30 minutes between them.
CREATE TABLE visits (
    id         INTEGER PRIMARY KEY,
    visitor    TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    last_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX visits_by_visitor ON visits (visitor, last_at);

-- A page view counts once a visit and path: the primary key says so.
CREATE TABLE hits (
    visit_id INTEGER NOT NULL REFERENCES visits(id) ON DELETE CASCADE,
    path     TEXT NOT NULL,
    visitor  TEXT NOT NULL,
    at       INTEGER NOT NULL,
    title    TEXT,
    referrer TEXT,
    browser  TEXT,
    system   TEXT,
    width    INTEGER,
    PRIMARY KEY (visit_id, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX hits_by_path ON hits (path, visitor);
CREATE INDEX hits_by_time ON hits (at);

-- What the pages show: kept equal to `hits` by the transaction that counts.
-- The path '' is the whole site.
CREATE TABLE view_counts (
    path     TEXT PRIMARY KEY,
    views    INTEGER NOT NULL,
    visitors INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Messages that leave with the change that caused them. A row is deleted when
-- its stream has stored it.
CREATE TABLE outbox (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    msg_id     TEXT NOT NULL UNIQUE,
    subject    TEXT NOT NULL,
    body       BLOB NOT NULL,
    origin     TEXT NOT NULL,                 -- the process that wrote it
    created_at INTEGER NOT NULL,
    due_at     INTEGER NOT NULL               -- not before
) STRICT;
CREATE INDEX outbox_due ON outbox (due_at, seq);

-- A job's effect happens once: this row is written in its transaction.
CREATE TABLE job_done (
    id          TEXT PRIMARY KEY,
    queue       TEXT NOT NULL,
    kind        TEXT NOT NULL,
    cause       TEXT NOT NULL,
    attempt     INTEGER NOT NULL,
    finished_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX job_done_by_time ON job_done (finished_at DESC);

CREATE TABLE job_errors (
    job_id  TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    error   TEXT NOT NULL,
    PRIMARY KEY (job_id, attempt)
) STRICT, WITHOUT ROWID;

CREATE TABLE dead_jobs (
    id      TEXT PRIMARY KEY,                 -- the job, or a poison message
    queue   TEXT NOT NULL,
    kind    TEXT NOT NULL,
    cause   TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    reason  TEXT NOT NULL,
    body    BLOB NOT NULL,                    -- the message as it came
    died_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX dead_jobs_by_time ON dead_jobs (died_at DESC);

CREATE TABLE alerts (
    id    TEXT PRIMARY KEY,
    level TEXT NOT NULL,                      -- errors | warnings | load
    text  TEXT NOT NULL,
    at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX alerts_by_time ON alerts (at DESC);

CREATE TABLE backup_runs (
    id          TEXT PRIMARY KEY,
    tier        TEXT NOT NULL,                -- daily | 1-week | 2-week
    started_at  INTEGER NOT NULL,
    finished_at INTEGER,
    state       TEXT NOT NULL,                -- running | done | failed
    objects     INTEGER NOT NULL DEFAULT 0,
    bytes       INTEGER NOT NULL DEFAULT 0,
    copied      INTEGER NOT NULL DEFAULT 0,
    deleted     INTEGER NOT NULL DEFAULT 0,
    verified    INTEGER NOT NULL DEFAULT 0,
    drill       TEXT,                         -- passed | failed
    error       TEXT
) STRICT;
CREATE INDEX backup_runs_by_tier ON backup_runs (tier, started_at DESC);

CREATE TABLE schedule (
    task            TEXT PRIMARY KEY,
    due_at          INTEGER,
    last_started_at INTEGER,
    last_success_at INTEGER,
    lease_owner     TEXT,
    lease_until     INTEGER
) STRICT;
