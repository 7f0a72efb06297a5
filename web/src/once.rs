//! What a request is known by when it comes again.

use axum::http::HeaderMap;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// Longest key.
pub const KEY_MAX: usize = 255;

/// The `Idempotency-Key` of a request, if it has one.
///
/// # Errors
/// When it is empty, too long, or no plain text.
pub fn key(headers: &HeaderMap) -> Result<Option<&str>> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| (1..=KEY_MAX).contains(&key.len()));
    let wrong =
        || Error::bad_request(format!("Idempotency-Key takes 1 to {KEY_MAX} plain characters"));
    key.map(Some).ok_or_else(wrong)
}

/// The hash of what a request says: another one where any part is another.
#[must_use]
pub fn digest(parts: &[&str]) -> String {
    let mut state = Sha256::new();
    for part in parts {
        state.update((part.len() as u64).to_le_bytes());
        state.update(part);
    }
    state.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
