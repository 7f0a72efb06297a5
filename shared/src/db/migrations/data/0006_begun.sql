-- How often an attempt was begun again of which nothing was known: a job that
-- takes its worker away each time is given up.
CREATE TABLE job_begun (
    job_id  TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    times   INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (job_id, attempt)
) STRICT, WITHOUT ROWID;
