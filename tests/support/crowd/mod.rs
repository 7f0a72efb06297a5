//! Thousands of clients of `/events` on one thread: each is a socket and the
//! begin of what it has not read whole.

mod decoder;
mod socket;

use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use mio::Waker;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

pub use decoder::Block;
use decoder::Decoder;
use socket::connection;
pub use socket::{SOURCES, connection_of, raise_descriptor_limit};

/// Connections that may be opened at once: fewer than the 128 that wait for a
/// server that was told nothing. More would be dropped, and come a second later.
pub const AT_ONCE: usize = 100;
/// The pause after a connection that was refused or cut.
const AGAIN: Duration = Duration::from_millis(250);
const WAKER: Token = Token(usize::MAX);

/// What the clients ask for.
pub struct Plan {
    /// Where they connect: in turn, when one comes back.
    pub targets: Vec<SocketAddr>,
    /// Line and headers of the requests, of which client n has the n-th, and so
    /// on in turn; without the empty line that ends them.
    pub requests: Vec<String>,
    /// The place that all begin at.
    pub last_id: Option<String>,
    /// How many are let in at once.
    pub at_once: usize,
    /// Whether they come back with the place where they were; else one that is
    /// cut off stays away.
    pub returns: bool,
}

/// Who is told what the clients hear.
pub trait Listener {
    /// A client has read an event.
    fn heard(&mut self, client: usize, block: &Block<'_>);
}

/// The clients.
pub struct Crowd<L> {
    plan: Plan,
    poll: Poll,
    clients: Vec<Client>,
    opening: usize,
    open: usize,
    /// Who is to connect, and when.
    due: BTreeSet<(Instant, usize)>,
    buffer: Vec<u8>,
    /// Why the last connection ended that was not to.
    pub complaint: Option<String>,
    /// Connections that ended, without those that were closed here.
    pub ended: usize,
    pub listener: L,
}

#[derive(Default)]
struct Client {
    stream: Option<TcpStream>,
    decoder: Decoder,
    last_id: String,
    retry: Option<u64>,
    /// How often it has connected.
    tries: usize,
    asked: bool,
    begun: bool,
}

impl<L: Listener> Crowd<L> {
    /// Nobody yet.
    ///
    /// # Errors
    /// When the system gives no poll.
    pub fn new(plan: Plan, listener: L) -> io::Result<Self> {
        Ok(Self {
            plan,
            poll: Poll::new()?,
            clients: Vec::new(),
            opening: 0,
            open: 0,
            due: BTreeSet::new(),
            buffer: vec![0; 64 * 1024],
            complaint: None,
            ended: 0,
            listener,
        })
    }

    /// Ends a [`Crowd::turn`] that waits.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn waker(&self) -> io::Result<Arc<Waker>> {
        Waker::new(self.poll.registry(), WAKER).map(Arc::new)
    }

    /// Lets so many more come.
    pub fn enter(&mut self, count: usize) {
        let (first, now) = (self.clients.len(), Instant::now());
        for number in first..first + count {
            let last_id = self.plan.last_id.clone().unwrap_or_default();
            self.clients.push(Client { last_id, ..Client::default() });
            self.due.insert((now, number));
        }
    }

    /// How many have begun to hear.
    pub fn open(&self) -> usize {
        self.open
    }

    /// How many there are, connected or not.
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Where those who come or come back connect from now on.
    pub fn aim(&mut self, targets: Vec<SocketAddr>) {
        self.plan.targets = targets;
    }

    /// Closes all and forgets them.
    pub fn leave(&mut self) {
        self.clients.clear();
        self.due.clear();
        (self.opening, self.open) = (0, 0);
    }

    /// Does what there is to do, or waits for it for so long.
    ///
    /// # Errors
    /// When the poll fails.
    pub fn turn(&mut self, wait: Duration) -> io::Result<()> {
        let next = self.connect_those_due();
        let wait = next.map_or(wait, |next| wait.min(next));
        let mut events = Events::with_capacity(1024);
        match self.poll.poll(&mut events, Some(wait)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in events.iter().filter(|event| event.token() != WAKER) {
            let client = event.token().0;
            if event.is_writable()
                && let Err(error) = self.ask(client)
            {
                self.cut(client, error.to_string());
            } else if event.is_readable()
                && let Err(why) = self.read(client)
            {
                self.cut(client, why);
            }
        }
        Ok(())
    }

    /// Connects who may, and gives the time to the next one.
    fn connect_those_due(&mut self) -> Option<Duration> {
        let now = Instant::now();
        while self.opening < self.plan.at_once {
            let (at, client) = *self.due.first()?;
            if at > now {
                return Some(at - now);
            }
            self.due.pop_first();
            self.opening += 1;
            if let Err(error) = self.connect(client) {
                self.cut(client, error.to_string());
            }
        }
        None
    }

    fn connect(&mut self, number: usize) -> io::Result<()> {
        let client = &mut self.clients[number];
        let target = self.plan.targets[(number + client.tries) % self.plan.targets.len()];
        client.tries += 1;
        let mut stream = connection(number, target)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(number), interest)?;
        client.stream = Some(stream);
        Ok(())
    }

    /// Sends the request once the connection is there.
    fn ask(&mut self, number: usize) -> io::Result<()> {
        let Some(client) = self.clients.get_mut(number).filter(|client| !client.asked) else {
            return Ok(());
        };
        let Some(stream) = &mut client.stream else {
            return Ok(());
        };
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
        let request = &self.plan.requests[number % self.plan.requests.len()];
        let place = match client.last_id.as_str() {
            "" => String::new(),
            id => format!("last-event-id: {id}\r\n"),
        };
        stream.write_all(format!("{request}\r\n{place}\r\n").as_bytes())?;
        client.asked = true;
        self.poll.registry().reregister(stream, Token(number), Interest::READABLE)
    }

    fn read(&mut self, number: usize) -> Result<(), String> {
        loop {
            let Some(client) = self.clients.get_mut(number) else { return Ok(()) };
            let Some(stream) = &mut client.stream else { return Ok(()) };
            let count = match stream.read(&mut self.buffer) {
                Ok(0) => return Err("the server has closed it".to_owned()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.to_string()),
            };
            let Client { decoder, last_id, retry, .. } = client;
            let (listener, returns) = (&mut self.listener, self.plan.returns);
            decoder.feed(&self.buffer[..count], &mut |block| {
                if let Some(id) = block.id.filter(|_| returns) {
                    id.clone_into(last_id);
                }
                *retry = block.retry.or(*retry);
                listener.heard(number, &block);
            })?;
            if decoder.has_begun() && !client.begun {
                client.begun = true;
                self.opening -= 1;
                self.open += 1;
            }
            // Less than there was room for is all that there was.
            if count < self.buffer.len() {
                return Ok(());
            }
        }
    }

    /// A connection is over.
    fn cut(&mut self, number: usize, why: String) {
        let Some(client) = self.clients.get_mut(number) else { return };
        if client.begun {
            self.open -= 1;
        } else {
            self.opening -= 1;
        }
        self.ended += 1;
        self.complaint = Some(why);
        let pause = client.retry.take().map_or(AGAIN, Duration::from_millis);
        let (last_id, tries) = (std::mem::take(&mut client.last_id), client.tries);
        *client = Client { last_id, tries, ..Client::default() };
        if self.plan.returns {
            self.due.insert((Instant::now() + pause, number));
        }
    }
}
