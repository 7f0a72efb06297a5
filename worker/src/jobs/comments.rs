//! Renders a comment, judges it by the rules, and tells what became of it.

use shared::config::Moderation;
use shared::db::Tx;
use shared::db::comments::{self, CommentStatus, Evidence};
use shared::envelope::Envelope;
use shared::jobs::comments::CheckComment;
use shared::markdown::render_comment;

use super::rules;
use crate::registry::{Failure, Outcome, Registry, RegistryError};

/// Registers the executor.
///
/// # Errors
/// When it is registered already.
pub fn register(registry: &mut Registry, moderation: Moderation) -> Result<(), RegistryError> {
    registry.data::<CheckComment>(move |tx, job| check(tx, job, moderation))
}

/// A comment that is gone, or was judged before, is left as it is: the admin
/// may have decided otherwise since.
fn check(
    tx: &Tx<'_>,
    job: &Envelope<CheckComment>,
    moderation: Moderation,
) -> Result<Outcome, Failure> {
    let id = job.payload.comment;
    let evidence = comments::evidence(tx, id)?;
    let Some(evidence) = evidence.filter(|evidence| !evidence.checked) else {
        return Ok(Outcome::Done);
    };
    let html = render_comment(&evidence.comment.body);
    let reason = reason(&evidence, moderation);
    let status = match reason {
        None => CommentStatus::Approved,
        Some(_) => CommentStatus::Pending,
    };
    comments::judge(tx, id, &html, status, reason.as_deref(), job.id)?;
    if let Some(page) = job.payload.page.clone() {
        // Why it is held is the admin's affair: who sends spam would learn from it.
        comments::tell_author(tx, page, (&evidence.comment, status), None, job.id)?;
    }
    Ok(Outcome::Done)
}

/// Why the comment waits for the admin; `None` when it does not.
fn reason(evidence: &Evidence, moderation: Moderation) -> Option<String> {
    if evidence.trusted {
        return None;
    }
    match moderation {
        Moderation::None => None,
        Moderation::All => Some("every comment is moderated".to_owned()),
        Moderation::Suspicious => rules::suspicion(evidence),
        Moderation::First if !evidence.known_author => {
            Some("the first comment of this author".to_owned())
        }
        Moderation::First => rules::suspicion(evidence),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::rules::tests::evidence;

    #[test]
    fn what_the_admin_wrote_never_waits() {
        let mut spam = evidence("CASINO CASINO https://a https://b https://c");
        assert!(reason(&spam, Moderation::Suspicious).is_some());
        spam.trusted = true;
        assert_eq!(reason(&spam, Moderation::All), None);
    }

    #[test]
    fn the_setting_decides_who_waits() {
        let mut plain = evidence("A plain remark about the post.");
        assert_eq!(reason(&plain, Moderation::None), None);
        assert_eq!(reason(&plain, Moderation::Suspicious), None);
        assert!(reason(&plain, Moderation::First).is_some());
        assert!(reason(&plain, Moderation::All).is_some());
        plain.known_author = true;
        assert_eq!(reason(&plain, Moderation::First), None);
    }
}
