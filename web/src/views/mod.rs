//! What each page shows, as plain data, and the template that shows it.
//!
//! A view knows nothing of the database, of NATS or of HTTP: a route fills its
//! fields and calls `render()`. The templates live in `web/templates`.

pub mod account;
pub mod admin;
pub mod blog;
pub mod blogroll;
pub mod comments;
pub mod error;
pub mod feed;
pub mod layout;
pub mod text;

pub use layout::{Layout, Notice, Order, Pager, Tone, Viewer};
pub use text::{Bytes, When, path_segment, query_value};
