//! What each address answers, a file a noun.

pub mod account;
pub mod admin;
pub mod backups;
pub mod blog;
pub mod comments;
pub mod enqueue;
pub mod feed;
pub mod images;
pub mod jobs;
pub mod media;
pub mod moderation;
pub mod offline;
pub mod openapi;
pub mod posts;
pub mod present;
pub mod queues;
pub mod search;
pub mod signin;
pub mod sources;
pub mod stats;
pub mod thread;
pub mod upload;
