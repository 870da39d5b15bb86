//! Blobs on their way out: looked for first, then mounted from where they are, then sent: in one request, or in pieces
//! where that was asked for or the server says that one is too large. What breaks off is gone on with where the server is.

use crate::Client;
use crate::client::writing;
use crate::endpoint::{Endpoint, Purpose};
use crate::error::{Error, Result};
use crate::exchange::{Call, Payload, Reply, Target};
use crate::url::{Url, escape};
use oci::image::Descriptor;
use oci::reference::Reference;
use std::io::{self, Read};

/// The pieces of a blob that is too large for one request. S3 takes none below 5 MiB.
const PIECE: u64 = 16 << 20;

/// Something that can be read from any byte on, as often as it takes.
pub trait Source: Send + Sync {
    /// Its content, from a byte on.
    fn open(&self, from: u64) -> io::Result<Box<dyn Read + Send + '_>>;
}

/// Bytes that are there.
#[derive(Debug)]
pub struct Bytes<'a>(pub &'a [u8]);

impl Source for Bytes<'_> {
    fn open(&self, from: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(self.0.len());
        Ok(Box::new(&self.0[from..]))
    }
}

impl<F, R> Source for F
where
    F: Fn(u64) -> io::Result<R> + Send + Sync,
    R: Read + Send + 'static,
{
    fn open(&self, from: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(self(from)?))
    }
}

/// How a blob came to be in a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It was there.
    Existed,
    /// Another repository had it.
    Mounted,
    /// It was sent.
    Sent,
}

/// An upload that has begun.
struct Upload<'a> {
    client: &'a Client,
    endpoint: &'a Endpoint,
    reference: &'a Reference,
    descriptor: &'a Descriptor,
    /// Where its next part goes.
    location: Url,
}

impl Client {
    /// Whether a repository has a blob.
    pub fn has_blob(&self, reference: &Reference, descriptor: &Descriptor) -> Result<bool> {
        self.ask(reference, Purpose::Push, |endpoint| self.has(endpoint, reference, descriptor))
    }

    /// Sends a blob, unless it is there.
    pub fn push_blob(&self, reference: &Reference, descriptor: &Descriptor, source: &dyn Source) -> Result<Pushed> {
        self.ask(reference, Purpose::Push, |endpoint| {
            if self.has(endpoint, reference, descriptor)? {
                return Ok(Pushed::Existed);
            }
            let path = endpoint.path("blobs/uploads/");
            let reply = self.call(endpoint, &post(path, writing(endpoint)))?;
            let reply = reply.expect(&[202], reference.registry(), "an upload")?;
            let mut upload = Upload { client: self, endpoint, reference, descriptor, location: location(&reply)? };
            let least = reply.number("oci-chunk-min-length").unwrap_or(0);
            upload.send(source, least)?;
            Ok(Pushed::Sent)
        })
    }

    /// Has a registry take a blob over from another of its repositories. False where it does not do that; then the blob
    /// has to be sent.
    pub fn mount_blob(&self, reference: &Reference, descriptor: &Descriptor, from: &Reference) -> Result<bool> {
        if from.registry() != reference.registry() || from.path() == reference.path() {
            return Ok(false);
        }
        self.ask(reference, Purpose::Push, |endpoint| {
            let other = Endpoint::of(&self.exchange.settings, from, Purpose::Push)?;
            let Some(other) = other.iter().find(|other| other.authority == endpoint.authority) else {
                return Ok(false);
            };
            let query = format!("?mount={}&from={}", escape(&descriptor.digest.to_string()), escape(&other.repository));
            let scope = format!("{} repository:{}:pull", writing(endpoint), other.repository);
            let reply = match self.call(endpoint, &post(endpoint.path(&format!("blobs/uploads/{query}")), scope)) {
                // Whoever may not read there may still send it here.
                Err(error) if error.is_unauthorized() => return Ok(false),
                other => other?,
            };
            match reply.status() {
                201 => Ok(true),
                202 => {
                    // An upload was begun instead, which nobody is going to end.
                    let cancel = Call::get(Target::Url(location(&reply)?), writing(endpoint)).method("DELETE");
                    _ = self.call(endpoint, &cancel);
                    Ok(false)
                }
                401 | 403 | 404 | 405 => Ok(false),
                _ => Err(reply.refusal(reference.registry(), "a mounted blob")),
            }
        })
    }

    fn has(&self, endpoint: &Endpoint, reference: &Reference, descriptor: &Descriptor) -> Result<bool> {
        let target = Target::Path(endpoint.path(&format!("blobs/{}", descriptor.digest)));
        let reply = self.call(endpoint, &Call::get(target, writing(endpoint)).method("HEAD"))?;
        match reply.status() {
            200 => Ok(true),
            404 | 405 => Ok(false),
            _ => Err(reply.refusal(reference.registry(), &descriptor.digest.to_string())),
        }
    }
}

