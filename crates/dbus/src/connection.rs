//! One socket, from its opening to the answers that come over it.

use crate::address::Address;
use crate::error::{Error, Result};
use crate::message::{self, Kind, Message};
use crate::value::Value;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// Who we are is what the kernel says of the socket's peer (SO_PEERCRED): to name a user id would be wrong in a user
/// namespace, where we do not know the one that the other end sees.
const HELLO: &[u8] = b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";

/// The longest that the other end may say before it lets us in.
const LONGEST_GREETING: usize = 4096;

/// How many signals may wait to be asked for.
const MOST_SIGNALS: usize = 4096;

/// The pause before a socket with a full queue is tried again.
const PAUSE: Duration = Duration::from_millis(5);

/// A method call.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// The name of whom we call, on a bus.
    pub destination: &'a str,
    /// The object.
    pub path: &'a str,
    /// The interface.
    pub interface: &'a str,
    /// The method.
    pub member: &'a str,
    /// Its arguments.
    pub body: Vec<Value>,
}

/// A blocking connection.
#[derive(Debug)]
pub struct Connection {
    socket: OwnedFd,
    /// Nobody is between us and whom we talk to.
    peer: bool,
    serial: u32,
    input: Vec<u8>,
    watched: Vec<(String, String)>,
    signals: VecDeque<Message>,
    limit: Duration,
    end: Instant,
}

impl Connection {
    /// Connects to somebody who speaks the protocol without a bus. All waiting for him, here and later, ends after
    /// `limit`, until [`Connection::renew`].
    pub fn peer(address: &Address, limit: Duration) -> Result<Self> {
        Self::open(address, true, limit)
    }

    /// Connects to a bus, and says hello.
    pub fn bus(address: &Address, limit: Duration) -> Result<Self> {
        let mut connection = Self::open(address, false, limit)?;
        connection.call(&bus_call("Hello", Vec::new()))?;
        Ok(connection)
    }

