//! Domain types, jobs, events, database, bus and blobs of Hearth.
//!
//! The binaries import this crate and never each other. SQL lives under
//! [`db`] alone, subjects in [`subject`] alone.

pub mod blobs;
pub mod bus;
pub mod config;
pub mod db;
pub mod envelope;
pub mod error;
pub mod events;
pub mod files;
pub mod jobs;
pub mod markdown;
pub mod overview;
pub mod queues;
pub mod recipient;
pub mod shutdown;
pub mod signin;
pub mod sources;
pub mod subject;
pub mod telemetry;
pub mod time;
