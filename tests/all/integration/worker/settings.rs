//! Settings that change while the worker runs.

use worker::reload;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn new_settings_are_in_force_without_a_restart() {
    let ground = Ground::new().await;
    let working = ground.work(doing(effect));
    let first = ground.order("before").await;
    until("it is done", async || ground.is_done(first).await).await;
    let set = |paused: bool| {
        let mut queues = ground.queues.clone();
        queues.queues.get_mut("chores").unwrap().paused = paused;
        working.settings.send_replace(Arc::new(queues));
    };
    set(true);
    let hands = async || {
        let ask = "$JS.API.CONSUMER.INFO.JOBS.chores";
        let answer = ground.bus.client().request(ask, "".into()).await.unwrap();
        let info: serde_json::Value = serde_json::from_slice(&answer.payload).unwrap();
        info["num_waiting"].as_u64().unwrap()
    };
    until("nobody asks for jobs", async || hands().await == 0).await;
    let second = ground.order("while paused").await;
    set(false);
    until("it is done", async || ground.is_done(second).await).await;
    working.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_the_file_is_told_and_the_settings_before_it_stay() {
    let ground = Ground::new().await;
    let path = ground.dir.path().join("queues.yml");
    let file = |attempts: &str| {
        format!(
            "queues:\n  chores: {{role: data, timeout: 1s, attempts: {attempts}, backoff: 1s}}\n"
        )
    };
    std::fs::write(&path, file("3")).unwrap();
    let (changed, mut settings) = watch::channel(Arc::new(Queues::read(&path).unwrap()));
    let shutdown = Shutdown::new();
    let registry = doing(effect);
    let fits = move |queues: &Queues| registry.check(queues).map_err(|error| error.to_string());
    let data = Some(ground.data.clone());
    let following =
        tokio::spawn(reload::follow(path.clone(), fits, data, changed, shutdown.clone()));
    let told = async |part: &str| {
        let alerts = alerts::list(&ground.data, None, None, 10).await.unwrap();
        alerts.items.iter().any(|alert| alert.text.contains(part))
    };
    std::fs::write(&path, file("many")).unwrap();
    until("the mistake is told", async || told("queues.yml").await).await;
    std::fs::write(&path, file("3").replace("chores", "errands")).unwrap();
    until("a missing queue is told", async || told("chores is missing").await).await;
    assert!(!settings.has_changed().unwrap());
    std::fs::write(&path, file("7")).unwrap();
    settings.changed().await.unwrap();
    assert_eq!(settings.borrow().queues["chores"].attempts, 7);
    shutdown.cancel();
    following.await.unwrap();
}
