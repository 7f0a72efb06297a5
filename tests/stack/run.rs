//! One stack from its start to its end.

mod error;
mod start;

use std::error::Error as _;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::admin::Admin;
use crate::http;
use crate::install::Servers;
use crate::leftovers;
use crate::logs;
use crate::place::Layout;
use crate::plan::{Plan, STOP_ORDER};
use crate::ports;
use crate::procfs;
use crate::progress::{Progress, spoken};
use crate::records::{self, Pids, ProcessState, Secrets, SiteJson, State};
use crate::supervisor::Supervisor;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

pub use error::RunError;

const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How often NATS is asked whether it can write; more than a restart of it takes.
const ASK_NATS_EVERY: Duration = Duration::from_secs(5);

enum Event {
    /// A process may have ended.
    Child,
    /// The user or the system wants the stack to end.
    Stop,
    /// There is a new sign-in link.
    Link(String),
}

/// What to run, and where.
pub struct Options {
    /// Where.
    pub layout: Layout,
    /// With these servers.
    pub servers: Servers,
    /// The port of the site; 0 takes a free one.
    pub port: u16,
    /// Where it tells what it does.
    pub progress: Progress,
}

/// Checks what can be checked before anything is built: the directory and the port.
///
/// # Errors
/// When the directory cannot be written or belongs to a running stack, or the port is in use.
pub fn check(layout: &Layout, port: u16) -> Result<(), RunError> {
    let file = |(path, source)| RunError::File { operation: "writing", path, source };
    layout.create().map_err(file)?;
    drop(lock(layout)?);
    if port == 0 || ports::is_free(port) || !leftovers::find(layout).is_empty() {
        return Ok(());
    }
    Err(port_in_use(port))
}

/// Whether a supervisor holds this directory now.
pub fn is_running(layout: &Layout) -> bool {
    File::open(layout.lock()).is_ok_and(|file| file.try_lock_shared().is_err())
}

/// Runs a stack until it is told to stop; `ready` is called once, when all of it is.
///
/// # Errors
/// When it cannot be started; by then nothing of it is left running.
pub fn run(options: Options, ready: impl FnOnce(&SiteJson)) -> Result<(), RunError> {
    check(&options.layout, options.port)?;
    let _lock = lock(&options.layout)?;
    clean_up(&options)?;
    let secrets = secrets(&options.layout)?;
    let Options { layout, servers, port, progress } = options;
    let plan = Plan::new(layout, &servers, secrets, port).map_err(RunError::Plan)?;
    let (events, inbox) = mpsc::channel();
    listen(events.clone()).map_err(RunError::Plan)?;
    let state = State {
        supervisor: std::process::id(),
        url: format!("http://{}", plan.web),
        ..State::default()
    };
    let supervisor = Supervisor::default();
    let mut stack = Running { plan, supervisor, state, site: None, inbox, progress, cron: None };
    let result = stack.start().and_then(|link| stack.hold(link, events, ready));
    stack.stop();
    result
}

fn lock(layout: &Layout) -> Result<File, RunError> {
    let path = layout.lock();
    let file = File::options().create(true).append(true).open(&path);
    let file = file.map_err(|source| RunError::File { operation: "opening", path, source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => {
            let state: State = records::read(&layout.state_json()).unwrap_or_default();
            let dir = layout.dir().to_path_buf();
            Err(RunError::Running { dir, pid: state.supervisor, url: state.url })
        }
    }
}

fn clean_up(options: &Options) -> Result<(), RunError> {
    let stopped = leftovers::stop(&options.layout);
    if !stopped.is_empty() {
        let names = stopped.join(", ");
        options.progress.note(&format!("stopped what a killed ./site up had left: {names}"));
    }
    if options.port != 0 && !ports::is_free(options.port) {
        return Err(port_in_use(options.port));
    }
    Ok(())
}

fn port_in_use(port: u16) -> RunError {
    let holder = ports::holder(port).unwrap_or_else(|| "a process of another user".to_owned());
    RunError::Port { port, holder }
}

fn secrets(layout: &Layout) -> Result<Secrets, RunError> {
    let path = layout.secrets_json();
    if let Some(secrets) = records::read(&path) {
        return Ok(secrets);
    }
    let secrets = Secrets::mint().map_err(RunError::Plan)?;
    save(path, &secrets)?;
    Ok(secrets)
}

fn save<T: serde::Serialize>(path: PathBuf, record: &T) -> Result<(), RunError> {
    records::write(&path, record).map_err(|source| RunError::File {
        operation: "writing",
        path,
        source,
    })
}

fn listen(events: Sender<Event>) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGCHLD])?;
    thread::spawn(move || {
        for signal in signals.forever() {
            let event = if signal == SIGCHLD { Event::Child } else { Event::Stop };
            if events.send(event).is_err() {
                return;
            }
        }
    });
    Ok(())
}

struct Running {
    plan: Plan,
    supervisor: Supervisor,
    state: State,
    site: Option<SiteJson>,
    inbox: Receiver<Event>,
    progress: Progress,
    cron: Option<u32>,
}

impl Running {
    fn admin(&self) -> Admin {
        let web = self.plan.specs.iter().find(|spec| spec.name == "web");
        Admin {
            program: web.map(|spec| spec.program.clone()).unwrap_or_default(),
            variables: self.plan.variables.clone(),
            address: self.plan.web,
        }
    }

