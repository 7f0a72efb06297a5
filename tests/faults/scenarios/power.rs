//! The power goes: what the disks of NATS and SQLite had not synced is forgotten, and every
//! process ends at once. MinIO ends too, but its disk forgets nothing.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use fastrand::Rng;
use stack::place::{self, Layout};
use stack::records::{self, State};
use stack::{Signal, TempDir, eventually, leftovers, procfs, servers};
use support::site::Site;
use tokio::task::block_in_place;

use crate::disk_process::DiskProcess;
use crate::ledger::Ledger;
use crate::load::Load;
use crate::scenario::{Plan, Round, block_on, rounds, tell};
use crate::table::Figures;

/// What a sync takes on these disks, at most: so the power also goes while one is under way.
const SYNC: Duration = Duration::from_millis(2);
/// How likely each page, and each change of a directory, that was not synced survives: one
/// of these, by chance, for all of a cut.
const SURVIVALS: [f64; 4] = [0.0, 0.3, 0.7, 0.95];
/// Processes that were killed are gone within this.
const GONE_WITHIN: Duration = Duration::from_secs(10);
/// How long a site that is to lose something may take to settle.
const SHORT_CALM: Duration = Duration::from_secs(15);

/// As the site is run.
pub fn cut(plan: &Plan) -> Figures {
    block_on(async {
        let dir = TempDir::new().expect("a directory can be made");
        let house = House::start(dir, Variables::new());
        let House { site, power } = &house;
        power.each(|disk| disk.set_delay(Duration::ZERO, SYNC));
        rounds(plan, site, async |round: &mut Round<'_>| {
            round.moment().await;
            block_in_place(|| power.cut(round.site, &mut round.rng));
            block_in_place(|| power.start(round.site)).expect("the site starts again");
            1
        })
        .await
    })
}

/// NATS with its default, which syncs every two minutes. Something must be lost.
pub fn nats_default(plan: &Plan) -> Figures {
    counter_proof(
        plan,
        |dir| {
            let own = fs::read_to_string(place::root().join("deploy/nats.conf"));
            let own = own.expect("the configuration of NATS is there");
            let line = "sync_interval: always";
            assert!(own.contains(line), "NATS does not sync always");
            let conf = dir.join("nats.conf");
            fs::write(&conf, own.replace(line, "")).expect("a file can be written");
            vec![(servers::NATS_CONF, conf.display().to_string())]
        },
        None,
    )
}

/// A disk that does nothing when it is to sync data.db, which is what `synchronous=OFF`
/// comes to. Something must be lost.
pub fn sqlite_off(plan: &Plan) -> Figures {
    counter_proof(plan, |_| Vec::new(), Some("data.db"))
}

/// A fresh site each round: one that has lost something does not balance any more.
fn counter_proof(
    plan: &Plan,
    variables: impl Fn(&Path) -> Variables,
    ignored: Option<&str>,
) -> Figures {
    let mut figures = Figures { must_lose: true, ..Figures::default() };
    for number in 1..=plan.rounds {
        let dir = TempDir::new().expect("a directory can be made");
        let variables = variables(dir.path());
        block_on(lose(plan, number, House::start(dir, variables), ignored, &mut figures));
    }
    figures
}

async fn lose(
    plan: &Plan,
    number: usize,
    house: House,
    ignored: Option<&str>,
    figures: &mut Figures,
) {
    let House { site, power } = &house;
    let mut rng = plan.rng(number);
    let slug = site.post("faults").await;
    power.each(DiskProcess::write_back);
    power.each(|disk| disk.ignore_syncs(ignored));
    // The cut comes when the last client has its answer: what has forgotten its clients
    // would refuse them.
    let promises = Load::start(site, &slug, rng.fork()).finish().await;
    block_in_place(|| power.cut(site, &mut rng));
    power.each(|disk| disk.ignore_syncs(None));
    if let Err(why) = block_in_place(|| power.start(site)) {
        figures.rounds += 1;
        figures.faults += 1;
        figures.lost += 1;
        figures.notes.push(format!("round {number}: the site does not start again: {why}"));
        println!("{} {number}/{}: does not start again: {why}", plan.name, plan.rounds);
        return;
    }
    let calm = Instant::now();
    let balance = Ledger::of(site).settle(&promises, SHORT_CALM).await;
    tell(plan, number, 1, &promises, &balance, calm.elapsed());
    figures.add(&promises, 1, &balance, calm.elapsed());
}

/// A site whose data is on disks that can lose power.
pub struct House {
    pub site: Site,
    pub power: Power,
}

/// The disks, and the way to start the site on them.
pub struct Power {
    /// Of SQLite, and of NATS.
    pub disks: [DiskProcess; 2],
    variables: Variables,
    _dir: TempDir,
}

type Variables = Vec<(&'static str, String)>;

impl House {
    /// Starts a site on new disks, mounted below `dir`.
    pub fn start(dir: TempDir, mut variables: Variables) -> Self {
        variables.push(("COMMENTS_MODERATION", "none".to_owned()));
        let place = dir.path().join("site");
        fs::create_dir(&place).expect("a directory can be made");
        let disks = ["data", "nats"].map(|name| {
            let mounted = dir.path().join(name);
            let disk = DiskProcess::mount(&mounted).expect("a file system can be mounted");
            symlink(&mounted, place.join(name)).expect("a link can be made");
            disk
        });
        let power = Power { disks, variables, _dir: dir };
        let site = block_in_place(|| Site::start_in(place, &power.variables()));
        Self { site, power }
    }
}

impl Power {
    fn variables(&self) -> Vec<(&str, &str)> {
        self.variables.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }

    /// Tells each disk something.
    pub fn each(&self, mut tell: impl FnMut(&DiskProcess) -> io::Result<()>) {
        self.disks.iter().for_each(|disk| tell(disk).expect("the disk obeys"));
    }

    /// Takes the power from the disks and ends every process. The disks are mounted again
    /// with what is left.
    pub fn cut(&self, site: &Site, rng: &mut Rng) {
        let layout = Layout::new(site.dir()).expect("a directory");
        let supervisor = records::read(&layout.state_json()).map(|state: State| state.supervisor);
        let known: Vec<u32> = supervisor.into_iter().chain(running(&layout)).collect();
        let survival = SURVIVALS[rng.usize(..SURVIVALS.len())];
        self.each(|disk| disk.cut(rng, survival));
        known.into_iter().for_each(kill);
        eventually("every process is gone", GONE_WITHIN, || {
            let left = running(&layout);
            left.iter().copied().for_each(kill);
            left.is_empty().then_some(())
        });
        self.each(DiskProcess::mount_again);
    }

    /// Starts the site again where it was.
    ///
    /// # Errors
    /// With what the site's own command said.
    pub fn start(&self, site: &Site) -> Result<(), String> {
        let url = site.json()["url"].as_str().unwrap_or_default().to_owned();
        let port = url.rsplit(':').next().unwrap_or_default();
        let words = ["up", "--detach", "--no-build", "--port", port];
        let output = site.command(&words, &self.variables());
        let said = || {
            String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat())
                .into_owned()
        };
        if output.status.success() { Ok(()) } else { Err(said()) }
    }
}

/// The processes of a stack, but for its supervisor.
fn running(layout: &Layout) -> Vec<u32> {
    leftovers::find(layout).into_iter().map(|leftover| leftover.pid).collect()
}

fn kill(pid: u32) {
    procfs::signal(pid, Signal::KILL);
}
