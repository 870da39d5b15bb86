//! What happens to containers and images, told to whoever wants to hear of it: lines of JSON in a file, and no daemon.
//!
//! The file lies beside the run state, in memory: it tells of what has happened since the machine came up, nobody syncs
//! it, and a reboot forgets it with the containers that ran. Each event is one write to a file that is opened for
//! appending ([`crate::bounded`]); whoever follows one that is renamed still has it open.
//!
//! An event that cannot be written stops nothing.

use crate::bounded::{Bounded, is_at};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::record::Record;
use crate::run::Run;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::fstat;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::time::Timespec;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use store::{Container, ContainerId};

const EVENTS: &str = "events";
const OLDER: &str = "events.1";
const LOG: Bounded = Bounded { name: EVENTS, older: OLDER, full: 2 << 20 };

/// What something has happened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A container.
    Container,
    /// An image.
    Image,
    /// A volume.
    Volume,
    /// A secret.
    Secret,
    /// A network.
    Network,
}

impl Kind {
    /// docker's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Image => "image",
            Self::Volume => "volume",
            Self::Secret => "secret",
            Self::Network => "network",
        }
    }
}

/// Something that has happened.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Event {
    /// Nanoseconds since 1970.
    pub time: u64,
    /// What it has happened to.
    pub kind: Kind,
    /// docker's word for what has happened.
    pub action: String,
    /// Which container or image.
    pub id: String,
    /// What is known of it: its name, a container's image and labels, and what belongs to the action.
    pub attributes: BTreeMap<String, String>,
}

/// The same, to be written.
#[derive(Serialize)]
struct Line<'a> {
    time: u64,
    kind: Kind,
    action: &'a str,
    id: &'a str,
    #[serde(serialize_with = "as_map")]
    attributes: &'a [(&'a str, &'a str)],
}

fn as_map<S: serde::Serializer>(pairs: &&[(&str, &str)], serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().copied())
}

/// Whom an event of a container is about.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Actor {
    name: String,
    image: String,
    labels: BTreeMap<String, String>,
}

impl Actor {
    /// Its name, and that of its image.
    pub fn names(&self) -> (&str, &str) {
        (&self.name, &self.image)
    }

    pub fn of(record: &Container<Record>) -> Self {
        let Record { config, image_name, .. } = &record.config;
        Self { name: record.name.to_string(), image: image_name.clone(), labels: config.labels.clone() }
    }
}

impl Engine {
    /// Tells of a container that its record is at hand of.
    pub(crate) fn tell_of(&self, record: &Container<Record>, action: &str, more: &[(&str, &str)]) {
        let Record { config, image_name, .. } = &record.config;
        let who = (record.name.as_str(), image_name.as_str(), &config.labels);
        self.tell_container(record.id.as_str(), who, action, more);
    }

    /// The same for whoever holds it, and reads no record for that.
    pub(crate) fn tell_by(&self, id: &str, actor: &Actor, action: &str, more: &[(&str, &str)]) {
        self.tell_container(id, (&actor.name, &actor.image, &actor.labels), action, more);
    }

    /// Tells how a run has ended.
    pub(crate) fn tell_end(&self, id: &ContainerId, actor: &Actor, run: &Run) {
        let code = run.exit.map_or_else(|| "unknown".to_owned(), |exit| exit.code().to_string());
        if run.memory.killed > 0 {
            self.tell_by(id.as_str(), actor, "oom", &[]);
        }
        self.tell_by(id.as_str(), actor, "die", &[("exitCode", &code)]);
    }

    /// Tells of a container by its name or id.
    pub fn tell(&self, text: &str, action: &str, more: &[(&str, &str)]) {
        let record =
            || Ok::<_, Error>(self.store()?.container(&self.store()?.find_container(text)?)?.read::<Record>()?);
        if let Ok(record) = record() {
            self.tell_of(&record, action, more);
        }
    }

    fn tell_container(
        &self,
        id: &str,
        (name, image, labels): (&str, &str, &BTreeMap<String, String>),
        action: &str,
        more: &[(&str, &str)],
    ) {
        let labels = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let own = [("image", image), ("name", name)];
        let attributes: Vec<_> = labels.chain(own).chain(more.iter().copied()).collect();
        self.tell_line(Kind::Container, action, id, &attributes);
    }

    /// Tells of an image, which is called this, or of something else than one container.
    pub(crate) fn tell_image(&self, action: &str, id: &str, name: &str) {
        self.tell_line(Kind::Image, action, id, &[("name", name)]);
    }

    /// Tells of a volume or a secret, which is called this.
    pub(crate) fn tell_named(&self, kind: Kind, action: &str, id: &str, name: &str) {
        self.tell_line(kind, action, id, &[("name", name)]);
    }

    /// Tells of a network that a container has come to, or left.
    pub(crate) fn tell_joined(&self, action: &str, network: &network::Network, container: &str) {
        let attributes = [("container", container), ("name", &*network.name), ("type", network.driver.name())];
        self.tell_line(Kind::Network, action, &network.id, &attributes);
    }

    /// Tells that room was made.
    pub(crate) fn tell_prune(&self, kind: Kind, bytes: u64) {
        self.tell_line(kind, "prune", "", &[("reclaimed", &bytes.to_string())]);
    }

