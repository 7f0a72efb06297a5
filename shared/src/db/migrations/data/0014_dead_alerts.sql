-- How often what an alert says happened: many jobs that die are one alert.
ALTER TABLE alerts ADD COLUMN times INTEGER NOT NULL DEFAULT 1;
CREATE INDEX failed_jobs ON dead_jobs (queue, kind) WHERE reason <> 'cancelled by the admin';
