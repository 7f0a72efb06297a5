//! One connection: hyper's until it asks for events, the hub's from then on.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::net::sockopt;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

use super::Server;
use super::answers::{Answers, Taken};
use super::flushed::Socket;
use crate::hub::{Arrival, JUNK};

/// How long a client may take for the head of a request, and keep a connection
/// without one.
const HEAD: Duration = Duration::from_secs(20);
/// How long a connection may hold a turn: who is slow is not to hold up others.
const TURN: Duration = Duration::from_millis(100);
/// Bytes of a request's head at most, and of what waits to be sent.
const BUFFER: usize = 64 * 1024;
/// Bytes of events that the system keeps for a client that watches; as much
/// again is for its own accounts.
const SEND_BUFFER: usize = 64 * 1024;

/// Serves a connection up to its end.
pub(super) async fn serve(server: Arc<Server>, stream: TcpStream, peer: SocketAddr) {
    let Some(turn) = admitted(&server, &stream).await else {
        return;
    };
    let (socket, flushed) = Socket::new(stream);
    let answers = Answers {
        router: server.router.clone(),
        peer,
        flushed,
        turn: Arc::new(Mutex::new(Some(turn))),
        taken: Arc::default(),
    };
    let taken = Arc::clone(&answers.taken);
    // What only a conversation needs is not kept by those who wait for it.
    let (socket, read) = Box::pin(converse(&server, socket, answers)).await;
    let taken = taken.lock().unwrap_or_else(PoisonError::into_inner).take();
    match taken {
        Some(taken) => hand_over(&server, socket, taken, read).await,
        // The client may be gone already.
        None => drop(socket.shutdown().await),
    }
}

/// A turn for who has something to say. Who says nothing is given nothing, no
/// buffers and no turn, and is not waited for at a shutdown.
async fn admitted(server: &Server, stream: &TcpStream) -> Option<OwnedSemaphorePermit> {
    let spoken = tokio::select! {
        spoken = tokio::time::timeout(HEAD, stream.readable()) => spoken,
        () = server.shutdown.cancelled() => return None,
    };
    spoken.ok()?.ok()?;
    Arc::clone(&server.turns).acquire_owned().await.ok()
}

/// Answers requests; gives back the socket, and how much of it was read and
/// not used.
async fn converse(server: &Server, socket: Socket, answers: Answers) -> (Stream, usize) {
    let turn = Arc::clone(&answers.turn);
    let mut patience = std::pin::pin!(tokio::time::sleep(TURN));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(socket), answers);
    let (mut stopping, mut over) = (false, false);
    loop {
        tokio::select! {
            ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => {
                if let Err(error) = ended {
                    tracing::trace!(%error, "a connection ended");
                }
                break;
            }
            () = &mut patience, if !over => {
                over = true;
                turn.lock().unwrap_or_else(PoisonError::into_inner).take();
            }
            () = server.shutdown.cancelled(), if !stopping => {
                stopping = true;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
            }
        }
    }
    let parts = connection.into_parts();
    (Stream(parts.io.into_inner().stream), parts.read_buf.len())
}

/// The bare socket.
struct Stream(TcpStream);

impl Stream {
    async fn shutdown(mut self) -> io::Result<()> {
        self.0.shutdown().await
    }
}

/// An event is not to wait for the acknowledgement of the one before, and who
/// reads too slowly is not to have megabytes of the system's memory.
fn prepare(stream: TcpStream) -> io::Result<std::net::TcpStream> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_send_buffer_size(&stream, SEND_BUFFER)?;
    stream.into_std()
}

async fn hand_over(server: &Server, stream: Stream, taken: Taken, junk: usize) {
    let Taken { head, framing, watch } = taken;
    let Some(junk) = u32::try_from(junk).ok().filter(|junk| *junk <= JUNK) else {
        return;
    };
    match prepare(stream.0) {
        Ok(socket) => {
            server.hub.attach(Arrival { socket, head, framing, junk, watch }).await;
        }
        Err(error) => tracing::debug!(%error, "a client left before it was watched"),
    }
}