    /// Keeps the stack running until it is told to stop.
    fn hold(
        &mut self,
        link: String,
        events: Sender<Event>,
        ready: impl FnOnce(&SiteJson),
    ) -> Result<(), RunError> {
        self.cron = self.find_cron();
        let site = self.plan.site_json(link.clone(), self.pids());
        self.state.ready = true;
        self.site = Some(site.clone());
        self.publish()?;
        ready(&site);
        let (_alive, stop) = mpsc::channel();
        let admin = self.admin();
        thread::spawn(move || {
            admin.keep_link(link, &stop, |link| drop(events.send(Event::Link(link))));
        });
        let (mut rotated, mut asked) = (Instant::now(), Instant::now());
        loop {
            let idle = if self.cron.is_none() { LOOK_AGAIN * 5 } else { self.supervisor.idle() };
            match self.inbox.recv_timeout(idle) {
                Ok(Event::Stop) => return Ok(()),
                Ok(Event::Link(link)) => self.set_link(link),
                Ok(Event::Child) | Err(_) => {}
            }
            self.tend();
            if asked.elapsed() > ASK_NATS_EVERY {
                self.heal_nats();
                asked = Instant::now();
            }
            if rotated.elapsed() > logs::ROTATE_EVERY {
                logs::rotate(&self.plan.layout);
                rotated = Instant::now();
            }
        }
    }

    fn tend(&mut self) {
        for line in self.supervisor.tend() {
            self.progress.note(&line);
        }
        self.cron = self.cron.filter(|pid| self.is_cron(*pid)).or_else(|| self.find_cron());
        self.publish_or_tell();
    }

    /// A stream that could not be written, as when the disk was full, refuses all until NATS
    /// is started again, also when there is room.
    fn heal_nats(&self) {
        let nats = self.supervisor.slots().iter().find(|slot| slot.spec.name == "nats");
        let monitor = nats.and_then(|slot| slot.spec.ready_at.as_ref()).map(|at| at.address);
        let health = monitor.and_then(|monitor| http::get(monitor, "/healthz").ok());
        if health.is_some_and(|health| health.body.contains("write error")) {
            self.progress.note("nats cannot write any more; it is started again");
            self.supervisor.restart("nats");
        }
    }

    fn set_link(&mut self, link: String) {
        if let Some(site) = &mut self.site {
            site.signin_link = link;
        }
        self.publish_or_tell();
    }

    fn is_cron(&self, pid: u32) -> bool {
        let parent = self.supervisor.pid("litestream");
        parent.is_some()
            && procfs::is_alive(pid)
            && procfs::stat(pid).map(|stat| stat.parent) == parent
    }

    fn find_cron(&self) -> Option<u32> {
        let children = procfs::children(self.supervisor.pid("litestream")?);
        children.into_iter().find(|pid| procfs::name(*pid).as_deref() == Some("cron"))
    }

    fn pids(&self) -> Pids {
        Pids {
            web: self.supervisor.pid("web"),
            worker: self.supervisor.pid("worker"),
            cron: self.cron,
            litestream: self.supervisor.pid("litestream"),
            nats: self.supervisor.pid("nats"),
            minio: self.supervisor.pid("minio"),
            offsite: self.supervisor.pid("offsite"),
        }
    }

    fn publish_or_tell(&mut self) {
        if let Err(error) = self.publish() {
            let cause = error.source().map_or_else(String::new, |cause| format!(": {cause}"));
            self.progress.note(&format!("{error}{cause}"));
        }
    }

    /// Writes what has changed since the last time: the state last, which tells of readiness.
    fn publish(&mut self) -> Result<(), RunError> {
        let described = self.supervisor.slots().iter().map(|slot| {
            let state = ProcessState {
                restarts: slot.restarts,
                last_end: slot.last_end.clone(),
                ready_at: slot.spec.ready_at.clone(),
            };
            (slot.spec.name.to_owned(), state)
        });
        self.state.processes = described.collect();
        let pids = self.pids();
        if let Some(site) = &mut self.site {
            site.pids = pids;
        }
        let layout = &self.plan.layout;
        if let Some(site) = &self.site
            && records::read(&layout.site_json()).as_ref() != Some(site)
        {
            save(layout.site_json(), site)?;
        }
        if records::read(&layout.state_json()).as_ref() != Some(&self.state) {
            save(layout.state_json(), &self.state)?;
        }
        Ok(())
    }

    fn stop(&mut self) {
        let task = self.progress.task("stopping");
        let began = Instant::now();
        let Self { supervisor, inbox, .. } = self;
        for names in STOP_ORDER {
            let running: Vec<&str> =
                names.iter().copied().filter(|name| supervisor.pid(name).is_some()).collect();
            if !running.is_empty() {
                task.say(&running.join(", "));
            }
            supervisor.stop(names, |pause| matches!(inbox.recv_timeout(pause), Ok(Event::Stop)));
        }
        task.done(&format!("all stopped in {}", since(began)));
        for path in [self.plan.layout.site_json(), self.plan.layout.state_json()] {
            let _absent = fs::remove_file(path);
        }
    }

    fn is_stopped_within(&self, pause: Duration) -> bool {
        matches!(self.inbox.recv_timeout(pause), Ok(Event::Stop))
    }
}

fn since(began: Instant) -> String {
    spoken(began.elapsed())
}
