//! What was accepted is on disk.

use stack::{Nats, TempDir, http};

#[test]
fn invariant_2_nats_syncs_each_message_before_it_confirms_it() {
    let dir = TempDir::new().unwrap();
    let nats = Nats::start(dir.path()).unwrap();
    let told = http::get(nats.monitor(), "/jsz?config=true").unwrap();
    let told: serde_json::Value = serde_json::from_str(&told.body).unwrap();
    assert_eq!(told["config"]["sync_always"], true, "{told}");
}
