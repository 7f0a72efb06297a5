//! The thread that owns the sockets of all who watch.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mio::event::Event;
use mio::{Events, Interest, Poll, Token, Waker};
use shared::bus::Bus;
use shared::bus::replay::Stored;
use shared::shutdown::Shutdown;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::engine::{Engine, Newcomer};
use super::frame::Framing;
use super::meters::Meters;
use super::replay::Answer;
use super::{Counted, Mode, Watch, replay};

/// Commands that wait at most; who sends more waits.
const QUEUE: usize = 1024;
/// The pause of a client before it reconnects, in milliseconds.
const RETRY: u128 = 1000;
/// How often heartbeats are looked after.
const TICK: u64 = 500;
/// Bytes that a client may send on a stream of events; none are expected.
pub const JUNK: u32 = 16 * 1024;
const WAKE: Token = Token(usize::MAX - 1);

/// What the reactor is told.
pub(super) enum Command {
    /// A life of the stream: its epoch, the place that `events` begin after,
    /// and the newest place.
    Begin { epoch: Arc<str>, places: (u64, u64), events: Vec<Stored> },
    /// The next event.
    Take(Stored),
    /// A socket that was taken over.
    Connect(Box<Arrival>),
    /// What the stream said to connection and ticket.
    Answered(u32, u32, Answer),
    /// The process ends; clients come back within this time. The token is cancelled
    /// when all were told.
    Stop(Duration, Shutdown),
}

/// A socket with a request for events that was not answered yet.
pub struct Arrival {
    /// The socket, which does not block.
    pub socket: TcpStream,
    /// The head of the answer.
    pub head: Bytes,
    /// How what follows is sent.
    pub framing: Framing,
    /// Bytes that came after the request.
    pub junk: u32,
    /// What is asked for.
    pub watch: Watch,
}

/// How others speak to the reactor.
#[derive(Clone)]
pub(super) struct Link {
    queue: mpsc::Sender<Command>,
    waker: Arc<Waker>,
}

impl Link {
    /// Sends a command; waits while there are too many. After the thread's end
    /// nobody is there to be told anything.
    pub(super) async fn send(&self, command: Command) {
        if self.queue.send(command).await.is_ok()
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(%error, "the live hub cannot be woken");
        }
    }
}

/// Starts the thread.
///
/// # Errors
/// When the system gives no thread or no poll.
pub(super) fn start(bus: Bus, meters: Meters) -> io::Result<Link> {
    let poll = Poll::new()?;
    let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
    let (queue, commands) = mpsc::channel(QUEUE);
    let link = Link { queue, waker };
    let reactor = Reactor {
        poll,
        engine: Engine::new(),
        commands,
        link: link.clone(),
        bus,
        meters,
        runtime: Handle::current(),
        began: Instant::now(),
        stopping: None,
    };
    std::thread::Builder::new().name("live".to_owned()).spawn(move || reactor.run())?;
    Ok(link)
}

