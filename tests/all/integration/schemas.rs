//! The JSON Schemas that others rely on name what the code has.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use shared::envelope::Envelope;
use shared::queues::Queues;
use uuid::Uuid;

fn schema(path: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).expect("a schema is JSON")
}

fn keys(object: &Value) -> BTreeSet<String> {
    object.as_object().expect("an object").keys().cloned().collect()
}

fn words(list: &Value) -> BTreeSet<String> {
    let words = list.as_array().expect("a list").iter();
    words.map(|word| word.as_str().expect("a word").to_owned()).collect()
}

fn keys_of(envelope: &Envelope<()>) -> BTreeSet<String> {
    keys(&serde_json::from_slice(&envelope.to_json()).expect("an envelope is JSON"))
}

#[test]
fn the_schema_of_the_envelope_has_its_fields() {
    let schema = schema("docs/schemas/envelope.schema.json");
    let plain = Envelope::new("kind", 1, Uuid::now_v7(), ());
    assert_eq!(words(&schema["required"]), keys_of(&plain));
    let batch = Some(Uuid::now_v7());
    let priority = shared::jobs::enqueue::Priority::High;
    let full = Envelope { snoozes: 1, cost: 2, unique: true, priority, batch, ..plain };
    assert_eq!(keys(&schema["properties"]), keys_of(&full));
}

/// The names that a refusal of `text` offers in place of `nonsense`.
fn offered(text: &str) -> BTreeSet<String> {
    let error = Queues::parse(text).expect_err("nonsense is refused");
    let offers = error.split_once("the fields here are ").expect("the right names are told").1;
    offers.lines().next().unwrap_or_default().split(", ").map(str::to_owned).collect()
}

#[test]
fn the_schema_of_the_queues_file_has_its_keys() {
    let schema = schema("deploy/queues.schema.json");
    let of = |name: &str| keys(&schema["$defs"][name]["properties"]);
    assert_eq!(offered("nonsense: 1\n"), keys(&schema["properties"]));
    assert_eq!(offered("queues:\n  a:\n    nonsense: 1\n"), of("queue"));
    assert_eq!(offered("queues:\n  a:\n    rate: {nonsense: 1}\n"), of("rate"));
    assert_eq!(offered("queues: {}\nperiodic:\n  a: {nonsense: 1}\n"), of("periodic"));
}
