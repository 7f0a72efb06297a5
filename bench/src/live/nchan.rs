//! nchan: nginx with its module, from Debian's packages.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use stack::TempDir;
use stack::ports::Port;

use super::ground::Ground;
use super::mark::Mark;
use super::post::Poster;
use crate::setup::{Server, cache, finished, unpack};

/// Where Debian's nginx wants to make a directory, whatever it is told.
const STATE: &str = "/var/lib/nginx";

/// nginx and the module.
#[derive(Debug, Clone)]
pub struct Nginx {
    program: PathBuf,
    module: PathBuf,
}

impl Nginx {
    /// Finds or unpacks it.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub fn install() -> Result<Self, String> {
        let root = cache("nchan")?;
        if Self::of(&root).is_none() && Self::of(Path::new("/")).is_none() {
            unpack(&root, &["nginx", "libnginx-mod-nchan"])?;
        }
        let state = std::fs::create_dir_all(STATE);
        state.map_err(|error| format!("nginx needs the directory {STATE}: {error}"))?;
        let found = Self::of(&root).or_else(|| Self::of(Path::new("/")));
        found.ok_or_else(|| "nginx or its module nchan is missing".to_owned())
    }

    fn of(root: &Path) -> Option<Self> {
        let (program, module) = ("usr/sbin/nginx", "usr/lib/nginx/modules/ngx_nchan_module.so");
        let nginx = Self { program: root.join(program), module: root.join(module) };
        (nginx.program.is_file() && nginx.module.is_file()).then_some(nginx)
    }

    /// Its own words.
    pub fn version(&self) -> String {
        finished(Command::new("sh").args(["-c", "\"$0\" -v 2>&1"]).arg(&self.program))
            .unwrap_or_else(|why| why)
    }
}

/// A running one.
pub struct Nchan {
    server: Server,
    port: Port,
    poster: Poster,
    sent: u32,
    _dir: TempDir,
}

impl Nchan {
    /// Starts it with so many workers.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(nginx: &Nginx, workers: usize) -> Result<Self, String> {
        let dir = TempDir::new().map_err(|error| error.to_string())?;
        let port = Port::take().map_err(|error| error.to_string())?;
        let file = dir.path().join("nginx.conf");
        let text = configuration(nginx, dir.path(), &port, workers);
        std::fs::write(&file, text).map_err(|error| error.to_string())?;
        let mut command = Command::new(&nginx.program);
        command.arg("-p").arg(dir.path()).arg("-e").arg(dir.path().join("error.log"));
        command.arg("-c").arg(&file);
        let log = dir.path().join("out.log");
        let mut server = Server::start(&mut command, &log)?;
        server.wait(&log, || Poster::connect(port.address()).is_ok())?;
        let poster = Poster::connect(port.address())?;
        Ok(Self { server, port, poster, sent: 0, _dir: dir })
    }
}

fn configuration(nginx: &Nginx, dir: &Path, port: &Port, workers: usize) -> String {
    let (module, dir, address) = (nginx.module.display(), dir.display(), port.address());
    let temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {dir}/{name};"))
        .join(" ");
    // Else nginx, where it is root, gives its workers to a user who may not
    // read all this.
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    format!(
        "load_module {module}; {user} worker_processes {workers}; worker_rlimit_nofile 20000;
         daemon off; pid {dir}/pid; error_log {dir}/error.log;
         events {{ worker_connections 20000; }}
         http {{
           access_log off; {temp} nchan_shared_memory_size 512M;
           server {{
             listen {address} backlog=4096; keepalive_requests 1000000;
             location = /publish {{
               nchan_publisher; nchan_channel_id $arg_topic;
               nchan_message_buffer_length 128; nchan_message_timeout 1h;
             }}
             location = /events {{
               nchan_subscriber eventsource; nchan_channel_id $arg_a $arg_b $arg_c;
               nchan_subscriber_first_message newest;
             }}
           }}
         }}"
    )
}

impl Ground for Nchan {
    fn address(&self) -> SocketAddr {
        self.port.address()
    }

    fn path(&self, room: usize) -> String {
        format!("/events?a=comments-{room}&b=views-{room}&c=live")
    }

    fn publish(&mut self, room: usize) -> Result<(), String> {
        self.sent += 1;
        let text = Mark::now(self.sent).long_text();
        self.poster.post(&format!("/publish?topic=comments-{room}"), "text/plain", &text)
    }

    fn serving(&self) -> Vec<u32> {
        let mut pids = stack::procfs::children(self.server.pid());
        pids.push(self.server.pid());
        pids
    }

    fn replays(&self) -> bool {
        true
    }
}
