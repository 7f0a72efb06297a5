//! Health, readiness and metrics of the worker.

use shared::blobs::Bucket;
use shared::bus::Bus;
use shared::db::Data;
use shared::error::chain;
use shared::telemetry::ops::Ops;

use crate::jobs::Buckets;
use crate::metrics::Metrics;

/// Checks of every part that this role has.
pub(crate) fn ops(
    metrics: &Metrics,
    bus: &Bus,
    data: Option<&Data>,
    buckets: Option<&Buckets>,
) -> Ops {
    let mut ops = Ops::default();
    metrics.register(ops.registry(), data.is_some());
    let bus = bus.clone();
    ops.check("nats", move || {
        let ready = bus.ready();
        async move { ready }
    });
    if let Some(data) = data.cloned() {
        ops.check("data", move || {
            let data = data.clone();
            async move { data.ping().await.map_err(|error| chain(&error)) }
        });
    }
    if let Some(buckets) = buckets {
        check_bucket(&mut ops, "s3 private", buckets.private.clone());
        check_bucket(&mut ops, "s3 public", buckets.public.clone());
    }
    ops
}

fn check_bucket(ops: &mut Ops, name: &'static str, bucket: Bucket) {
    ops.check(name, move || {
        let bucket = bucket.clone();
        async move { bucket.ready().await.map_err(|error| chain(&error)) }
    });
}
