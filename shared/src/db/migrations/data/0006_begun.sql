-- How often a job was begun again of which nothing was known: one that takes
-- its worker away each time is given up.
CREATE TABLE job_begun (
    job_id TEXT PRIMARY KEY,
    times  INTEGER NOT NULL,
    at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
