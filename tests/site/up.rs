//! `./site up`

use std::error::Error;
use std::fs::File;
use std::io;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use stack::build;
use stack::configuration;
use stack::install::{self, Servers};
use stack::leftovers;
use stack::logs::Follower;
use stack::place::{self, Layout};
use stack::progress::Progress;
use stack::records::{self, SiteJson, State};
use stack::run::{self, Options, RunError};

use crate::Misuse;
use crate::cli::UpArgs;

pub fn run(args: &UpArgs) -> Result<ExitCode, Box<dyn Error>> {
    let layout = args.dir.layout()?;
    if args.supervise {
        // A session of its own: the terminal that started it can be closed.
        rustix::process::setsid()?;
        return supervise(layout, install::all(&Progress::quiet())?, args.port, |_| {});
    }
    if layout.dir().exists() && !layout.dir().is_dir() {
        return Err(Misuse(format!("{} is no directory", layout.dir().display())).into());
    }
    let is_new = !layout.dir().exists();
    run::check(&layout, args.port)?;
    let progress = Progress::new();
    let servers = get_ready(&progress, args.no_build)?;
    progress.settle();
    if let Some(wrong) = configuration::check(&layout, args.port)? {
        if is_new {
            layout.discard();
        }
        return Err(Misuse(wrong.to_string()).into());
    }
    if args.detach {
        let site = detach(args, &layout)?;
        introduce(&site);
        println!("stop it with:   ./site down{}", args.dir.hint());
        return Ok(ExitCode::SUCCESS);
    }
    supervise(layout, servers, args.port, |site| {
        introduce(site);
        println!("Ctrl-C stops it");
    })
}

/// Installs the servers and builds the crates, side by side.
fn get_ready(progress: &Progress, no_build: bool) -> Result<Servers, Box<dyn Error>> {
    thread::scope(|scope| {
        let built = scope.spawn(|| if no_build { Ok(()) } else { build::binaries(progress) });
        let servers = install::all(progress);
        match built.join() {
            Ok(built) => built?,
            Err(panic) => std::panic::resume_unwind(panic),
        }
        Ok(servers?)
    })
}

fn supervise(
    layout: Layout,
    servers: Servers,
    port: u16,
    ready: impl FnOnce(&SiteJson),
) -> Result<ExitCode, Box<dyn Error>> {
    let progress = Progress::new();
    let options = Options { layout, servers, port, progress: progress.clone() };
    let result = run::run(options, |site| {
        progress.settle();
        ready(site);
    });
    progress.settle();
    result?;
    Ok(ExitCode::SUCCESS)
}

fn introduce(site: &SiteJson) {
    println!("the site:       {}", site.url);
    println!("sign in, once:  {}", site.signin_link);
}

/// Starts the supervisor in the background and shows what it does until all is ready.
fn detach(args: &UpArgs, layout: &Layout) -> Result<SiteJson, Box<dyn Error>> {
    let path = layout.log("site");
    let log = File::options().create(true).append(true).open(&path)?;
    let mut follower = Follower::new(path, log.metadata()?.len());
    let mut child = spawn(args, layout, log)?;
    loop {
        let ended = child.try_wait()?;
        relay(&mut follower)?;
        if ended.is_some() {
            return Err("the site did not start".into());
        }
        let state: Option<State> = records::read(&layout.state_json());
        if state.is_some_and(|state| state.ready && state.supervisor == child.id()) {
            let site = records::read(&layout.site_json());
            return site.ok_or_else(|| RunError::Interrupted.into());
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn spawn(args: &UpArgs, layout: &Layout, log: File) -> io::Result<Child> {
    let mut command = Command::new(place::program()?);
    command.arg("up").arg("--supervise").arg("--dir").arg(layout.dir());
    command.arg("--port").arg(args.port.to_string());
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()
}

fn relay(follower: &mut Follower) -> io::Result<()> {
    for line in follower.lines()? {
        eprintln!("{line}");
    }
    Ok(())
}

/// A site whose processes are there.
pub struct Running {
    /// Its record.
    pub site: SiteJson,
    /// Whether a supervisor keeps it running; without one it was killed.
    pub is_supervised: bool,
}

/// The site that runs from this directory, with its supervisor or without.
///
/// # Errors
/// When there is none.
pub fn running(layout: &Layout) -> Result<Running, String> {
    let is_supervised = run::is_running(layout);
    let is_there = is_supervised || !leftovers::find(layout).is_empty();
    if let Some(site) = records::read(&layout.site_json()).filter(|_| is_there) {
        return Ok(Running { site, is_supervised });
    }
    let dir = layout.dir().display();
    Err(match (is_supervised, is_there) {
        (true, _) => format!("the site of {dir} is not ready yet"),
        (false, true) => format!(
            "parts of the site of {dir} run, and the ./site up that began them was killed; \
             ./site up --dir {dir} takes over, ./site down --dir {dir} stops them"
        ),
        (false, false) => format!("no site runs from {dir}; start it with ./site up --dir {dir}"),
    })
}
