//! How each server is started on this machine.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::environment::{self, Variables};
use crate::place::{self, Layout};
use crate::process::Spec;
use crate::records::ReadyAt;

const GRACE: Duration = Duration::from_secs(15);

/// Names another configuration of NATS than the site's own. For tests.
pub const NATS_CONF: &str = "HEARTH_NATS_CONF";

/// Whether JetStream serves. The full check takes a file for an account that NATS makes and
/// removes at each start, and that a power cut can bring back: it would never say yes again.
const NATS_HEALTH: &str = "/healthz?js-enabled-only=true";

/// NATS with `deploy/nats.conf`, its monitoring port beside it.
pub fn nats(program: &Path, layout: &Layout, client: SocketAddr, monitor: SocketAddr) -> Spec {
    let other = environment::caller(NATS_CONF).map(PathBuf::from);
    let config = other.unwrap_or_else(|| place::root().join("deploy/nats.conf"));
    let arguments = [
        ["-c", &config.display().to_string()],
        ["-a", &client.ip().to_string()],
        ["-p", &client.port().to_string()],
        ["-m", &monitor.port().to_string()],
        ["-sd", &layout.store("nats").display().to_string()],
    ];
    Spec {
        name: "nats",
        program: program.to_owned(),
        arguments: arguments.as_flattened().iter().map(|word| (*word).to_owned()).collect(),
        variables: Variables::new(),
        log: layout.log("nats"),
        ready_at: Some(ReadyAt { address: monitor, path: NATS_HEALTH.into() }),
        grace: GRACE,
    }
}

/// MinIO on one directory; `name` is `minio`, or `offsite` for the second one.
pub fn minio(
    program: &Path,
    layout: &Layout,
    name: &'static str,
    address: SocketAddr,
    credentials: (&str, &str),
) -> Spec {
    let store = layout.store(name).display().to_string();
    let address_word = address.to_string();
    let arguments = ["server", "--quiet", "--address", &address_word, &store];
    let variables = [
        ("MINIO_ROOT_USER", credentials.0),
        ("MINIO_ROOT_PASSWORD", credentials.1),
        ("MINIO_BROWSER", "off"),
        ("MINIO_UPDATE", "off"),
    ];
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Spec {
        name,
        program: program.to_owned(),
        arguments: arguments.map(str::to_owned).to_vec(),
        variables: variables.into_iter().map(owned).collect(),
        log: layout.log(name),
        ready_at: Some(ReadyAt { address, path: "/minio/health/live".into() }),
        grace: GRACE,
    }
}
