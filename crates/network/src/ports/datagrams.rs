//! Datagrams that are passed on: who has sent one gets the answers to it, until nobody has said anything for a while.

use super::Held;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::time::Timespec;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// The port that he has spoken to, a client, and the address of this machine that he has sent it to.
pub type Client = (usize, SocketAddr, IpAddr);

/// How long a client is remembered: as long as the kernel would (`nf_conntrack_udp_timeout`, `…_stream`).
const ONCE: Duration = Duration::from_secs(30);
const TALKING: Duration = Duration::from_mins(2);
/// How often it is looked who is to be forgotten.
const LOOK: Duration = Duration::from_secs(10);
/// How many clients are remembered; one more takes the place of who has been silent for longest.
const MOST: usize = 4096;

/// What one client says, and the answers to it.
pub struct Flow {
    client: Client,
    socket: OwnedFd,
    last: Instant,
    answered: bool,
}

impl Flow {
    /// By a socket that is connected with the server.
    pub fn new(client: Client, socket: OwnedFd) -> Self {
        Self { client, socket, last: Instant::now(), answered: false }
    }

    fn answer(&mut self, door: &OwnedFd, buffer: &mut [u8]) {
        for _ in 0..256 {
            // What the server refuses is lost, as datagrams are.
            let Ok((length, _)) = recv(&self.socket, &mut *buffer, RecvFlags::empty()) else { return };
            (self.last, self.answered) = (Instant::now(), true);
            let (_, to, from) = self.client;
            let _ = sys::inet::send(door, buffer.get(..length).unwrap_or_default(), to, from);
        }
    }
}

/// All of them.
#[derive(Default)]
pub struct Flows {
    all: BTreeMap<u64, Flow>,
    numbers: BTreeMap<Client, u64>,
    looked: Option<Instant>,
}

impl Flows {
    /// Passes on the answers to one, by the port that was spoken to.
    pub fn answer(&mut self, number: u64, doors: &[Held], buffer: &mut [u8]) {
        let Some(flow) = self.all.get_mut(&number) else { return };
        if let Some(door) = doors.get(flow.client.0) {
            flow.answer(&door.socket, buffer);
        }
    }

    /// Sends on what a client says; `false` if he is not known.
    pub fn send(&mut self, client: Client, bytes: &[u8]) -> bool {
        let Some(flow) = self.numbers.get(&client).and_then(|number| self.all.get_mut(number)) else { return false };
        flow.last = Instant::now();
        if send(&flow.socket, bytes, SendFlags::NOSIGNAL).is_err() {
            // An error that an earlier one has met was told instead.
            let _ = send(&flow.socket, bytes, SendFlags::NOSIGNAL);
        }
        true
    }

    /// One more.
    pub fn insert(&mut self, number: u64, flow: Flow) {
        if self.all.len() >= MOST
            && let Some(oldest) = self.all.iter().min_by_key(|(_, flow)| flow.last).map(|(number, _)| *number)
        {
            self.remove(oldest);
        }
        self.numbers.insert(flow.client, number);
        self.all.insert(number, flow);
    }

    fn remove(&mut self, number: u64) {
        if let Some(flow) = self.all.remove(&number) {
            self.numbers.remove(&flow.client);
        }
    }

    /// How long may be waited for something to happen; `None` is for ever.
    pub fn patience(&self) -> Option<Timespec> {
        (!self.all.is_empty()).then_some(Timespec { tv_sec: LOOK.as_secs() as i64, tv_nsec: 0 })
    }

    /// Forgets who has said nothing for long.
    pub fn forget(&mut self, now: Instant) {
        if self.all.is_empty() || self.looked.is_some_and(|looked| now.duration_since(looked) < LOOK) {
            return;
        }
        self.looked = Some(now);
        let stays = |flow: &Flow| now.duration_since(flow.last) < if flow.answered { TALKING } else { ONCE };
        let old: Vec<u64> = self.all.iter().filter(|(_, flow)| !stays(flow)).map(|(number, _)| *number).collect();
        for number in old {
            self.remove(number);
        }
    }
}
