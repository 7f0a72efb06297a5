//! What tests and benchmarks share: a client, waiting on conditions, a running site.

pub mod client;
pub mod crowd;
pub mod edge;
pub mod image;
pub mod second;
pub mod site;
pub mod sse;
pub mod wait;
