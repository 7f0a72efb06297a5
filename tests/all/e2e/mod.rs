//! The whole site, through its doors alone.

mod auth;
mod blogroll;
mod comments;
mod crowd;
mod edges;
mod images;
mod job_orders;
mod jobs;
mod live;
mod ops;
mod outages;
mod posts;
mod privacy;
mod readers;
mod sockets;
mod start;
mod users;
mod views;
mod watchers;
