//! The network between the worker and NATS fails; web goes to NATS directly.

use std::time::Duration;

use fastrand::Rng;

use super::kill::start;
use crate::proxy::{Proxy, Way};
use crate::scenario::{Plan, Round, block_on, rounds};
use crate::table::Figures;

/// The line ends and cannot be made again.
pub fn cut(plan: &Plan) -> Figures {
    through_proxy(plan, async |proxy, _| proxy.cut().await)
}

/// All comes late, and little at once.
pub fn slow(plan: &Plan) -> Figures {
    through_proxy(plan, async |proxy, rng| {
        let latency = Duration::from_millis(rng.u64(20..400));
        proxy.slow(latency, rng.u64(8..100)).await;
    })
}

/// What the worker sends is swallowed: requests, results, acknowledgements.
pub fn mute(plan: &Plan) -> Figures {
    through_proxy(plan, async |proxy, _| proxy.swallow(Way::ToNats).await)
}

/// What NATS sends is swallowed: jobs, and that something is stored.
pub fn deaf(plan: &Plan) -> Figures {
    through_proxy(plan, async |proxy, _| proxy.swallow(Way::ToWorker).await)
}

fn through_proxy(plan: &Plan, fail: impl AsyncFn(&Proxy, &mut Rng)) -> Figures {
    block_on(async {
        let site = start();
        let proxy = Proxy::before_worker(&site).await;
        rounds(plan, &site, async |round: &mut Round<'_>| {
            round.moment().await;
            fail(&proxy, &mut round.rng).await;
            tokio::time::sleep(length(&mut round.rng)).await;
            proxy.heal().await;
            1
        })
        .await
    })
}

/// Mostly short; one in four outlasts the time after which NATS delivers again.
fn length(rng: &mut Rng) -> Duration {
    let millis = if rng.u8(..4) == 0 { rng.u64(10_500..13_000) } else { rng.u64(300..3000) };
    Duration::from_millis(millis)
}
