//! Tars by hand, header by header, so that they can say what no tool would write.
#![allow(dead_code, reason = "each test file uses its own part")]

use layer::{Applied, Devices, Error, Limits, Options, OverlayXattrs, Ownership, Refusal, apply};
mod image;

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A tar that is being written.
#[derive(Default, Clone)]
pub struct Tar {
    pub bytes: Vec<u8>,
}

/// A header of 512 bytes.
#[derive(Clone)]
pub struct Header(pub [u8; 512]);

impl Header {
    /// Of an entry of type `kind`, mode 0644, owned by 0:0, of GNU's format when the name says nothing else.
    pub fn new(kind: u8, name: &[u8]) -> Self {
        let mut header = Self([0; 512]);
        assert!(name.len() <= 100, "long names take an extension");
        header.0[..name.len()].copy_from_slice(name);
        header.0[257..265].copy_from_slice(b"ustar\x0000");
        header.0[156] = kind;
        header.mode(0o644).octal(108, 8, 0).octal(116, 8, 0).octal(136, 12, 1_000_000_000).size(0)
    }

    pub fn octal(mut self, at: usize, length: usize, number: u64) -> Self {
        let text = format!("{number:0width$o}\0", width = length - 1);
        self.0[at..at + length].copy_from_slice(text.as_bytes());
        self
    }

    pub fn mode(self, mode: u64) -> Self {
        self.octal(100, 8, mode)
    }

    pub fn owner(self, uid: u64, gid: u64) -> Self {
        self.octal(108, 8, uid).octal(116, 8, gid)
    }

    pub fn size(self, size: u64) -> Self {
        self.octal(124, 12, size)
    }

    pub fn link(mut self, target: &[u8]) -> Self {
        self.0[157..157 + target.len()].copy_from_slice(target);
        self
    }

    pub fn device(self, major: u64, minor: u64) -> Self {
        self.octal(329, 8, major).octal(337, 8, minor)
    }

    pub fn gnu(mut self) -> Self {
        self.0[257..265].copy_from_slice(b"ustar  \0");
        self
    }

    /// With the right checksum.
    pub fn summed(mut self) -> [u8; 512] {
        self.0[148..156].fill(b' ');
        let sum: u64 = self.0.iter().map(|&byte| u64::from(byte)).sum();
        self = self.octal(148, 7, sum);
        self.0
    }
}

impl Tar {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn header(mut self, header: Header) -> Self {
        self.bytes.extend(header.summed());
        self
    }

    pub fn data(mut self, data: &[u8]) -> Self {
        self.bytes.extend(data);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self
    }

    pub fn file(self, name: &str, data: &str) -> Self {
        self.header(Header::new(b'0', name.as_bytes()).size(data.len() as u64)).data(data.as_bytes())
    }

    pub fn dir(self, name: &str) -> Self {
        self.header(Header::new(b'5', name.as_bytes()).mode(0o755))
    }

    pub fn symlink(self, name: &str, target: &str) -> Self {
        self.header(Header::new(b'2', name.as_bytes()).link(target.as_bytes()).mode(0o777))
    }

    pub fn link(self, name: &str, target: &str) -> Self {
        self.header(Header::new(b'1', name.as_bytes()).link(target.as_bytes()))
    }

    /// PAX records for the next entry.
    pub fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let mut text = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut length = rest + 1;
            while rest + length.to_string().len() != length {
                length += 1;
            }
            text.extend(format!("{length} {key}=").into_bytes());
            text.extend_from_slice(value);
            text.push(b'\n');
        }
        self.header(Header::new(b'x', b"pax").size(text.len() as u64)).data(&text)
    }

    pub fn end(mut self) -> Vec<u8> {
        self.bytes.extend([0; 1024]);
        self.bytes
    }
}

/// A directory for a layer, with something beside it that must stay as it is.
pub struct Place {
    pub dir: TempDir,
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("layer")).expect("mkdir");
        std::fs::create_dir(dir.path().join("outside")).expect("mkdir");
        std::fs::write(dir.path().join("outside/canary"), "alive").expect("write");
        Self { dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("layer").join(name)
    }

    pub fn apply(&self, tar: &[u8]) -> Result<Applied, Error> {
        self.apply_on(tar, &[])
    }

    /// Above other layers, lowest first.
    pub fn apply_on(&self, tar: &[u8], lowers: &[&Path]) -> Result<Applied, Error> {
        let lowers: Vec<_> = lowers.iter().map(|path| File::open(path).expect("a lower layer")).collect();
        let lowers: Vec<_> = lowers.iter().map(AsFd::as_fd).collect();
        self.apply_with(tar, &Options { lowers: &lowers, ..options() })
    }

    pub fn apply_with(&self, tar: &[u8], options: &Options<'_>) -> Result<Applied, Error> {
        let result = apply(tar, File::open(self.path("")).expect("the layer"), options);
        let outside: Vec<_> = std::fs::read_dir(self.dir.path().join("outside")).expect("outside").collect();
        assert_eq!(outside.len(), 1, "something was made outside");
        let canary = std::fs::read_to_string(self.dir.path().join("outside/canary"));
        assert_eq!(canary.expect("the canary"), "alive");
        image::compare(tar, options, &self.path(""), &result);
        result
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

pub fn options() -> Options<'static> {
    let root = rustix::process::geteuid().is_root();
    Options {
        ownership: if root { Ownership::AsRecorded } else { Ownership::Squash },
        xattrs: if root { OverlayXattrs::Trusted } else { OverlayXattrs::User },
        devices: if root { Devices::Create } else { Devices::Skip },
        lowers: &[],
        limits: Limits::default(),
    }
}

/// Why the tar is refused.
pub fn refusal(tar: &[u8]) -> Refusal {
    match Place::new().apply(tar) {
        Err(Error::Refused { reason, .. }) => reason,
        other => panic!("not refused: {other:?}"),
    }
}
