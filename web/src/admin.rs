//! `web admin`: what lets the admin in, printed by whoever owns the box.

use std::time::Duration;

use serde_json::json;
use shared::db::{Data, Ttl, ttl, users};
use shared::signin;
use shared::time::Instant;

use crate::cli::Admin;
use crate::config::AdminConfig;
use crate::start::Error;

/// How long a link that was printed is good.
const LINK_LIFE: Duration = Duration::from_secs(86_400);

/// Carries out a command; gives what it prints.
///
/// # Errors
/// When a database cannot be used.
pub async fn run(config: AdminConfig, command: Admin, as_json: bool) -> Result<String, Error> {
    let data = Data::open(&config.data_dir)?;
    let user = users::ensure_admin(&data, config.admin_email).await?;
    let secret = signin::token();
    let hash = signin::token_hash(&secret);
    Ok(match command {
        Admin::SigninLink => {
            let ttl = Ttl::open(&config.data_dir)?;
            ttl::keep_link(&ttl, hash, user.id, LINK_LIFE).await?;
            let site = config.site_url.as_str().trim_end_matches('/');
            let url = format!("{site}/signin/link/{secret}");
            let ends = Instant::now().plus(LINK_LIFE);
            if as_json { json!({"url": url, "expires_at": ends}).to_string() } else { url }
        }
        Admin::Token { name } => {
            users::add_token(&data, user.id, name.clone(), hash).await?;
            let user = user.email;
            if as_json {
                json!({"token": secret, "name": name, "user": user}).to_string()
            } else {
                secret
            }
        }
    })
}
