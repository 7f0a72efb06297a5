-- ttl.db: what is to be forgotten. Every row has its end.

CREATE TABLE sessions (
    hash         TEXT PRIMARY KEY,            -- SHA-256 of the token
    id           TEXT NOT NULL UNIQUE,        -- names it in the list of sessions
    user_id      TEXT NOT NULL,
    user_agent   TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE signin_codes (
    request    TEXT PRIMARY KEY,              -- the sign-in that asked
    email      TEXT NOT NULL,
    hash       TEXT NOT NULL,                 -- SHA-256 of request and code
    tries      INTEGER NOT NULL DEFAULT 0,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE signin_links (
    hash       TEXT PRIMARY KEY,
    user_id    TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One salt a day; destroyed after two.
CREATE TABLE salts (
    day        INTEGER PRIMARY KEY,           -- days since 1970 in UTC
    salt       BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE TABLE rate_limits (
    key        TEXT PRIMARY KEY,              -- what is limited, and for whom (hashed)
    count      INTEGER NOT NULL,
    expires_at INTEGER NOT NULL               -- when the window ends
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency_keys (
    key        TEXT PRIMARY KEY,
    request    TEXT NOT NULL,                 -- SHA-256 of what was asked
    result_id  TEXT NOT NULL,                 -- the id that the result has or will have
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
