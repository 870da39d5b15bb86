//! Writing to systemd's journal in its native protocol: a datagram for each line, of fields. A line is a chunk at most, so
//! it always fits into one. A journal that takes nothing costs lines, as a full disk does.

use super::{Config, Of};
use crate::streams::Stream;
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, sendto, socket_with};
use std::os::fd::OwnedFd;

/// Where journald listens.
const SOCKET: &str = "/run/systemd/journal/socket";

/// Writes one container's output to the journal.
#[derive(Debug)]
pub struct Journal {
    socket: Option<OwnedFd>,
    to: &'static str,
    /// The fields that are the same for each line.
    fields: Vec<u8>,
    lost: u64,
}

impl Journal {
    /// For a container.
    pub fn new(config: &Config, of: &Of) -> Self {
        Self::at(SOCKET, config, of)
    }

    fn at(to: &'static str, config: &Config, of: &Of) -> Self {
        let tag = tag(config.tag.as_deref().unwrap_or("{{.ID}}"), of);
        let mut fields = Vec::new();
        for (name, value) in [
            ("CONTAINER_ID", of.short_id()),
            ("CONTAINER_ID_FULL", of.id.as_str()),
            ("CONTAINER_NAME", &of.name),
            ("CONTAINER_TAG", &tag),
            ("IMAGE_NAME", &of.image),
            ("SYSLOG_IDENTIFIER", &tag),
        ] {
            field(name, value.as_bytes(), &mut fields);
        }
        for (name, value) in &config.attrs {
            if let Some(name) = name_of(name) {
                field(&name, value.as_bytes(), &mut fields);
            }
        }
        let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None);
        Self { socket: socket.ok(), to, fields, lost: 0 }
    }

    /// Writes what was read from a stream just now.
    pub fn write(&mut self, stream: Stream, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.lost > 0 {
                let told = format!("[{} bytes of output were lost: the journal took nothing]", self.lost);
                if self.send(Stream::Error, told.as_bytes(), true) {
                    self.lost = 0;
                }
            }
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            if !self.send(stream, text, text.len() < piece.len()) {
                self.lost += piece.len() as u64;
            }
        }
    }

    /// Sends one line, without waiting; tells whether it was taken.
    fn send(&self, stream: Stream, text: &[u8], whole: bool) -> bool {
        let mut datagram = self.fields.clone();
        // As docker and podman: LOG_INFO and LOG_ERR of syslog(3).
        let priority = if stream == Stream::Error { b"3" } else { b"6" };
        field("PRIORITY", priority, &mut datagram);
        if !whole {
            field("CONTAINER_PARTIAL_MESSAGE", b"true", &mut datagram);
        }
        field("MESSAGE", text, &mut datagram);
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let address = SocketAddrUnix::new(self.to);
        let sent = self.socket.as_ref().zip(address.ok()).map(|(socket, to)| sendto(socket, &datagram, flags, &to));
        matches!(sent, Some(Ok(_)))
    }
}

