//! Blobs on their way in. What breaks off, stands still or trickles is gone on with where it stopped, at the same server
//! or the next one; whoever reads does not notice.
//!
//! A [`Blob`] gives exactly as many bytes as its descriptor says, or an error: a server can neither add nor leave out. It
//! does not compute the digest, which whoever keeps the bytes has to do anyway; [`Client::content`] does it for small ones.

use crate::Client;
use crate::client::reading;
use crate::endpoint::{Endpoint, Purpose};
use crate::error::{Error, Result};
use crate::exchange::{Call, Reply, Target};
use oci::digest::Digest;
use oci::image::Descriptor;
use oci::reference::Reference;
use std::fmt;
use std::io::{self, Read};
use std::time::Instant;
use ureq::BodyReader;

/// A slower server is as good as one that stands still: bytes in a second.
const SLOWEST: u64 = 1024;
/// Whoever has come so much further may fail again.
const PROGRESS: u64 = 4 << 20;

/// A blob that is being read.
pub struct Blob {
    client: Client,
    endpoints: Vec<Endpoint>,
    /// Which of them is asked.
    at: usize,
    registry: String,
    digest: Digest,
    size: u64,
    from: u64,
    position: u64,
    body: Option<BodyReader<'static>>,
    /// Failures since the last progress, and where that was.
    failures: u32,
    progress: u64,
    /// Since when its rate is measured, and from where.
    measured: (Instant, u64),
    ended: bool,
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} at {} of {})", self.digest, self.position, self.size)
    }
}

impl Client {
    /// Begins to read a blob, from a byte on where the server can do that; [`Blob::from`] tells.
    pub fn blob(&self, reference: &Reference, descriptor: &Descriptor, from: u64) -> Result<Blob> {
        let endpoints = Endpoint::of(&self.exchange.settings, reference, Purpose::Pull)?;
        let from = if from >= descriptor.size { 0 } else { from };
        let mut blob = Blob {
            client: self.clone(),
            endpoints,
            at: 0,
            registry: reference.registry().to_owned(),
            digest: descriptor.digest,
            size: descriptor.size,
            from,
            position: from,
            body: None,
            failures: 0,
            progress: from,
            measured: (Instant::now(), from),
            ended: false,
        };
        loop {
            match blob.open() {
                Ok(granted) => {
                    blob.from = granted;
                    blob.position = granted;
                    return Ok(blob);
                }
                Err(error) if blob.at + 1 >= blob.endpoints.len() => return Err(error),
                Err(_) => blob.at += 1,
            }
        }
    }

    /// All of a small blob, such as a configuration; its digest is checked.
    pub fn content(&self, reference: &Reference, descriptor: &Descriptor, most: u64) -> Result<Vec<u8>> {
        let what = descriptor.digest.to_string();
        if descriptor.size > most {
            return Err(Error::Length { what, reason: format!("is said to have more than {most} bytes") });
        }
        let mut bytes = Vec::new();
        let failed = |source| Error::Source { what: descriptor.digest.to_string(), source };
        self.blob(reference, descriptor, 0)?.read_to_end(&mut bytes).map_err(failed)?;
        match descriptor.digest.algorithm().of(&bytes) {
            found if found == descriptor.digest => Ok(bytes),
            found => Err(Error::Digest { what, found: found.into(), wanted: descriptor.digest.into() }),
        }
    }
}

impl Blob {
    /// From which byte on it is read: the one asked for, or 0 where the server gives blobs only whole.
    pub fn from(&self) -> u64 {
        self.from
    }

    /// How long all of it is.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Asks for what is missing, and returns from where the server gives it.
    fn open(&mut self) -> Result<u64> {
        let Some(endpoint) = self.endpoints.get(self.at) else {
            return Err(Error::NotFound { what: self.digest.to_string() });
        };
        let target = Target::Path(endpoint.path(&format!("blobs/{}", self.digest)));
        let mut call = Call::get(target, reading(endpoint));
        if self.position > 0 {
            call = call.header("range", format!("bytes={}-", self.position));
        }
        let reply = self.client.call(endpoint, &call)?;
        if reply.status() == 416 {
            // It has less than we have already, so it is another blob.
            return Err(self.wrong("is shorter there than its descriptor says"));
        }
        let reply = reply.expect(&[200, 206], &self.registry, &self.digest.to_string())?;
        let granted = self.granted(&reply)?;
        if reply.response.headers().contains_key("content-length") {
            let length = reply.number("content-length");
            if length != Some(self.size - granted) {
                let told = length.map_or_else(|| "an unreadable number of".to_owned(), |length| length.to_string());
                return Err(self.wrong(&format!("has {} bytes, and the server sends {told}", self.size - granted)));
            }
        }
        self.body = Some(reply.response.into_body().into_reader());
        self.measured = (Instant::now(), granted);
        Ok(granted)
    }

