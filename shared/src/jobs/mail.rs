//! Mail.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Job, Travel};

/// Make a sign-in code for a request and mail it, when the address is known.
///
/// The code is made by the worker and only its hash is kept (in `ttl.db`), so
/// that no code is ever in a queue, in `data.db` or in a backup.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SendSigninCode {
    /// The request that the code is bound to.
    pub request: Uuid,
    /// The address that was typed.
    pub email: String,
}

impl Job for SendSigninCode {
    const QUEUE: &'static str = "mail";
    const KIND: &'static str = "signin-code";
    const TRAVEL: Travel = Travel::Alone;
}
