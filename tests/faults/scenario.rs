//! The scenarios, as a table, and the rounds that each is made of.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use fastrand::Rng;
use support::site::Site;

use crate::ledger::{Balance, Ledger, Rows};
use crate::load::{self, Load, Promises};
use crate::scenarios::{clock, full, kill, network, planted, power, redelivery, restore};
use crate::table::Figures;

/// How long clients send in a round.
pub const BURST: Duration = Duration::from_millis(1500);
/// What has not settled after this much calm is stuck.
pub const CALM: Duration = Duration::from_secs(60);

/// One row of the table.
pub struct Scenario {
    /// How it is called.
    pub name: &'static str,
    /// What it does to the site.
    pub what: &'static str,
    /// Runs all rounds.
    rounds: fn(&Plan) -> Figures,
    needs_disk: bool,
    is_counter_proof: bool,
}

/// All scenarios, in the order of the table.
pub const ALL: &[Scenario] = &[
    Scenario::new(
        "planted",
        "what is lost, doubled and stuck is put there by hand: the ledger must find it",
        planted::found,
    ),
    Scenario::new("kill-web", "`kill -9` of web", kill::web),
    Scenario::new("kill-worker", "`kill -9` of the worker", kill::worker),
    Scenario::new("kill-nats", "`kill -9` of NATS", kill::nats),
    Scenario::new("kill-minio", "`kill -9` of MinIO", kill::minio),
    Scenario::new("kill-cron", "`kill -9` of cron", kill::cron),
    Scenario::new("kill-all", "`kill -9` of two to five of them at once", kill::all),
    Scenario::new("net-cut", "worker and NATS cut off from each other", network::cut),
    Scenario::new("net-slow", "a slow and narrow line between them", network::slow),
    Scenario::new("net-mute", "what the worker says does not arrive", network::mute),
    Scenario::new("net-deaf", "what NATS says does not arrive", network::deaf),
    Scenario::new(
        "no-memory",
        "NATS restarts, forgets which ids it had, and is sent the same messages again",
        redelivery::no_memory,
    ),
    Scenario::new(
        "storm",
        "each message comes many times, also under other ids",
        redelivery::storm,
    ),
    Scenario::new("killer", "a job whose worker is killed each time it runs", redelivery::killer),
    Scenario::new("clock", "the clock steps by days and by seconds", clock::steps),
    Scenario::new("power", "the power goes, with what was not synced", power::cut).on_disks(),
    Scenario::new(
        "power-nats",
        "counter-proof: NATS syncs every two minutes, as is its default",
        power::nats_default,
    )
    .on_disks()
    .proving_the_test(),
    Scenario::new(
        "power-sqlite",
        "counter-proof: data.db is not synced, as with `synchronous=OFF`",
        power::sqlite_off,
    )
    .on_disks()
    .proving_the_test(),
    Scenario::new("full-nats", "the disk of NATS is full for a while", full::nats).on_disks(),
    Scenario::new("full-sqlite", "the disk of SQLite is full for a while", full::sqlite).on_disks(),
    Scenario::new("slow-disk", "each sync takes 0.2 to 2 seconds for a while", full::slow)
        .on_disks(),
    Scenario::new("restore", "data.db is restored as it was some seconds ago", restore::rewind),
];

impl Scenario {
    const fn new(name: &'static str, what: &'static str, rounds: fn(&Plan) -> Figures) -> Self {
        Self { name, what, rounds, needs_disk: false, is_counter_proof: false }
    }

    const fn on_disks(self) -> Self {
        Self { needs_disk: true, ..self }
    }

    const fn proving_the_test(self) -> Self {
        Self { is_counter_proof: true, ..self }
    }

    /// Whether it is run on a file system of its own.
    pub fn needs_disk(&self) -> bool {
        self.needs_disk
    }

    /// Whether something is broken on purpose, and has to be lost.
    pub fn is_counter_proof(&self) -> bool {
        self.is_counter_proof
    }

