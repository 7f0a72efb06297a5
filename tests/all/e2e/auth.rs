//! Sign-in: codes by mail, links, sessions.

use std::time::Duration;

use crate::support::client::{Answer, Client};
use crate::support::site::Site;
use crate::support::wait::until;

/// The cookies that an answer sets, for the next request.
fn cookies(answer: &Answer) -> String {
    let set = answer.headers.get_all("set-cookie").iter();
    let pairs = set.filter_map(|value| value.to_str().ok()?.split(';').next());
    pairs.collect::<Vec<_>>().join("; ")
}

fn browser(site: &Site) -> Client {
    site.visitor().with("sec-fetch-site", "same-origin")
}

/// The newest mail to `address`, when there are `count` of them.
async fn mail(site: &Site, address: &str, count: usize) -> String {
    let dir = site.path("mail_dir");
    until("mail", Duration::from_secs(15), || async {
        let mut mails: Vec<_> = std::fs::read_dir(&dir)
            .ok()?
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let whole = path.extension().is_some_and(|extension| extension == "eml");
                let text = whole.then(|| std::fs::read_to_string(&path).ok()).flatten()?;
                text.contains(address).then_some((path, text))
            })
            .collect();
        mails.sort();
        (mails.len() >= count).then(|| mails.pop().map(|(_, text)| text)).flatten()
    })
    .await
}

fn code_of(mail: &str) -> String {
    let is_code = |word: &&str| word.len() >= 6 && word.chars().all(|c| c.is_ascii_digit());
    mail.split(|c: char| !c.is_ascii_alphanumeric())
        .find(is_code)
        .unwrap_or_else(|| panic!("no code in {mail}"))
        .to_owned()
}

#[tokio::test]
async fn a_code_by_mail_signs_in_once() {
    let site = Site::start(&[]);
    let visitor = browser(&site);
    visitor.get("/admin").await.expect(303);
    let asked = visitor.post_form("/signin", &[("email", "admin@example.com")]).await.expect(303);
    let request = visitor.with("cookie", &cookies(&asked));
    let code = code_of(&mail(&site, "admin@example.com", 1).await);
    let wrong = if code.starts_with('1') { "22222222" } else { "11111111" };
    let refused = request.post_form("/signin/code", &[("code", wrong)]).await;
    assert!(refused.status.is_client_error(), "{}", refused.status);
    let stranger = visitor.post_form("/signin/code", &[("code", &code)]).await;
    assert!(!stranger.status.is_redirection() || !cookies(&stranger).contains("session"));
    let signed_in = request.post_form("/signin/code", &[("code", &code)]).await.expect(303);
    let session = visitor.with("cookie", &cookies(&signed_in));
    session.get("/admin").await.expect(200);
    let again = request.post_form("/signin/code", &[("code", &code)]).await;
    assert!(again.status.is_client_error(), "a code was good twice: {}", again.status);
    session.post_form("/signout", &[]).await.expect(303);
    session.get("/admin").await.expect(303);
}

#[tokio::test]
async fn an_unknown_address_gets_the_same_answer_and_no_mail() {
    let site = Site::start(&[]);
    let known = browser(&site).post_form("/signin", &[("email", "admin@example.com")]).await;
    let unknown = browser(&site).post_form("/signin", &[("email", "nobody@example.com")]).await;
    assert_eq!((known.status, known.text()), (unknown.status, unknown.text()));
    assert_eq!(known.header("location"), unknown.header("location"));
    mail(&site, "admin@example.com", 1).await;
    let list = |state: &str| format!("/api/v1/jobs?queue=mail&state={state}");
    let admin = site.admin();
    until("two finished mail jobs", Duration::from_secs(10), || async {
        let done = admin.get(&list("done")).await.expect(200).json();
        (done["items"].as_array().unwrap().len() == 2).then_some(())
    })
    .await;
    let mails = std::fs::read_dir(site.path("mail_dir")).unwrap().count();
    assert_eq!(mails, 1);
}

#[tokio::test]
async fn a_sign_in_link_is_good_once_and_a_new_one_takes_its_place() {
    let site = Site::start(&[]);
    let link = site.json()["signin_link"].as_str().unwrap().to_owned();
    let path = link.split_once("//").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
    let path = path.expect("the link has a path");
    let first = site.visitor().get(path).await.expect(303);
    site.visitor().with("cookie", &cookies(&first)).get("/admin").await.expect(200);
    let second = site.visitor().get(path).await;
    assert!(second.status.is_client_error(), "{}", second.status);
    until("new link", Duration::from_secs(20), || async {
        (site.json()["signin_link"] != link.as_str()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_token_is_listed_and_is_good_until_it_is_revoked() {
    let site = Site::start(&[]);
    let run = |words: &[&str]| {
        let ran = site.exec(&[&["web", "admin", "token"], words].concat());
        (ran.status.success(), String::from_utf8_lossy(&ran.stdout).trim().to_owned())
    };
    let (made, token) = run(&["--name", "laptop"]);
    assert!(made && !token.is_empty());
    let laptop = site.visitor().bearer(&token);
    laptop.get("/api/v1/queues").await.expect(200);
    let (_, list) = run(&["--list"]);
    assert!(list.contains("laptop") && !list.contains(&token), "{list}");
    let account = site.admin().get("/account").await.expect(200).text();
    assert!(account.contains("laptop"), "the account does not show the token");
    assert!(run(&["--revoke", "laptop"]).0);
    laptop.get("/api/v1/queues").await.expect(401);
    assert!(!run(&["--revoke", "laptop"]).0, "a token was revoked twice");
    assert!(!run(&["--name", "a\nb"]).0, "a name of two lines was taken");
}

#[tokio::test]
async fn a_form_of_another_site_is_refused_with_a_session() {
    let site = Site::start(&[]);
    let link = site.json()["signin_link"].as_str().unwrap().to_owned();
    let path = link.split_once("//").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
    let signed_in = site.visitor().get(path.unwrap()).await.expect(303);
    let session = site.visitor().with("cookie", &cookies(&signed_in));
    let foreign = session.with("sec-fetch-site", "cross-site");
    foreign.post_form("/signout", &[]).await.expect(403);
    let old = session.with("origin", "https://evil.example");
    old.post_form("/signout", &[]).await.expect(403);
    session.get("/admin").await.expect(200);
}