    fn tell_line(&self, kind: Kind, action: &str, id: &str, attributes: &[(&str, &str)]) {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let line = Line { time: time.try_into().unwrap_or(u64::MAX), kind, action, id, attributes };
        let Ok(mut bytes) = serde_json::to_vec(&line) else { return };
        bytes.push(b'\n');
        let _ = LOG.append(&self.locations().runroot, &bytes);
    }

    /// What happens from now on; with `past` what is still known of what has happened, first.
    pub fn events(&self, past: bool) -> Result<Events> {
        Events::open(&self.locations().runroot, past)
    }
}

/// Events, one after the other.
#[derive(Debug)]
pub struct Events {
    dir: PathBuf,
    inotify: OwnedFd,
    /// The file before, into which somebody may still write, and the one of now.
    files: VecDeque<Growing>,
    waiting: VecDeque<Event>,
}

/// A file to which lines are added.
#[derive(Debug)]
struct Growing {
    file: File,
    inode: u64,
    /// The beginning of a line whose end was not there yet.
    rest: Vec<u8>,
}

impl Events {
    fn open(dir: &Path, past: bool) -> Result<Self> {
        let failed = || Error::file("follow", dir.join(EVENTS));
        let of = |what: &str, errno| sys::Error::new("inotify", what.to_owned(), errno);
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK);
        let inotify = inotify.map_err(|errno| failed()(of("init", errno)))?;
        let flags = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO;
        inotify::add_watch(&inotify, dir, flags).map_err(|errno| failed()(of("add_watch", errno)))?;
        let mut events = Self { dir: dir.into(), inotify, files: VecDeque::new(), waiting: VecDeque::new() };
        events.files.extend(Growing::open(&dir.join(OLDER)));
        events.files.extend(Growing::open(&dir.join(EVENTS)));
        if !past {
            for growing in &mut events.files {
                let _ = growing.file.seek(SeekFrom::End(0));
            }
        }
        events.read();
        Ok(events)
    }

    /// The next one, if it has happened.
    pub fn next_event(&mut self) -> Option<Event> {
        if self.waiting.is_empty() {
            self.read();
        }
        self.waiting.pop_front()
    }

    /// Waits until something may have happened, or the time is over.
    pub fn wait(&self, limit: Option<Duration>) {
        let limit = limit.map(|limit| Timespec {
            tv_sec: limit.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: limit.subsec_nanos().into(),
        });
        let _ = poll(&mut [PollFd::new(&self.inotify, PollFlags::IN)], limit.as_ref());
        let mut buffer = [0; 4096];
        while rustix::io::read(&self.inotify, &mut buffer).is_ok_and(|length| length > 0) {}
    }

    /// What was added to the files, and the next one when it is there.
    fn read(&mut self) {
        let path = self.dir.join(EVENTS);
        loop {
            for growing in &mut self.files {
                growing.lines(&mut self.waiting);
            }
            let next = match self.files.back() {
                Some(last) if is_at(&path, last.inode) => None,
                _ => Growing::open(&path),
            };
            let Some(next) = next else { return };
            self.files.push_back(next);
            while self.files.len() > 2 {
                self.files.pop_front();
            }
        }
    }
}

impl Growing {
    fn open(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        let inode = fstat(&file).ok()?.st_ino;
        Some(Self { file, inode, rest: Vec::new() })
    }

    /// A line that is none of ours, or of a newer kind, is passed over.
    fn lines(&mut self, into: &mut VecDeque<Event>) {
        let _ = self.file.read_to_end(&mut self.rest);
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else { return };
        let rest = self.rest.split_off(end + 1);
        let lines = std::mem::replace(&mut self.rest, rest);
        into.extend(lines.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("events-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    fn add(dir: &Path, time: u64) {
        let attributes: &[(&str, &str)] = &[("name", "a name")];
        let line = Line { time, kind: Kind::Image, action: "tag", id: "x", attributes };
        let line = serde_json::to_string(&line).unwrap() + "\n";
        LOG.append(dir, line.as_bytes()).unwrap();
    }

    #[test]
    fn who_follows_misses_none_when_the_file_is_full() {
        let dir = dir("full");
        let mut events = Events::open(&dir, false).unwrap();
        let many = LOG.full / 50;
        for time in 0..many {
            add(&dir, time);
            if time % 1000 == 0 {
                events.read();
            }
        }
        let mut times = std::iter::from_fn(|| events.next_event()).map(|event| event.time);
        assert!((0..many).all(|time| times.next() == Some(time)));
        assert!(std::fs::metadata(dir.join(OLDER)).unwrap().len() >= LOG.full);
        assert!(std::fs::metadata(dir.join(EVENTS)).unwrap().len() < LOG.full);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn writers_at_once_lose_no_line() {
        let dir = dir("many");
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let dir = &dir;
                scope.spawn(move || (0..500).for_each(|time| add(dir, writer * 500 + time)));
            }
        });
        let mut events = Events::open(&dir, true).unwrap();
        let mut times: Vec<_> = std::iter::from_fn(|| events.next_event()).map(|event| event.time).collect();
        times.sort_unstable();
        assert!(times.into_iter().eq(0..2000));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
