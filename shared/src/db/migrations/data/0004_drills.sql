-- Restore drills, of the live replica and of each tier: what they proved, and when. Until
-- now those of the replica were kept as backup runs of nothing.
CREATE TABLE drills (
    id     TEXT PRIMARY KEY,
    source TEXT NOT NULL,                     -- live | daily | 1-week | 2-week
    at     INTEGER NOT NULL,
    passed INTEGER NOT NULL,
    error  TEXT
) STRICT;
CREATE INDEX drills_by_source ON drills (source, at DESC);

INSERT INTO drills (id, source, at, passed, error)
    SELECT id, tier, coalesce(finished_at, started_at), drill = 'passed', error
    FROM backup_runs WHERE drill IS NOT NULL;
DELETE FROM backup_runs WHERE tier = 'live';

-- When the site was copied that a run's copy holds; a promotion keeps it.
ALTER TABLE backup_runs ADD COLUMN taken_at INTEGER;
