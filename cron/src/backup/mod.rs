//! The tiered copy: the site to the daily tier, younger tiers to older ones.
//!
//! A tier's bucket holds `objects/` by their SHA-256, one `manifests/` document
//! that names what each stands for, and `head.json`, which names the manifest.
//! A copy adds objects, then writes its manifest, then swaps the head, and only
//! then deletes: whenever it is cut off, the tier is what it was before.

pub mod drill;
mod error;
mod guard;
mod lease;
mod live;
mod manifest;
mod promote;
mod run;
mod scratch;
mod spool;
mod tier;

pub use error::Error;
pub use lease::Lease;
pub use manifest::{Area, Drilled, Entry, Head, Manifest};
pub use run::{Options, run};
pub use scratch::Scratch;
pub use spool::Spooled;
pub use tier::TierStore;

/// The object that tells the backup bucket from an empty or a wrong one.
pub const SENTINEL: &str = "sentinel.json";

/// Transfers at once.
const TRANSFERS: usize = 16;
