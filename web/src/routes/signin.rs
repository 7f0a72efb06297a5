//! Signing in: by a code that is mailed, or by a link that is printed.
//!
//! The answer to an address is the same whether it may sign in or not: the
//! worker decides, and makes the code, so that it never passes through here.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use shared::db::outbox;
use shared::db::ttl::{self, CODE_LIFE, SESSION_MAX};
use shared::db::users;
use shared::jobs::mail::SendSigninCode;
use shared::signin;
use uuid::Uuid;

use crate::auth::cookies;
use crate::error::{Error, Result, told};
use crate::extract::{Form, Path, Query};
use crate::layers::Cause;
use crate::page::{self, Frame};
use crate::state::{AppState, Limit};
use crate::validate::is_email;
use crate::views::Notice;
use crate::views::account::{CodePage, SignInPage};
use crate::visitor::Peer;

const TEN_MINUTES: Duration = Duration::from_secs(600);
/// Codes that one household may ask for.
const ASKS: Limit = Limit { name: "signin", times: 10, window: TEN_MINUTES };
/// Codes that may be mailed to one address.
const MAILS: Limit = Limit { name: "signin-mail", times: 5, window: TEN_MINUTES };
/// Codes that one household may try.
const TRIES: Limit = Limit { name: "signin-code", times: 20, window: TEN_MINUTES };
/// Characters of a user agent that are kept with a session.
const AGENT_MAX: usize = 200;

/// What the address of the page says besides.
#[derive(Debug, Deserialize)]
pub struct Asked {
    /// Present after a sign-out.
    out: Option<String>,
}

/// `GET /signin`.
///
/// # Errors
/// When the database fails.
pub async fn form(frame: Frame, Query(asked): Query<Asked>) -> Result<Response> {
    let notice = asked.out.map(|_| Notice::good("You are signed out."));
    let layout = frame.layout_with(notice).await?;
    page::private(&SignInPage { layout, email: String::new(), error: None })
}

/// The address that was typed.
#[derive(Debug, Deserialize)]
pub struct Address {
    #[serde(default)]
    email: String,
}

/// `POST /signin`.
///
/// # Errors
/// When the database fails.
pub async fn ask(
    State(state): State<AppState>,
    frame: Frame,
    Cause(cause): Cause,
    peer: Peer,
    headers: HeaderMap,
    Form(typed): Form<Address>,
) -> Result<Response> {
    let email = typed.email.trim().to_owned();
    let refused = if is_email(&email) {
        limited(&state, &headers, peer, &email).await.err()
    } else {
        Some(Error::field("email", "this is no e-mail address"))
    };
    match refused {
        None => send_code(&state, email, cause).await,
        Some(error @ (Error::Invalid(_) | Error::TooMany { .. })) => {
            let told = match &error {
                Error::Invalid(_) => "This is no e-mail address.".to_owned(),
                other => told(&other.to_string()),
            };
            let page = SignInPage { layout: frame.layout().await?, email, error: Some(told) };
            Ok((error.status(), page::private(&page)?).into_response())
        }
        Some(error) => Err(error),
    }
}

async fn limited(state: &AppState, headers: &HeaderMap, peer: Peer, email: &str) -> Result<()> {
    state.take(ASKS, &state.household(headers, &peer).await?).await?;
    state.take(MAILS, &signin::token_hash(&email.to_lowercase())).await
}

async fn send_code(state: &AppState, email: String, cause: Uuid) -> Result<Response> {
    let request = Uuid::now_v7();
    let job = SendSigninCode { request, email: email.clone() };
    let write = state.data.writer().write(move |tx| outbox::job(tx, job, cause));
    write.await.map_err(|error: shared::db::Error| Error::from(error))?;
    let cookie = cookies::set(
        cookies::SIGNIN,
        &Pending { request, email }.to_cookie(),
        CODE_LIFE,
        state.config.is_https(),
    );
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/signin/code")).into_response())
}

/// A sign-in under way, as its cookie holds it.
struct Pending {
    request: Uuid,
    email: String,
}

impl Pending {
    fn to_cookie(&self) -> String {
        let email: String = url::form_urlencoded::byte_serialize(self.email.as_bytes()).collect();
        format!("{}.{email}", self.request)
    }

    fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let (request, email) = cookies::get(headers, cookies::SIGNIN)?.split_once('.')?;
        // A form of one field without a name: the percent-decoding of `url`.
        let pair = format!("e={email}");
        let (_, email) = url::form_urlencoded::parse(pair.as_bytes()).next()?;
        Some(Self { request: request.parse().ok()?, email: email.into_owned() })
    }
}

