//! Makes a sign-in code and mails it.

use std::sync::Arc;

use lettre::message::Mailbox;
use shared::db::users::User;
use shared::db::{settings, ttl, users};
use shared::jobs::mail::SendSigninCode;
use shared::signin;

use super::DataParts;
use crate::registry::{Failure, Outcome, Registry, RegistryError};

/// Registers the executor.
///
/// # Errors
/// When it is registered already.
pub fn register(registry: &mut Registry, parts: DataParts) -> Result<(), RegistryError> {
    let parts = Arc::new(parts);
    registry.effect::<SendSigninCode, _>(move |job| send(Arc::clone(&parts), job.payload))
}

/// An unknown address gets nothing, and nobody is told: whether it is known
/// shows nowhere. A second run mails a second code, which replaces the first.
async fn send(parts: Arc<DataParts>, job: SendSigninCode) -> Result<Outcome, Failure> {
    let Some(user) = users::by_email(&parts.data, job.email).await? else {
        return Ok(Outcome::Done);
    };
    let Ok(address) = user.email.parse() else {
        return Ok(Outcome::Discard(
            "the user's address is none that mail can be sent to".to_owned(),
        ));
    };
    let code = signin::new_code();
    let hash = signin::code_hash(job.request, &code);
    ttl::keep_code(&parts.ttl, job.request, user.email.clone(), hash).await?;
    deliver(&parts, user, address, &code).await
}

async fn deliver(
    parts: &DataParts,
    user: User,
    address: lettre::Address,
    code: &str,
) -> Result<Outcome, Failure> {
    let title = settings::get(&parts.data).await?.title;
    let subject = format!("{code} is your code for {title}");
    let text = text(&user.name, &title, parts.site_url.as_str(), code);
    let to = Mailbox::new(Some(user.name), address);
    match parts.mailer.send(to, &subject, text).await {
        Ok(()) => Ok(Outcome::Done),
        Err(error) if error.is_final() => Ok(Outcome::Discard(shared::error::chain(&error))),
        Err(error) => Err(Failure::of(&error)),
    }
}

fn text(name: &str, title: &str, site: &str, code: &str) -> String {
    let minutes = ttl::CODE_LIFE.as_secs() / 60;
    let site = site.trim_end_matches('/');
    format!(
        "Hello {name},\n\n\
         your code to sign in to {title} ({site}) is\n\n    \
         {code}\n\n\
         It is good for {minutes} minutes, once, and only in the browser that asked\n\
         for it.\n\n\
         If you did not ask to sign in, you need not do anything: without the code\n\
         nobody gets in.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mail_says_the_code_the_site_and_how_long_it_is_good() {
        let text = text("Ann", "Hearth", "https://a.example/", "12345678");
        for part in ["\n    12345678\n", "(https://a.example)", "10 minutes", "Hello Ann"] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }
}
