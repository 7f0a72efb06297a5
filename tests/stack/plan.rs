//! Everything one stack runs: its addresses, its environment and its processes.

use std::env;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::environment::{self, Addresses, Variables};
use crate::install::Servers;
use crate::place::{self, Layout};
use crate::ports::{Port, local};
use crate::process::Spec;
use crate::records::{Ops, Pids, ReadyAt, Secrets, SiteJson, Store};
use crate::servers;

/// What a stack runs, decided before anything is started.
#[derive(Debug)]
pub struct Plan {
    /// Where it is.
    pub layout: Layout,
    /// Its credentials.
    pub secrets: Secrets,
    /// What the binaries of the site get.
    pub variables: Variables,
    /// Its processes, in the order of their start.
    pub specs: Vec<Spec>,
    /// `cron prepare`: runs once, when the servers are ready and before the rest.
    pub prepare: Spec,
    /// The site's address.
    pub web: SocketAddr,
    addresses: Addresses,
    _ports: Vec<Port>,
}

/// The servers, which everything else needs.
pub const SERVERS: [&str; 3] = ["nats", "minio", "offsite"];
/// The order in which a stack is stopped; the names of one row stop together.
pub const STOP_ORDER: [&[&str]; 4] =
    [&["web"], &["worker"], &["litestream"], &["minio", "offsite", "nats"]];

impl Plan {
    /// Takes ports and puts the processes together. `web_port` 0 takes any free one.
    ///
    /// # Errors
    /// When no port is free or the program's own directory cannot be told.
    pub fn new(
        layout: Layout,
        servers: &Servers,
        secrets: Secrets,
        web_port: u16,
    ) -> io::Result<Self> {
        let mut ports = (0..9).map(|_| Port::take()).collect::<io::Result<Vec<Port>>>()?;
        let addresses = addresses(&ports, web_port);
        if web_port != 0 {
            ports.remove(0);
        }
        let mut variables =
            environment::compose(&layout, &addresses, &secrets, environment::caller);
        variables.insert("PATH".into(), path_with(servers)?);
        let make = Make { layout: &layout, addresses: &addresses, variables: &variables };
        let mut specs = make.servers(servers, &secrets);
        specs.extend(make.site(servers)?);
        let prepare = make.binary("prepare", "cron", &["prepare"], None)?;
        let web = addresses.web;
        Ok(Self { layout, secrets, variables, specs, prepare, web, addresses, _ports: ports })
    }

    /// The record that tells others how to reach the stack.
    pub fn site_json(&self, signin_link: String, pids: Pids) -> SiteJson {
        let address = |address: SocketAddr| format!("http://{address}");
        let store = |at: SocketAddr, key: &str, secret: &str| Store {
            endpoint: address(at),
            region: environment::REGION.into(),
            access_key_id: key.into(),
            secret_access_key: secret.into(),
        };
        SiteJson {
            url: address(self.web),
            ops: Ops {
                web: address(self.addresses.web_ops),
                worker: address(self.addresses.worker_ops),
                cron: address(self.addresses.cron_ops),
            },
            nats_url: format!("nats://{}", self.addresses.nats),
            s3: store(self.addresses.minio, environment::ACCESS_KEY, &self.secrets.minio),
            offsite: store(
                self.addresses.offsite,
                environment::OFFSITE_ACCESS_KEY,
                &self.secrets.offsite,
            ),
            data_dir: self.layout.data(),
            admin_token: self.secrets.admin_token.clone().unwrap_or_default(),
            signin_link,
            mail_dir: self.layout.mail(),
            pids,
        }
    }
}

fn addresses(ports: &[Port], web_port: u16) -> Addresses {
    Addresses {
        web: if web_port == 0 { ports[0].address() } else { local(web_port) },
        web_ops: ports[1].address(),
        worker_ops: ports[2].address(),
        cron_ops: ports[3].address(),
        nats: ports[4].address(),
        nats_monitor: ports[5].address(),
        minio: ports[6].address(),
        offsite: ports[7].address(),
        litestream: ports[8].address(),
    }
}

/// The binaries find each other, and `litestream`, through the PATH.
fn path_with(servers: &Servers) -> io::Result<String> {
    let mut dirs: Vec<PathBuf> = vec![place::release_dir()?];
    dirs.extend(servers.litestream.parent().map(PathBuf::from));
    dirs.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let path = env::join_paths(dirs).map_err(io::Error::other)?;
    Ok(path.to_string_lossy().into_owned())
}

struct Make<'a> {
    layout: &'a Layout,
    addresses: &'a Addresses,
    variables: &'a Variables,
}

impl Make<'_> {
    fn servers(&self, servers: &Servers, secrets: &Secrets) -> Vec<Spec> {
        let to = self.addresses;
        let own = (environment::ACCESS_KEY, secrets.minio.as_str());
        let offsite = (environment::OFFSITE_ACCESS_KEY, secrets.offsite.as_str());
        let specs = [
            servers::nats(&servers.nats, self.layout, to.nats, to.nats_monitor),
            servers::minio(&servers.minio, self.layout, "minio", to.minio, own),
            servers::minio(&servers.minio, self.layout, "offsite", to.offsite, offsite),
        ];
        specs.into_iter().map(|spec| self.marked(spec)).collect()
    }

    fn site(&self, servers: &Servers) -> io::Result<[Spec; 3]> {
        let config = place::root().join("litestream.yml").display().to_string();
        let litestream = ["replicate", "-config", &config];
        let mut cron =
            self.binary("litestream", "cron", &litestream, Some(self.addresses.cron_ops))?;
        cron.program.clone_from(&servers.litestream);
        cron.grace = Duration::from_secs(60);
        let worker = self.binary("worker", "worker", &["run"], Some(self.addresses.worker_ops))?;
        let web = self.binary("web", "web", &["serve"], Some(self.addresses.web_ops))?;
        Ok([cron, worker, web])
    }

    fn binary(
        &self,
        name: &'static str,
        program: &str,
        arguments: &[&str],
        ops: Option<SocketAddr>,
    ) -> io::Result<Spec> {
        let mut variables = self.variables.clone();
        if let Some(ops) = ops {
            variables.insert("SITE_OPS_ADDR".into(), ops.to_string());
        }
        Ok(self.marked(Spec {
            name,
            program: place::release_dir()?.join(program),
            arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
            variables,
            log: self.layout.log(name),
            ready_at: ops.map(|address| ReadyAt { address, path: "/readyz".into() }),
            grace: Duration::from_secs(30),
        }))
    }

    fn marked(&self, mut spec: Spec) -> Spec {
        let stack = self.layout.dir().display().to_string();
        spec.variables.insert(environment::STACK_MARK.into(), stack);
        spec.variables.insert(environment::PROCESS_MARK.into(), spec.name.into());
        spec
    }
}
