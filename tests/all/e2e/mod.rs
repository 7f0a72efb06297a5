//! The whole site, through its doors alone.

mod auth;
mod comments;
mod images;
mod live;
mod ops;
mod outages;
mod posts;
mod privacy;
mod views;
