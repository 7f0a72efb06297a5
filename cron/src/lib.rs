//! Scheduled cleanup, backups and restore drills of Hearth.
