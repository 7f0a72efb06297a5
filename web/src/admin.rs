//! `web admin`: what lets the admin in, for whoever owns the box.

use std::time::Duration;

use serde_json::json;
use shared::db::tokens::{self, NewToken, Scope, Token};
use shared::db::users::{self, User};
use shared::db::{Data, Ttl, ttl};
use shared::signin;
use shared::time::Instant;
use uuid::Uuid;

use crate::cli::Admin;
use crate::config::AdminConfig;
use crate::start::Error;

/// How long a link that was printed is good.
const LINK_LIFE: Duration = Duration::from_secs(86_400);

/// Carries out a command; gives what it prints.
///
/// # Errors
/// When a database cannot be used, or there is no such token.
pub async fn run(config: AdminConfig, command: Admin, as_json: bool) -> Result<String, Error> {
    let data = Data::open(&config.data_dir)?;
    let user = users::ensure_admin(&data, config.admin_email.clone()).await?;
    match command {
        Admin::SigninLink => link(&config, &user, as_json).await,
        Admin::Token { list: true, .. } => list(&data, &user, as_json).await,
        Admin::Token { revoke: Some(which), .. } => revoke(&data, &user, which, as_json).await,
        Admin::Token { name, watch, expires, .. } => {
            let scope = if watch.is_empty() { Scope::Site } else { Scope::Watch(watch) };
            let expires_at = expires.map(|life| Instant::now().plus(life));
            let secret = signin::token();
            let hash = signin::token_hash(&secret);
            token(&data, user, (secret, NewToken { name, hash, scope, expires_at }), as_json).await
        }
    }
}

async fn link(config: &AdminConfig, user: &User, as_json: bool) -> Result<String, Error> {
    let ttl = Ttl::open(&config.data_dir)?;
    let secret = signin::token();
    ttl::keep_link(&ttl, signin::token_hash(&secret), user.id, LINK_LIFE).await?;
    let site = config.site_url.as_str().trim_end_matches('/');
    let url = format!("{site}/signin/link/{secret}");
    let ends = Instant::now().plus(LINK_LIFE);
    Ok(if as_json { json!({"url": url, "expires_at": ends}).to_string() } else { url })
}

async fn token(
    data: &Data,
    user: User,
    (secret, token): (String, NewToken),
    as_json: bool,
) -> Result<String, Error> {
    tokens::add(data, user.id, token.clone()).await?;
    let NewToken { name, scope, expires_at, .. } = token;
    let told = json!({
        "token": secret, "name": name, "user": user.email, "watch": scope,
        "expires_at": expires_at,
    });
    Ok(if as_json { told.to_string() } else { secret })
}

async fn list(data: &Data, user: &User, as_json: bool) -> Result<String, Error> {
    let tokens = tokens::list(data, user.id).await?;
    if as_json {
        return Ok(json!({"items": tokens}).to_string());
    }
    let lines: Vec<String> = tokens.iter().map(line).collect();
    Ok(if lines.is_empty() { "There is no token.".to_owned() } else { lines.join("\n") })
}

fn line(token: &Token) -> String {
    let minute = |at: Instant| at.format("%Y-%m-%d %H:%M UTC");
    let mut line = format!("{}  {}  {}", token.id, minute(token.created_at), token.name);
    if let Some(shapes) = token.watch.shapes() {
        line.push_str(&format!("  watches {shapes}"));
    }
    if let Some(end) = token.expires_at {
        let verb = if end > Instant::now() { "expires" } else { "expired" };
        line.push_str(&format!("  {verb} {}", minute(end)));
    }
    line
}

async fn revoke(data: &Data, user: &User, which: String, as_json: bool) -> Result<String, Error> {
    let revoked = tokens::revoke(data, user.id, which.clone(), Uuid::now_v7()).await?;
    match revoked {
        0 => Err(Error::NoToken(which)),
        _ if as_json => Ok(json!({"revoked": revoked}).to_string()),
        1 => Ok("1 token is revoked.".to_owned()),
        _ => Ok(format!("{revoked} tokens are revoked.")),
    }
}