impl Upload<'_> {
    fn send(&mut self, source: &dyn Source, least: u64) -> Result<()> {
        let settings = &self.client.exchange.settings;
        let (size, patience) = (self.descriptor.size, settings.patience);
        // An empty blob has no pieces.
        let mut piece = settings.chunk.map(|chunk| chunk.max(least).max(1)).filter(|_| size > 0);
        let (mut sent, mut failures) = (0, 0);
        loop {
            let result = match piece {
                None => self.finish(Payload::Part { source, from: 0, length: size }),
                Some(_) if sent == size => self.finish(Payload::None),
                Some(piece) => self.part(source, sent, piece.min(size - sent)).map(|()| {
                    sent += piece.min(size - sent);
                    false
                }),
            };
            let error = match result {
                Ok(true) => return Ok(()),
                Ok(false) => {
                    failures = 0;
                    continue;
                }
                Err(error) => error,
            };
            let too_large = matches!(error, Error::Status { status: 413, .. }) && piece.is_none();
            failures += 1;
            if !too_large && (failures >= patience.attempts || !goes_on(&error)) {
                return Err(error);
            }
            if !too_large {
                std::thread::sleep(patience.pause(failures - 1));
            }
            piece = Some(piece.unwrap_or(PIECE).max(least));
            match self.received()? {
                Some(received) if received <= size => sent = received,
                // It knows nothing of this upload any more.
                _ => {
                    self.begin()?;
                    sent = 0;
                }
            }
        }
    }

    fn begin(&mut self) -> Result<()> {
        let path = self.endpoint.path("blobs/uploads/");
        let reply = self.client.call(self.endpoint, &post(path, writing(self.endpoint)))?;
        self.location = location(&reply.expect(&[202], self.reference.registry(), "an upload")?)?;
        Ok(())
    }

    /// Sends one piece.
    fn part(&mut self, source: &dyn Source, from: u64, length: u64) -> Result<()> {
        let call = Call::get(Target::Url(self.location.clone()), writing(self.endpoint)).method("PATCH");
        let call = call.header("content-type", "application/octet-stream");
        let call = call.header("content-range", format!("{from}-{}", from + length - 1));
        let reply = self.client.call(self.endpoint, &call.payload(Payload::Part { source, from, length }))?;
        let reply = reply.expect(&[202, 204], self.reference.registry(), "an upload")?;
        self.location = location(&reply)?;
        Ok(())
    }

    /// Sends the last piece, or nothing more, and says what it all has to be.
    fn finish(&mut self, payload: Payload<'_>) -> Result<bool> {
        let url = self.location.with("digest", &self.descriptor.digest.to_string());
        let call = Call::get(Target::Url(url), writing(self.endpoint)).method("PUT");
        let call = call.header("content-type", "application/octet-stream").payload(payload);
        let reply = self.client.call(self.endpoint, &call)?;
        reply.expect(&[201, 204], self.reference.registry(), &self.descriptor.digest.to_string())?;
        Ok(true)
    }

    /// How much of it the server has, or nothing where it does not know of it.
    fn received(&mut self) -> Result<Option<u64>> {
        let call = Call::get(Target::Url(self.location.clone()), writing(self.endpoint));
        let reply = self.client.call(self.endpoint, &call)?;
        if !matches!(reply.status(), 200 | 202 | 204) {
            return Ok(None);
        }
        if reply.header("location").is_some() {
            self.location = location(&reply)?;
        }
        // `0-9` are ten bytes, and `0-0` is said of none as well as of one: the safe reading is none.
        let last = reply.header("range").and_then(|range| range.rsplit_once('-')?.1.parse::<u64>().ok());
        Ok(last.map(|last| if last == 0 { 0 } else { last + 1 }))
    }
}

fn post(path: String, scope: String) -> Call<'static> {
    Call::get(Target::Path(path), scope).method("POST")
}

/// Where the server wants an upload to go on.
fn location(reply: &Reply) -> Result<Url> {
    let wrong = |reason: &str| Error::Answer { url: reply.url.clone(), reason: reason.to_owned() };
    let text = reply.header("location").ok_or_else(|| wrong("it does not say where the upload goes on"))?;
    reply.url.join(text).ok_or_else(|| wrong("the upload goes on at what is no address of http or https"))
}

/// Whether a failure may be one of the way, after which the upload can be gone on with.
fn goes_on(error: &Error) -> bool {
    match error {
        Error::Status { status: 404 | 416, .. } | Error::NotFound { .. } => true,
        error => error.is_transient(),
    }
}
