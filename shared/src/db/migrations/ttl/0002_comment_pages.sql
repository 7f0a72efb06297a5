-- Whose windows are told of the admin's word on a comment; forgotten after a day.
CREATE TABLE comment_pages (
    comment    TEXT PRIMARY KEY,
    page       TEXT NOT NULL,                 -- the page session of its author
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
