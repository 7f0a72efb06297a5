//! What a process tells of itself: logs, health, readiness, metrics.

pub mod log;
pub mod ops;

pub use prometheus_client;
