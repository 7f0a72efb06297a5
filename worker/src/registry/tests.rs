//! Which executor runs which kind, and what is refused at the start.

use shared::jobs::comments::CheckComment;
use shared::jobs::images::{MakeVariants, Picture, VariantsMade};

use super::*;

fn picture_job(registry: &mut Registry) -> Result<(), RegistryError> {
    let refuse = |_: Envelope<MakeVariants>| async {
        Ok(ComputeOutcome::<Picture>::Refused("no picture".to_owned()))
    };
    registry.compute(refuse, |job, outcome| VariantsMade { job, outcome })
}

#[test]
fn a_kind_has_one_executor() {
    let mut registry = Registry::default();
    let done = |_: &Tx<'_>, _: &Envelope<CheckComment>| Ok(Outcome::Done);
    assert_eq!(registry.data(done), Ok(()));
    let (queue, kind) = (CheckComment::QUEUE, CheckComment::KIND);
    assert_eq!(registry.data(done), Err(RegistryError::Duplicate { queue, kind }));
}

#[test]
fn a_queue_of_the_wrong_role_is_refused() {
    let mut registry = Registry::default();
    picture_job(&mut registry).unwrap();
    let name = std::env::temp_dir().join(format!("registry-queues-{}.yml", std::process::id()));
    let file = "queues:\n  images: {role: data, timeout: 1s, attempts: 1, backoff: 1s}\n";
    std::fs::write(&name, file).unwrap();
    let queues = Queues::read(&name).unwrap();
    std::fs::remove_file(&name).unwrap();
    let error = registry.check(&queues).unwrap_err().to_string();
    assert!(error.contains("images") && error.contains("compute"), "{error}");
}

#[tokio::test]
async fn a_result_sent_twice_is_the_same_message_and_the_next_attempt_another() {
    let mut registry = Registry::default();
    picture_job(&mut registry).unwrap();
    let payload = MakeVariants { image: Uuid::now_v7(), original: "a".to_owned() };
    let job = payload.envelope(Uuid::now_v7());
    let untyped = |attempt| {
        let mut job: Envelope = serde_json::from_slice(&job.to_json()).unwrap();
        job.attempt = attempt;
        job
    };
    let Some(Executor::Compute(compute)) = registry.get("images", "variants") else {
        panic!("it was registered");
    };
    let id = |message: &Message| {
        let result: Envelope = serde_json::from_slice(&message.body).unwrap();
        result.id
    };
    let first = compute.run(untyped(1)).unwrap().await.unwrap();
    let again = compute.cut_short(untyped(1), CutShort::Cancelled).unwrap();
    let next = compute.run(untyped(2)).unwrap().await.unwrap();
    assert_eq!((&first.msg_id, id(&first)), (&again.msg_id, id(&again)));
    assert_ne!((&first.msg_id, id(&first)), (&next.msg_id, id(&next)));
    assert_ne!(id(&first), job.id);
}

#[test]
fn a_kind_that_nobody_could_order_is_refused() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Secret;
    impl Job for Secret {
        const QUEUE: &'static str = "mail";
        const KIND: &'static str = "secret";
    }
    let mut registry = Registry::default();
    picture_job(&mut registry).unwrap();
    assert_eq!(registry.declared(), Ok(()));
    registry.data::<Secret>(|_, _| Ok(Outcome::Done)).unwrap();
    let error = registry.declared().unwrap_err().to_string();
    assert!(error.contains("secret") && error.contains("mail"), "{error}");
}