type Place = (&'static str, fn(&Of) -> &str);

/// What may stand in a tag, in the words of docker's templates.
const PLACES: [Place; 4] = [
    ("{{.ID}}", Of::short_id),
    ("{{.FullID}}", |of| &of.id),
    ("{{.Name}}", |of| &of.name),
    ("{{.ImageName}}", |of| &of.image),
];

/// A tag with what is known of the container in its places.
pub(super) fn tag(template: &str, of: &Of) -> String {
    PLACES.iter().fold(template.to_owned(), |tag, (place, which)| tag.replace(place, which(of)))
}

/// Nothing stands in a tag that has to be found out and is not known here.
pub fn is_tag(text: &str) -> bool {
    !PLACES.iter().fold(text.to_owned(), |text, (place, _)| text.replace(place, "")).contains("{{")
}

/// The field that a label or a variable becomes: the journal takes 64 capital letters, digits and `_`, and begins its own
/// names with the last (systemd.journal-fields(7)). What would stand beside ours, or for them, is left out.
fn name_of(name: &str) -> Option<String> {
    const LONGEST: usize = 64;
    const OURS: [&str; 5] = ["MESSAGE", "PRIORITY", "SYSLOG_", "CONTAINER_", "IMAGE_NAME"];
    let name = name.replace(|c: char| !c.is_ascii_alphanumeric(), "_").to_ascii_uppercase();
    let name = name.trim_start_matches(|c: char| !c.is_ascii_uppercase());
    let fits = !name.is_empty() && name.len() <= LONGEST && !OURS.iter().any(|ours| name.starts_with(ours));
    fits.then(|| name.to_owned())
}

/// One field: `NAME=VALUE`, or with the length before the value where that is no line of text.
fn field(name: &str, value: &[u8], to: &mut Vec<u8>) {
    to.extend_from_slice(name.as_bytes());
    if value.contains(&b'\n') {
        to.push(b'\n');
        to.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        to.push(b'=');
    }
    to.extend_from_slice(value);
    to.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_a_field_that_the_journal_takes_and_none_of_ours() {
        assert_eq!(name_of("com.example/tier"), Some("COM_EXAMPLE_TIER".to_owned()));
        assert_eq!(name_of("_1st"), Some("ST".to_owned()));
        for name in
            ["", "__", "9", "message", "_Priority", "container.id", "image-name", "syslog_identifier", &"a".repeat(65)]
        {
            assert_eq!(name_of(name), None, "{name}");
        }
    }

    use std::os::unix::net::UnixDatagram;

    fn journal() -> (tempfile::TempDir, UnixDatagram, Journal) {
        let dir = tempfile::tempdir().expect("a directory");
        let path: &'static str = dir.path().join("socket").to_string_lossy().into_owned().leak();
        let socket = UnixDatagram::bind(path).expect("a socket");
        let of = Of { id: "0123456789abcdef".into(), name: "box".into(), image: "one\ntwo".into() };
        let config = Config { tag: Some("{{.Name}}/{{.ID}}".into()), ..Config::default() };
        let journal = Journal::at(path, &config, &of);
        (dir, socket, journal)
    }

    fn received(socket: &UnixDatagram) -> Vec<u8> {
        let mut buffer = vec![0; 1 << 16];
        let length = socket.recv(&mut buffer).expect("a datagram");
        buffer.truncate(length);
        buffer
    }

    #[test]
    fn a_line_is_a_datagram_of_fields() {
        let (_dir, socket, mut journal) = journal();
        journal.write(Stream::Error, b"first = 1\nrest");
        let same = b"CONTAINER_ID=0123456789ab\nCONTAINER_ID_FULL=0123456789abcdef\nCONTAINER_NAME=box\n\
            CONTAINER_TAG=box/0123456789ab\nIMAGE_NAME\n\x07\0\0\0\0\0\0\0one\ntwo\nSYSLOG_IDENTIFIER=box/0123456789ab\n";
        assert_eq!(received(&socket), [&same[..], b"PRIORITY=3\nMESSAGE=first = 1\n"].concat());
        let partial = b"PRIORITY=3\nCONTAINER_PARTIAL_MESSAGE=true\nMESSAGE=rest\n";
        assert_eq!(received(&socket), [&same[..], partial].concat());
        journal.write(Stream::Output, &[b'x'; crate::CHUNK]);
        assert!(received(&socket).len() > crate::CHUNK);
    }

    #[test]
    fn a_journal_that_takes_nothing_costs_lines_and_is_told_so() {
        let (_dir, socket, mut journal) = journal();
        for _ in 0..10_000 {
            journal.write(Stream::Output, b"a line\n");
        }
        assert!(journal.lost > 0);
        socket.set_nonblocking(true).expect("a socket that does not wait");
        while socket.recv(&mut [0; 4096]).is_ok() {}
        journal.write(Stream::Output, b"on\n");
        socket.set_nonblocking(false).expect("a socket that waits");
        assert!(String::from_utf8_lossy(&received(&socket)).contains(" bytes of output were lost"));
        assert!(received(&socket).ends_with(b"MESSAGE=on\n"));
    }
}