    fn open(address: &Address, peer: bool, limit: Duration) -> Result<Self> {
        let end = Instant::now() + limit;
        let socket = loop {
            let result = match address {
                Address::Path(path) => sys::socket::connect_path(path),
                Address::Abstract(name) => sys::socket::connect_abstract(name),
            };
            match result {
                // Its queue of connections is full (unix(7)).
                Err(error) if error.errno == Errno::AGAIN => {
                    let left = end.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(Error::Timeout { what: format!("a connection to {address}"), limit });
                    }
                    std::thread::sleep(PAUSE.min(left));
                }
                other => break other.map_err(|source| Error::Connect { address: address.to_string(), source })?,
            }
        };
        let (input, watched, signals) = (Vec::new(), Vec::new(), VecDeque::new());
        let mut connection = Self { socket, peer, serial: 0, input, watched, signals, limit, end };
        connection.authenticate(address)?;
        Ok(connection)
    }

    /// From now on, all waiting ends after `limit`.
    pub fn renew(&mut self, limit: Duration) {
        (self.limit, self.end) = (limit, Instant::now() + limit);
    }

    /// Is there no bus between us and whom we talk to?
    pub fn is_peer(&self) -> bool {
        self.peer
    }

    fn authenticate(&mut self, address: &Address) -> Result<()> {
        const WHAT: &str = "the greeting";
        self.write(HELLO, WHAT)?;
        let refused = |said: &[u8]| Error::Authentication {
            address: address.to_string(),
            said: String::from_utf8_lossy(said).trim().to_owned(),
        };
        loop {
            while let Some(length) = self.input.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.input.drain(..length + 2).collect();
                if line.starts_with(b"OK ") {
                    return Ok(());
                }
                // It asks for what we have sent already.
                if !line.starts_with(b"DATA") {
                    return Err(refused(&line));
                }
            }
            if self.input.len() > LONGEST_GREETING {
                return Err(refused(&self.input[..LONGEST_GREETING]));
            }
            match self.read(WHAT) {
                Err(Error::Closed) => return Err(refused(b"")),
                other => other?,
            }
        }
    }

    /// Calls a method, and returns what it answers.
    pub fn call(&mut self, call: &Call<'_>) -> Result<Vec<Value>> {
        let serial = self.send(call, true)?;
        loop {
            let message = self.next(call.member)?;
            if message.reply_serial != Some(serial) {
                self.keep(message)?;
                continue;
            }
            return match message.kind {
                Kind::Return => Ok(message.body),
                Kind::Error => Err(Error::Failed {
                    call: call.member.to_owned(),
                    name: message.error.unwrap_or_default(),
                    text: message.body.first().and_then(Value::as_str).unwrap_or("no reason given").to_owned(),
                }),
                _ => Err(Error::Protocol("an answer is of another kind")),
            };
        }
    }

    /// Calls a method whose answer nobody wants to know.
    pub fn tell(&mut self, call: &Call<'_>) -> Result<()> {
        self.send(call, false).map(drop)
    }

    /// From now on, keeps signals of this name until they are asked for.
    pub fn watch(&mut self, sender: &str, interface: &str, member: &str) -> Result<()> {
        if !self.peer {
            let rule = format!("type='signal',sender='{sender}',interface='{interface}',member='{member}'");
            self.tell(&bus_call("AddMatch", vec![rule.into()]))?;
        }
        self.watched.push((interface.to_owned(), member.to_owned()));
        Ok(())
    }

    /// Waits for a watched signal that `accept` takes; others are dropped.
    pub fn signal(&mut self, what: &str, mut accept: impl FnMut(&Message) -> bool) -> Result<Message> {
        loop {
            while let Some(message) = self.signals.pop_front() {
                if accept(&message) {
                    return Ok(message);
                }
            }
            let message = self.next(what)?;
            self.keep(message)?;
        }
    }

    fn keep(&mut self, message: Message) -> Result<()> {
        let watched = |(interface, member): &(String, String)| {
            message.interface.as_ref() == Some(interface) && message.member.as_ref() == Some(member)
        };
        if message.kind != Kind::Signal || !self.watched.iter().any(watched) {
            return Ok(());
        }
        if self.signals.len() == MOST_SIGNALS {
            return Err(Error::Protocol("it is one of thousands of signals at once"));
        }
        self.signals.push_back(message);
        Ok(())
    }

    fn send(&mut self, call: &Call<'_>, wants_reply: bool) -> Result<u32> {
        self.serial += 1;
        let plain = Call { destination: if self.peer { "" } else { call.destination }, ..call.clone() };
        let bytes = message::call(&plain, self.serial, wants_reply)?;
        self.write(&bytes, call.member)?;
        Ok(self.serial)
    }

    /// The next message, of whatever kind.
    fn next(&mut self, what: &str) -> Result<Message> {
        loop {
            if let Some(length) = Message::length(&self.input)?
                && self.input.len() >= length
            {
                let message = Message::parse(&self.input[..length]);
                self.input.drain(..length);
                return message;
            }
            self.read(what)?;
        }
    }

    fn write(&mut self, bytes: &[u8], what: &str) -> Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match sys::socket::send_some(&self.socket, rest) {
                Ok(length) => rest = &rest[length..],
                Err(error) if error.errno == Errno::AGAIN => self.wait(PollFlags::OUT, what)?,
                Err(error) if error.errno == Errno::PIPE => return Err(Error::Closed),
                Err(error) => return Err(Error::Socket(error)),
            }
        }
        Ok(())
    }

    fn read(&mut self, what: &str) -> Result<()> {
        let mut chunk = [0; 4096];
        loop {
            // Also where there is always something to read, the time is over at some moment.
            self.left(what)?;
            match rustix::io::read(&self.socket, &mut chunk) {
                Ok(0) | Err(Errno::CONNRESET) => return Err(Error::Closed),
                Ok(length) => {
                    self.input.extend(&chunk[..length]);
                    return Ok(());
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.wait(PollFlags::IN, what)?,
                Err(errno) => return Err(Error::Socket(sys::Error::new("read", "the bus", errno))),
            }
        }
    }

    fn left(&self, what: &str) -> Result<Duration> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(Error::Timeout { what: what.to_owned(), limit: self.limit }) } else { Ok(left) }
    }

    fn wait(&self, flags: PollFlags, what: &str) -> Result<()> {
        let left = self.left(what)?;
        let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&self.socket, flags)], Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(Error::Socket(sys::Error::new("poll", "the bus", errno))),
        }
    }
}

/// A call of the bus itself.
fn bus_call(member: &str, body: Vec<Value>) -> Call<'_> {
    let name = "org.freedesktop.DBus";
    Call { destination: name, path: "/org/freedesktop/DBus", interface: name, member, body }
}
