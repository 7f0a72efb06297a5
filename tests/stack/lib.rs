//! The whole of Hearth on one machine: installs the servers, builds the binaries, starts
//! and supervises all of it. `./site` is its command; tests start servers of their own.

pub mod admin;
pub mod backoff;
pub mod build;
pub mod configuration;
pub mod environment;
pub mod handle;
pub mod http;
pub mod install;
pub mod leftovers;
pub mod logs;
pub mod place;
pub mod plan;
pub mod ports;
pub mod process;
pub mod procfs;
pub mod progress;
pub mod records;
pub mod run;
pub mod servers;
pub mod supervisor;
pub mod tools;

pub use handle::{Minio, Nats, Stack, TempDir, eventually};
pub use rustix::process::Signal;