    /// From where an answer's body begins.
    fn granted(&self, reply: &Reply) -> Result<u64> {
        if reply.status() == 200 {
            return Ok(0);
        }
        let range = reply.header("content-range").and_then(|value| value.strip_prefix("bytes ")?.split_once('/'));
        let start = range.and_then(|(range, total)| {
            let total_fits = total == "*" || total.parse() == Ok(self.size);
            total_fits.then(|| range.split_once('-')?.0.parse().ok()).flatten()
        });
        match start {
            Some(start) if start == self.position => Ok(start),
            _ => Err(self.wrong("was asked for from a byte on, and something else is sent")),
        }
    }

    fn wrong(&self, reason: &str) -> Error {
        Error::Length { what: self.digest.to_string(), reason: reason.to_owned() }
    }

    /// Reads on after a failure, or gives up with it.
    fn resume(&mut self, mut failure: io::Error) -> io::Result<()> {
        let patience = self.client.exchange.settings.patience;
        self.body = None;
        if self.position >= self.progress + PROGRESS {
            self.failures = 0;
        }
        self.progress = self.position;
        loop {
            self.failures += 1;
            if self.failures >= patience.attempts {
                if self.at + 1 >= self.endpoints.len() {
                    let registry = self.registry.clone();
                    return Err(io::Error::other(match failure.downcast() {
                        Ok(told) => told,
                        Err(source) => Error::Lost { registry, source },
                    }));
                }
                (self.at, self.failures) = (self.at + 1, 0);
            }
            std::thread::sleep(patience.pause(self.failures.saturating_sub(1)));
            match self.open().map(|granted| self.skip_from(granted)) {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => failure = error,
                Err(error) if error.is_transient() => failure = io::Error::other(error),
                Err(error) if self.at + 1 < self.endpoints.len() => {
                    (self.at, self.failures) = (self.at + 1, 0);
                    failure = io::Error::other(error);
                }
                Err(error) => return Err(io::Error::other(error)),
            }
            self.body = None;
        }
    }

    /// Passes over what is known already, where the server gives blobs only whole.
    fn skip_from(&mut self, granted: u64) -> io::Result<()> {
        let Some(body) = &mut self.body else { return Ok(()) };
        let known = self.position - granted;
        let skipped = io::copy(&mut body.take(known), &mut io::sink())?;
        self.measured = (Instant::now(), self.position);
        if skipped == known { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Whether it comes too slowly to wait for.
    fn trickles(&mut self) -> bool {
        let (since, from) = self.measured;
        let elapsed = since.elapsed();
        if elapsed < self.client.exchange.settings.patience.idle {
            return false;
        }
        self.measured = (Instant::now(), self.position);
        u128::from(self.position - from) * 1000 < u128::from(SLOWEST) * elapsed.as_millis()
    }

    /// At the end there must be nothing more.
    fn end(&mut self) -> io::Result<usize> {
        if self.ended {
            return Ok(0);
        }
        self.ended = true;
        let Some(mut body) = self.body.take() else { return Ok(0) };
        // A failure here changes nothing about the bytes that are there.
        match body.read(&mut [0]) {
            Ok(1) => Err(io::Error::other(self.wrong("goes on behind the end that its descriptor tells"))),
            _ => Ok(0),
        }
    }
}

impl Read for Blob {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let left = self.size - self.position;
            if left == 0 {
                return self.end();
            }
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let read = match &mut self.body {
                Some(body) => body.read(&mut buffer[..most]),
                None => Err(io::Error::new(io::ErrorKind::TimedOut, "it comes too slowly")),
            };
            match read {
                Ok(0) => self.resume(io::ErrorKind::UnexpectedEof.into())?,
                Ok(count) => {
                    self.position += count as u64;
                    if self.trickles() {
                        // What came is good; the rest is asked for anew.
                        self.body = None;
                    }
                    return Ok(count);
                }
                Err(error) => self.resume(error)?,
            }
        }
    }
}