/// A socket, and what is counted while it is open.
struct Socket {
    stream: mio::net::TcpStream,
    junk: u32,
    _counted: Counted,
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Socket {
    /// Reads what a client sends, and throws it away; false when the client
    /// has left, or sends too much.
    fn is_there(&mut self) -> bool {
        let mut bytes = [0; 1024];
        while self.junk <= JUNK {
            match self.stream.read(&mut bytes) {
                Ok(0) => return false,
                Ok(some) => self.junk += u32::try_from(some).expect("a buffer is small"),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
        false
    }
}

struct Reactor {
    poll: Poll,
    engine: Engine<Socket>,
    commands: mpsc::Receiver<Command>,
    link: Link,
    bus: Bus,
    meters: Meters,
    runtime: Handle,
    began: Instant,
    /// Set when the process ends: within what time clients come back.
    stopping: Option<Duration>,
}

impl Reactor {
    fn run(mut self) {
        let mut events = Events::with_capacity(1024);
        loop {
            match self.poll.poll(&mut events, self.timeout()) {
                Err(error) if error.kind() != ErrorKind::Interrupted => {
                    tracing::error!(%error, "the live hub cannot wait for its sockets");
                    return;
                }
                _ => {}
            }
            events.iter().for_each(|event| self.happened(event));
            self.obey();
            let now = self.now();
            self.engine.flush(now);
            self.engine.beat(now);
            self.ask();
            self.meters.show(self.engine.counts(), self.engine.tally());
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// How long nothing needs to be done.
    fn timeout(&self) -> Option<Duration> {
        if !self.commands.is_empty() {
            return Some(Duration::ZERO);
        }
        let (connections, _) = self.engine.counts();
        let tick = (connections > 0).then(|| self.now() + TICK);
        let next = tick.into_iter().chain(self.engine.next_due()).min();
        next.map(|next| Duration::from_millis(next.saturating_sub(self.now()).max(1)))
    }

    fn happened(&mut self, event: &Event) {
        let Token(conn) = event.token();
        let heard = event.is_readable() || event.is_error() || event.is_read_closed();
        if heard
            && let Some(socket) = self.engine.sink(conn)
            && !socket.is_there()
        {
            self.engine.close(conn);
        }
        if event.is_writable() {
            self.engine.writable(conn);
        }
    }

    /// Does what it is told, and not for ever.
    fn obey(&mut self) {
        for _ in 0..QUEUE {
            match self.commands.try_recv() {
                Ok(Command::Begin { epoch, places, events }) => {
                    self.engine.begin(&epoch, places, &events);
                }
                Ok(Command::Take(event)) => self.engine.take(&event),
                Ok(Command::Connect(arrival)) => self.connect(*arrival),
                Ok(Command::Answered(conn, ticket, answer)) => {
                    self.engine.answered(conn, ticket, &answer);
                }
                Ok(Command::Stop(spread, told)) => {
                    self.stop(spread);
                    told.cancel();
                }
                Err(_) => return,
            }
        }
    }

    fn connect(&mut self, arrival: Arrival) {
        let Arrival { socket, head, framing, junk, watch } = arrival;
        let mut stream = mio::net::TcpStream::from_std(socket);
        let (token, both) =
            (Token(self.engine.next_conn()), Interest::READABLE | Interest::WRITABLE);
        if let Err(error) = self.poll.registry().register(&mut stream, token, both) {
            tracing::warn!(%error, "a client cannot be watched");
            return;
        }
        let Watch { topics, resume, known_at, mode, counted } = watch;
        let until = match mode {
            Mode::Poll(wait) => Some(self.now() + u64::try_from(wait.as_millis()).unwrap_or(0)),
            Mode::Stream | Mode::Greeted => None,
        };
        let greeted = mode == Mode::Greeted;
        let sink = Socket { stream, junk, _counted: counted };
        let (topics, resume) = (&topics[..], &resume);
        let newcomer = Newcomer {
            sink,
            framing,
            head,
            topics,
            resume,
            known_at,
            retry: RETRY,
            greeted,
            until,
        };
        self.engine.connect(newcomer);
        if let Some(spread) = self.stopping {
            self.stop(spread);
        }
    }

    /// Ends all connections. Each client is given a pause of its own, so that
    /// they do not all come back at once.
    fn stop(&mut self, spread: Duration) {
        self.stopping = Some(spread);
        self.engine.stop(|| RETRY + random_part(spread).as_millis());
    }

    fn ask(&mut self) {
        while let Some(ask) = self.engine.next_ask() {
            let (bus, link) = (self.bus.clone(), self.link.clone());
            self.runtime.spawn(async move {
                let answer = replay::answer(&bus, &ask).await;
                link.send(Command::Answered(ask.conn, ask.ticket, answer)).await;
            });
        }
    }
}

/// A random part of a time. Without randomness the clients only come back
/// closer together.
pub(crate) fn random_part(whole: Duration) -> Duration {
    let mut random = [0; 2];
    let _ = getrandom::fill(&mut random);
    whole.mul_f64(f64::from(u16::from_ne_bytes(random)) / f64::from(u16::MAX))
}
