//! Free ports on 127.0.0.1, and who holds one that is not.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::place;
use crate::procfs;

/// Below the range that Linux gives to outgoing connections: a server that is started
/// again never finds its port taken by a client.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port on 127.0.0.1 that no other stack of this user takes while this value lives.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _lock: File,
}

impl Port {
    /// Takes a free port.
    ///
    /// # Errors
    /// When the cache directory cannot be written, or no port is free.
    pub fn take() -> io::Result<Self> {
        let dir = place::cache_dir().join("ports");
        fs::create_dir_all(&dir)?;
        let start = scatter();
        (0..COUNT)
            .map(|step| FIRST + (start.wrapping_add(u32::from(step)) % u32::from(COUNT)) as u16)
            .find_map(|number| take_exactly(&dir, number))
            .ok_or_else(|| io::Error::new(io::ErrorKind::AddrInUse, "no port is free"))
    }

    /// The number of the port.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// The port on 127.0.0.1.
    pub fn address(&self) -> SocketAddr {
        local(self.number)
    }
}

/// An address on 127.0.0.1.
pub fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Whether a server could listen on this port of 127.0.0.1 now.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind(local(port)).is_ok()
}

/// The process that listens on a port, as `name (pid 123)`, where it can be told.
pub fn holder(port: u16) -> Option<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let inode = tables.iter().find_map(|table| {
        let text = fs::read_to_string(table).ok()?;
        text.lines().find_map(|line| listening_inode(line, port)).map(str::to_owned)
    })?;
    let socket = format!("socket:[{inode}]");
    let pid = procfs::pids().into_iter().find(|pid| procfs::holds_file(*pid, &socket))?;
    Some(format!("{} (pid {pid})", procfs::name(pid).unwrap_or_default()))
}

fn take_exactly(dir: &Path, number: u16) -> Option<Port> {
    let lock = File::create(dir.join(number.to_string())).ok()?;
    lock.try_lock().ok()?;
    is_free(number).then_some(Port { number, _lock: lock })
}

fn scatter() -> u32 {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.subsec_nanos());
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    (now ^ std::process::id().rotate_left(16)).wrapping_add(call.wrapping_mul(2_654_435_761))
}

fn listening_inode(line: &str, port: u16) -> Option<&str> {
    let mut words = line.split_whitespace();
    let local = words.nth(1)?;
    let state = words.nth(1)?;
    let matches = local.ends_with(&format!(":{port:04X}")) && state == "0A";
    if matches { words.nth(5) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_taken_at_once_differ_and_are_free() {
        let ports: Vec<Port> = (0..20).map(|_| Port::take().unwrap()).collect();
        let mut numbers: Vec<u16> = ports.iter().map(Port::number).collect();
        assert!(numbers.iter().all(|number| is_free(*number)));
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 20);
    }

    #[test]
    fn the_holder_of_a_port_is_named() {
        let listener = TcpListener::bind(local(0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(!is_free(port));
        let holder = holder(port).unwrap();
        assert!(holder.ends_with(&format!("(pid {})", std::process::id())), "{holder}");
    }

    #[test]
    fn only_a_listening_socket_counts() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0        0 777 1 x 100 0 0 10 0";
        assert_eq!(listening_inode(line, 8080), Some("777"));
        assert_eq!(listening_inode(line, 8081), None);
        assert_eq!(listening_inode(&line.replace(" 0A ", " 01 "), 8080), None);
    }
}
