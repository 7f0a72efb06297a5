//! What cron tells of its tasks.

use std::path::Path;

use shared::db::backups::Run;
use shared::db::backups::schedule::Task;
use shared::telemetry::prometheus_client::metrics::family::Family;
use shared::telemetry::prometheus_client::metrics::gauge::Gauge;
use shared::telemetry::prometheus_client::registry::{Registry, Unit};

type Labels = Vec<(String, String)>;

/// Gauges, set anew at each look at the schedule.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics {
    success: Family<Labels, Gauge>,
    due: Family<Labels, Gauge>,
    objects: Family<Labels, Gauge>,
    bytes: Family<Labels, Gauge>,
    wal: Gauge,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let (success, due) = (metrics.success.clone(), metrics.due.clone());
        let help = "When a task last ended well, as Unix time";
        registry.register_with_unit("cron_task_success_time", help, Unit::Seconds, success);
        let help = "When a task is due next, as Unix time";
        registry.register_with_unit("cron_task_due_time", help, Unit::Seconds, due);
        let help = "Objects in the last good copy of a tier";
        registry.register("backup_objects", help, metrics.objects.clone());
        let help = "Size of the last good copy of a tier";
        registry.register_with_unit("backup_size", help, Unit::Bytes, metrics.bytes.clone());
        let help = "Size of the write-ahead log that Litestream has to check in";
        registry.register_with_unit("database_wal", help, Unit::Bytes, metrics.wal.clone());
        metrics
    }

    pub(crate) fn tasks(&self, tasks: &[Task]) {
        for task in tasks {
            let labels = vec![("task".to_owned(), task.task.clone())];
            if let Some(at) = task.last_success_at {
                self.success.get_or_create(&labels).set(at.millis() / 1000);
            }
            if let Some(at) = task.due_at {
                self.due.get_or_create(&labels).set(at.millis() / 1000);
            }
        }
    }

    pub(crate) fn copy(&self, run: &Run) {
        let labels = vec![("tier".to_owned(), run.tier.clone())];
        self.objects.get_or_create(&labels).set(run.tally.objects);
        self.bytes.get_or_create(&labels).set(run.tally.bytes);
    }

    pub(crate) fn wal(&self, data_db: &Path) {
        let wal = data_db.with_extension("db-wal");
        let size = std::fs::metadata(wal).map_or(0, |file| file.len());
        self.wal.set(i64::try_from(size).unwrap_or(i64::MAX));
    }
}
