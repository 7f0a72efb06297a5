//! Pushpin, from Debian's packages, before an origin that tells it to hold.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use stack::TempDir;
use stack::ports::Port;

use super::ground::Ground;
use super::mark::Mark;
use super::post::Poster;
use super::stock::Stock;
use crate::setup::{Server, cache, finished, libraries, unpack};

/// It takes clients well so long after its first answer.
const SETTLED: Duration = Duration::from_secs(3);

/// Pushpin's programs and files.
#[derive(Debug, Clone)]
pub struct Programs {
    root: PathBuf,
}

impl Programs {
    /// Unpacks them.
    ///
    /// # Errors
    /// Why they cannot be had.
    pub fn install() -> Result<Self, String> {
        let programs = Self { root: cache("pushpin")? };
        if programs.version().is_err() {
            unpack(&programs.root, &["pushpin"])?;
            programs.version()?;
        }
        Ok(programs)
    }

    fn command(&self, name: &str) -> Command {
        let bin = self.root.join("usr/bin");
        let mut command = Command::new(bin.join(name));
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", bin.display()));
        command.env("LD_LIBRARY_PATH", libraries(&self.root));
        command
    }

    /// Its own words about its version.
    ///
    /// # Errors
    /// When it does not run.
    pub fn version(&self) -> Result<String, String> {
        finished(self.command("pushpin").arg("--version"))
    }
}

/// A running one.
pub struct Pushpin {
    server: Server,
    port: Port,
    control: Port,
    sent: u32,
    _origin: Stock,
    _dir: TempDir,
}

impl Pushpin {
    /// Starts it and its origin.
    ///
    /// # Errors
    /// When one does not start.
    pub fn start(programs: &Programs) -> Result<Self, String> {
        let dir = TempDir::new().map_err(|error| error.to_string())?;
        let port = || Port::take().map_err(|error| error.to_string());
        let (port, control) = (port()?, port()?);
        let origin = Stock::start()?;
        let file = write(programs, dir.path(), [&port, &control], origin.address())?;
        let mut command = programs.command("pushpin");
        command.arg(format!("--config={}", file.display()));
        let log = dir.path().join("out.log");
        let mut server = Server::start(&mut command, &log)?;
        let control_listens = || Poster::connect(control.address()).is_ok();
        server.wait(&log, || control_listens() && holds(port.address()).unwrap_or(false))?;
        // Its processes know each other only then: what comes at once is cut off.
        std::thread::sleep(SETTLED);
        Ok(Self { server, port, control, sent: 0, _origin: origin, _dir: dir })
    }
}

/// Whether it reaches its origin: its processes find each other a while after
/// they listen.
fn holds(address: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(b"GET /hold?topic=ready HTTP/1.1\r\nhost: bench\r\n\r\n")?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    Ok(status.ends_with(b" 200"))
}

/// Writes its files, and gives the one that it is started with.
fn write(
    programs: &Programs,
    dir: &Path,
    [port, control]: [&Port; 2],
    origin: SocketAddr,
) -> Result<PathBuf, String> {
    let write = || {
        let (library, runner) = (dir.join("lib"), dir.join("lib/runner"));
        fs::create_dir_all(&runner)?;
        for name in ["run", "log"] {
            fs::create_dir_all(dir.join(name))?;
        }
        let from = programs.root.join("usr/lib/pushpin");
        // Debian's zurl is a service of its own; here it is Pushpin's.
        let internal = fs::read_to_string(from.join("internal.conf"))?;
        let internal = internal.replace("ipc:///var/run/zurl/", "ipc://{rundir}/{ipc_prefix}");
        fs::write(library.join("internal.conf"), internal)?;
        // It refuses to ask servers of this machine.
        let zurl = fs::read_to_string(from.join("runner/zurl.conf.template"))?;
        let lines = zurl.lines().map(|line| if line.starts_with("deny=") { "deny=" } else { line });
        fs::write(runner.join("zurl.conf.template"), lines.collect::<Vec<_>>().join("\n"))?;
        fs::write(dir.join("routes"), format!("* {origin}\n"))?;
        let file = dir.join("pushpin.conf");
        fs::write(&file, configuration(programs, dir, port, control))?;
        Ok(file)
    };
    write().map_err(|error: std::io::Error| format!("Pushpin's files: {error}"))
}

fn configuration(programs: &Programs, dir: &Path, port: &Port, control: &Port) -> String {
    let (bin, dir) = (programs.root.join("usr/bin"), dir.display());
    let (bin, address, control) = (bin.display(), port.address(), control.number());
    format!(
        "[global]\ninclude={{libdir}}/internal.conf\nlibdir={dir}/lib\nrundir={dir}/run\n\
         ipc_prefix=p-\nport_offset=0\n\
         [runner]\nservices=condure,zurl,pushpin-proxy,pushpin-handler\nhttp_port={address}\n\
         logdir={dir}/log\nlog_level=1\nclient_buffer_size=8192\nclient_maxconn=19500\n\
         condure_bin={bin}/condure\nzurl_bin={bin}/zurl\n\
         [proxy]\nroutesfile={dir}/routes\n\
         [handler]\npush_in_spec=ipc://{{rundir}}/{{ipc_prefix}}push\n\
         push_in_http_addr=127.0.0.1\npush_in_http_port={control}\n\
         stats_spec=ipc://{{rundir}}/{{ipc_prefix}}stats\n\
         command_spec=ipc://{{rundir}}/{{ipc_prefix}}command\n\
         message_rate=1000000\nmessage_hwm=1000000\nconnection_subscription_max=20\n"
    )
}

impl Ground for Pushpin {
    fn address(&self) -> SocketAddr {
        self.port.address()
    }

    fn path(&self, room: usize) -> String {
        format!("/hold?topic=comments-{room}&topic=views-{room}&topic=live")
    }

    fn publish(&mut self, room: usize) -> Result<(), String> {
        self.sent += 1;
        let content = format!("data: {}\n\n", Mark::now(self.sent).long_text());
        let item = json!({
            "channel": format!("comments-{room}"),
            "formats": {"http-stream": {"content": content}},
        });
        // It closes the connection after each.
        let mut poster = Poster::connect(self.control.address())?;
        poster.post("/publish/", "application/json", &json!({"items": [item]}).to_string())
    }

    fn serving(&self) -> Vec<u32> {
        let mut pids = stack::procfs::children(self.server.pid());
        pids.push(self.server.pid());
        pids
    }

    fn replays(&self) -> bool {
        false
    }

    /// More at once than about 200 are answered 502: so many it asks its origin
    /// about.
    fn at_once(&self) -> usize {
        64
    }
}