/// `GET /signin/code`.
///
/// # Errors
/// When the database fails.
pub async fn code_form(frame: Frame, headers: HeaderMap) -> Result<Response> {
    match Pending::from_headers(&headers) {
        Some(pending) => code_page(&frame, pending.email, None, StatusCode::OK).await,
        None => Ok(Redirect::to("/signin").into_response()),
    }
}

async fn code_page(
    frame: &Frame,
    email: String,
    error: Option<String>,
    status: StatusCode,
) -> Result<Response> {
    let minutes = u32::try_from(CODE_LIFE.as_secs() / 60).unwrap_or(0);
    let layout = frame.layout().await?;
    let digits = signin::CODE_DIGITS;
    let page = CodePage { layout, email, error, minutes, digits };
    Ok((status, page::private(&page)?).into_response())
}

/// The code that was typed.
#[derive(Debug, Deserialize)]
pub struct Code {
    #[serde(default)]
    code: String,
}

/// `POST /signin/code`.
///
/// # Errors
/// When the database fails.
pub async fn enter(
    State(state): State<AppState>,
    frame: Frame,
    peer: Peer,
    Cause(cause): Cause,
    headers: HeaderMap,
    Form(typed): Form<Code>,
) -> Result<Response> {
    let Some(pending) = Pending::from_headers(&headers) else {
        return Ok(Redirect::to("/signin").into_response());
    };
    let who = state.household(&headers, &peer).await?;
    if let Err(error) = state.take(TRIES, &who).await {
        let told = told(&error.to_string());
        return code_page(&frame, pending.email, Some(told), error.status()).await;
    }
    let hash = signin::code_hash(pending.request, &typed.code);
    let email = ttl::spend_code(&state.ttl, pending.request, hash).await?;
    let user = match email {
        Some(email) => users::by_email(&state.data, email).await?,
        None => None,
    };
    match user {
        Some(user) => begin(&state, user.id, &headers, cause).await,
        None => {
            let told = "This code is not the right one, or no longer good. After five wrong ones \
                        ask for another.";
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            code_page(&frame, pending.email, Some(told.to_owned()), status).await
        }
    }
}

/// Begins a session under a new token, and ends the one that the browser had.
async fn begin(state: &AppState, user: Uuid, headers: &HeaderMap, cause: Uuid) -> Result<Response> {
    if let Some(old) = crate::auth::look_up(headers, state).await.ok().flatten()
        && let Some(session) = old.session
    {
        super::account::end(state, old.user.id, session.id, cause).await?;
    }
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let agent = agent.unwrap_or_default().chars().take(AGENT_MAX).collect();
    let token = signin::token();
    ttl::begin_session(&state.ttl, signin::token_hash(&token), user, agent).await?;
    let https = state.config.is_https();
    let mut response = Redirect::to("/admin").into_response();
    let headers = response.headers_mut();
    let session = cookies::set(cookies::session_name(https), &token, SESSION_MAX, https);
    headers.append(header::SET_COOKIE, session);
    headers.append(header::SET_COOKIE, cookies::set(cookies::SIGNIN, "", Duration::ZERO, https));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// `HEAD /signin/link/{token}`: 204 while the link is good; it is not spent,
/// so that programs that look at links before people do cannot use it up.
///
/// # Errors
/// When the database fails.
pub async fn peek(State(state): State<AppState>, Path(token): Path<String>) -> Result<StatusCode> {
    let good = ttl::link_is_good(&state.ttl, signin::token_hash(&token)).await?;
    Ok(if good { StatusCode::NO_CONTENT } else { StatusCode::GONE })
}

/// `GET /signin/link/{token}`: spends the link and signs in.
///
/// # Errors
/// When the database fails.
pub async fn follow(
    State(state): State<AppState>,
    frame: Frame,
    Cause(cause): Cause,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Result<Response> {
    if let Some(user) = ttl::spend_link(&state.ttl, signin::token_hash(&token)).await? {
        return begin(&state, user, &headers, cause).await;
    }
    let notice = Notice::error(
        "This sign-in link was used already, or is too old. Ask for a code here, or print \
         another link on the machine of the site: web admin signin-link",
    );
    let layout = frame.layout_with(Some(notice)).await?;
    let page = SignInPage { layout, email: String::new(), error: None };
    Ok((StatusCode::GONE, page::private(&page)?).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_under_way_survives_its_cookie() {
        let request = Uuid::now_v7();
        let pending = Pending { request, email: "a+b;c@example.com".to_owned() };
        let cookie = format!("{}={}", cookies::SIGNIN, pending.to_cookie());
        let headers = HeaderMap::from_iter([(header::COOKIE, cookie.parse().unwrap())]);
        let read = Pending::from_headers(&headers).unwrap();
        assert_eq!((read.request, read.email.as_str()), (request, "a+b;c@example.com"));
    }
}
