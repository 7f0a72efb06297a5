//! Asks other sites: when it is time, politely, and never behind the site's own
//! walls.

pub mod address;
pub mod feed;
pub mod file;
pub mod http;
pub mod schedule;
pub mod turns;
