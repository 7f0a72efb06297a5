//! Signing in by a one-time code, and the account page.

use askama::Template;

use super::{Layout, When};

/// `GET /signin`; posts `email` to `/signin`.
#[derive(Debug, Template)]
#[template(path = "signin.html")]
pub struct SignInPage {
    /// The frame; its notice says e.g. that the visitor signed out.
    pub layout: Layout,
    /// What was typed.
    pub email: String,
    /// Why it was refused.
    pub error: Option<String>,
}

/// `GET /signin/code`; posts `code` to `/signin/code`.
#[derive(Debug, Template)]
#[template(path = "signin_code.html")]
pub struct CodePage {
    /// The frame.
    pub layout: Layout,
    /// The address that was typed, whether or not it may sign in.
    pub email: String,
    /// Why the code was refused.
    pub error: Option<String>,
    /// Minutes that a code is good for.
    pub minutes: u32,
    /// Digits of a code.
    pub digits: u32,
}

/// `GET /account`: who is signed in, and where.
#[derive(Debug, Template)]
#[template(path = "account.html")]
pub struct AccountPage {
    /// The frame; its viewer is the account.
    pub layout: Layout,
    /// Sessions, the current one first.
    pub sessions: Vec<Session>,
    /// Tokens for the API, oldest first.
    pub tokens: Vec<Token>,
}

/// A token for the API. Posts to `/account/tokens/{id}/revoke`.
#[derive(Debug, Clone)]
pub struct Token {
    /// A public id, not the token.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// The topics that it may watch; none: it may do what the admin may.
    pub watch: Option<String>,
    /// When it was made.
    pub created: When,
    /// When its time is over.
    pub expires: Option<When>,
    /// Whether that was.
    pub over: bool,
}

/// A browser that is signed in. Posts to `/account/sessions/{id}/revoke`.
#[derive(Debug, Clone)]
pub struct Session {
    /// A public id, not the token.
    pub id: String,
    /// The browser in words, e.g. `Firefox on Linux`.
    pub browser: String,
    /// When it signed in.
    pub created: When,
    /// When it was last used.
    pub used: When,
    /// When it ends.
    pub expires: When,
    /// Whether this page was asked for with it.
    pub current: bool,
}
