//! Backup runs and the schedule of cron.
