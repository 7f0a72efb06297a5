//! All integration tests, in one binary: `integration` on single real servers,
//! `e2e` on the whole site, `ledger` on the whole site under kill -9.

mod e2e;
mod integration;
mod ledger;
pub use support;