    /// Runs all rounds; a panic is a row that failed.
    pub fn run(&self, plan: Plan) -> Figures {
        let began = Instant::now();
        let ended = catch_unwind(AssertUnwindSafe(|| (self.rounds)(&plan)));
        let mut figures = ended.unwrap_or_else(|panic| Figures::failed(&panic_text(&*panic)));
        figures.name = self.name;
        figures.what = self.what;
        figures.seed = plan.seed;
        figures.seconds = began.elapsed().as_secs();
        figures
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}

/// The list for people.
pub fn list() -> String {
    ALL.iter().map(|it| format!("{:<12} {}\n", it.name, it.what)).collect()
}

/// The scenarios of these names, or all.
///
/// # Errors
/// With the name that is none.
pub fn chosen(names: &[String]) -> Result<Vec<&'static Scenario>, String> {
    if names.is_empty() {
        return Ok(ALL.iter().collect());
    }
    let find = |name: &String| ALL.iter().find(|it| it.name == *name).ok_or_else(|| name.clone());
    names.iter().map(find).collect()
}

/// How a scenario is run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its name.
    pub name: &'static str,
    /// How many rounds.
    pub rounds: usize,
    /// Of the whole run.
    pub seed: u64,
}

impl Plan {
    /// Of one scenario.
    pub fn new(name: &'static str, rounds: usize, seed: u64) -> Self {
        Self { name, rounds, seed }
    }

    /// What decides round `number`: another for each scenario and round.
    pub fn rng(&self, number: usize) -> Rng {
        let name = self.name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Rng::with_seed(self.seed ^ name ^ ((number as u64) << 40))
    }
}

/// Runs a scenario's future on threads of its own.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build();
    runtime.expect("threads can be started").block_on(future)
}

/// What a fault has to do with.
pub struct Round<'a> {
    /// Counted from 1.
    pub number: usize,
    /// Decides everything that is left to chance.
    pub rng: Rng,
    /// The site.
    pub site: &'a Site,
    /// Promises that the fault itself was given.
    pub promises: Promises,
    /// What the database held after it was restored, if it was.
    pub restored: Option<Rows>,
    /// Something that the reader of the round's line should know.
    pub notes: Vec<String>,
}

impl<'a> Round<'a> {
    fn new(number: usize, rng: Rng, site: &'a Site) -> Self {
        let promises = Promises::default();
        Self { number, rng, site, promises, restored: None, notes: Vec::new() }
    }

    /// Waits for a random moment of the burst.
    pub async fn moment(&mut self) {
        let millis = self.rng.u64(50..BURST.as_millis() as u64);
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
}

/// Runs every round: a burst of load, the fault at its random moment, then calm and the
/// balance. `fault` gives how many faults it was. In the end all rounds are balanced once
/// more, so that an effect that doubles late is seen.
pub async fn rounds(
    plan: &Plan,
    site: &Site,
    mut fault: impl AsyncFnMut(&mut Round<'_>) -> usize,
) -> Figures {
    let mut figures = Figures::default();
    let mut all = Promises::default();
    for number in 1..=plan.rounds {
        let mut rng = plan.rng(number);
        let slug = site.post("faults").await;
        let load = Load::start(site, &slug, rng.fork());
        let mut round = Round::new(number, rng, site);
        let faults = fault(&mut round).await;
        let mut promises = load.finish().await;
        let Round { promises: more, mut notes, restored, .. } = round;
        promises.add(more);
        promises.doomed.extend(all.doomed.iter().cloned());
        if let Some(rows) = restored {
            let gone = promises.rewind(&rows) + all.rewind(&rows);
            notes.push(format!("{gone} promises are gone with the time after the moment"));
            figures.rewound += gone;
        }
        let calm = Instant::now();
        let balance = Ledger::of(site).settle(&promises, CALM).await;
        tell(plan, number, faults, &promises, &balance, calm.elapsed());
        figures.add(&promises, faults, &balance, calm.elapsed());
        notes.iter().for_each(|note| println!("    {note}"));
        all.add(promises);
    }
    figures.close(&Ledger::of(site).settle(&all, load::PATIENCE).await);
    figures
}

/// Tells how a round went.
pub fn tell(
    plan: &Plan,
    number: usize,
    faults: usize,
    promises: &Promises,
    balance: &Balance,
    took: Duration,
) {
    println!(
        "{} {number}/{}: {} promised, {} retries, {faults} faults, settled in {:.1} s, {balance}",
        plan.name,
        plan.rounds,
        promises.count(),
        promises.retries,
        took.as_secs_f64(),
    );
}
