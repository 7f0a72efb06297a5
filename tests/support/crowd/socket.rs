//! Sockets with addresses of their own, so that ports do not run out.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;

use mio::net::TcpStream;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Addresses that the clients come from: each has 28,000 ports.
pub const SOURCES: usize = 50;

/// A connection under way.
pub(super) fn connection(client: usize, target: SocketAddr) -> io::Result<TcpStream> {
    let socket = socket_of(client, SocketFlags::NONBLOCK)?;
    match connect(&socket, &target) {
        Ok(()) | Err(Errno::INPROGRESS) => {
            Ok(TcpStream::from_std(std::net::TcpStream::from(socket)))
        }
        Err(error) => Err(error.into()),
    }
}

/// A usual connection from the address of a client.
///
/// # Errors
/// When nobody listens.
pub fn connection_of(client: usize, target: SocketAddr) -> io::Result<std::net::TcpStream> {
    let socket = socket_of(client, SocketFlags::empty())?;
    connect(&socket, &target)?;
    Ok(std::net::TcpStream::from(socket))
}

/// A socket with an address that few other clients have.
fn socket_of(client: usize, flags: SocketFlags) -> io::Result<OwnedFd> {
    let flags = flags | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    let last = u8::try_from(client % SOURCES + 2).expect("there are fewer sources");
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, last), 0))?;
    Ok(socket)
}

/// Lets this process have as many descriptors as the system allows, and gives
/// their number.
pub fn raise_descriptor_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let now =
        if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    now.and_then(|now| usize::try_from(now).ok()).unwrap_or(usize::MAX)
}
