//! Blobs on their way out: looked for first, then mounted from where they are, then sent: in one request, or in pieces
//! where that was asked for or the server says that one is too large. What breaks off is gone on with where the server is.
//!
//! A blob that is only being made goes in pieces as it comes; how long it is and what its digest is, is said at its end.

use crate::Client;
use crate::client::writing;
use crate::endpoint::{Endpoint, Purpose};
use crate::error::{Error, Result};
use crate::exchange::{Call, Payload, Reply, Target};
use crate::url::{Url, escape};
use oci::digest::{Digest, Hasher};
use oci::image::Descriptor;
use oci::reference::Reference;
use std::io::{self, Read};
use std::sync::mpsc::sync_channel;

/// The pieces of a blob that is too large for one request. S3 takes none below 5 MiB.
const PIECE: u64 = 16 << 20;
/// The pieces of one that is being made: two of them are in memory.
const COMING: u64 = 8 << 20;

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

/// Bytes of a blob that stand behind others.
struct Behind<'a> {
    before: u64,
    bytes: &'a [u8],
}

impl Source for Behind<'_> {
    fn open(&self, from: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        let from = usize::try_from(from.saturating_sub(self.before)).unwrap_or(usize::MAX).min(self.bytes.len());
        Ok(Box::new(&self.bytes[from..]))
    }
}

/// An upload that has begun.
struct Upload<'a> {
    client: &'a Client,
    endpoint: &'a Endpoint,
    reference: &'a Reference,
    /// Where its next part goes.
    location: Url,
    /// The shortest piece that the server takes.
    least: u64,
}

/// What of a blob can be sent, and sent again.
struct Span<'a> {
    source: &'a dyn Source,
    from: u64,
    end: u64,
}

/// What came of asking for a blob from another repository.
enum Mount {
    Done,
    /// An upload was begun instead.
    Begun(Box<Reply>),
    Refused,
}

impl Client {
    /// Whether a repository has a blob.
    pub fn has_blob(&self, reference: &Reference, descriptor: &Descriptor) -> Result<bool> {
        self.ask(reference, Purpose::Push, |endpoint| self.has(endpoint, reference, descriptor))
    }

    /// Sends a blob, unless it is there.
    pub fn push_blob(&self, reference: &Reference, descriptor: &Descriptor, source: &dyn Source) -> Result<Pushed> {
        self.push_blob_from(reference, descriptor, source, &[])
    }

    /// Sends a blob, unless it is there, or in one of these other repositories.
    pub fn push_blob_from(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        source: &dyn Source,
        others: &[Reference],
    ) -> Result<Pushed> {
        self.ask(reference, Purpose::Push, |endpoint| {
            if self.has(endpoint, reference, descriptor)? {
                return Ok(Pushed::Existed);
            }
            let mut begun = None;
            for other in others {
                match self.mount(endpoint, reference, descriptor, other)? {
                    Mount::Done => return Ok(Pushed::Mounted),
                    Mount::Begun(reply) => {
                        begun = Some(Upload::of(self, endpoint, reference, &reply)?);
                        break;
                    }
                    Mount::Refused => {}
                }
            }
            let mut upload = match begun {
                Some(upload) => upload,
                None => Upload::begin(self, endpoint, reference)?,
            };
            let size = descriptor.size;
            // An empty blob has no pieces.
            let piece = self.exchange.settings.chunk.filter(|_| size > 0);
            upload.send(&Span { source, from: 0, end: size }, piece, Some(descriptor.digest))?;
            Ok(Pushed::Sent)
        })
    }

    /// Sends a blob that is being made, as it comes, and says what it was. One that is short is looked for first.
    pub fn stream_blob(
        &self,
        reference: &Reference,
        media_type: &str,
        mut stream: impl Read + Send,
    ) -> Result<(Descriptor, Pushed)> {
        std::thread::scope(|scope| {
            let (made, pieces) = sync_channel(0);
            scope.spawn(move || {
                loop {
                    let mut piece = Vec::new();
                    let read = (&mut stream).take(COMING).read_to_end(&mut piece).map(|_| piece);
                    let last = read.as_ref().map_or(true, |piece| (piece.len() as u64) < COMING);
                    // Nobody may listen any more: then the rest is of no use.
                    if made.send(read).is_err() || last {
                        return;
                    }
                }
            });
            let failed = |source| Error::Source { what: "what is to be sent".to_owned(), source };
            let next = || pieces.recv().unwrap_or_else(|_| Ok(Vec::new())).map_err(failed);
            let mut piece = next()?;
            if (piece.len() as u64) < COMING {
                let descriptor = Descriptor::of(media_type, &piece);
                let pushed = self.push_blob(reference, &descriptor, &Bytes(&piece))?;
                return Ok((descriptor, pushed));
            }
            let endpoints = Endpoint::of(&self.exchange.settings, reference, Purpose::Push)?;
            let none = || Error::NotFound { what: reference.to_string() };
            let mut upload = Upload::begin(self, endpoints.first().ok_or_else(none)?, reference)?;
            let mut hasher = Hasher::default();
            loop {
                let from = hasher.length();
                hasher.update(&piece);
                let (end, source) = (hasher.length(), Behind { before: from, bytes: &piece });
                upload.send(&Span { source: &source, from, end }, Some(COMING), None)?;
                if end - from < COMING {
                    break;
                }
                piece = next()?;
            }
            let (size, digest) = (hasher.length(), hasher.finish());
            upload.send(&Span { source: &Bytes(&[]), from: size, end: size }, Some(COMING), Some(digest))?;
            Ok((Descriptor::new(media_type, digest, size), Pushed::Sent))
        })
    }

    /// Has a registry take a blob over from another of its repositories. False where it does not do that; then the blob
    /// has to be sent.
    pub fn mount_blob(&self, reference: &Reference, descriptor: &Descriptor, from: &Reference) -> Result<bool> {
        self.ask(reference, Purpose::Push, |endpoint| match self.mount(endpoint, reference, descriptor, from)? {
            Mount::Done => Ok(true),
            Mount::Refused => Ok(false),
            Mount::Begun(reply) => {
                // Nobody is going to end it.
                let cancel = Call::get(Target::Url(location(&reply)?), writing(endpoint)).method("DELETE");
                _ = self.call(endpoint, &cancel);
                Ok(false)
            }
        })
    }

    fn mount(
        &self,
        endpoint: &Endpoint,
        reference: &Reference,
        descriptor: &Descriptor,
        from: &Reference,
    ) -> Result<Mount> {
        if from.registry() != reference.registry() || from.path() == reference.path() {
            return Ok(Mount::Refused);
        }
        let others = Endpoint::of(&self.exchange.settings, from, Purpose::Push)?;
        let Some(other) = others.iter().find(|other| other.authority == endpoint.authority) else {
            return Ok(Mount::Refused);
        };
        let query = format!("?mount={}&from={}", escape(&descriptor.digest.to_string()), escape(&other.repository));
        let scope = format!("{} repository:{}:pull", writing(endpoint), other.repository);
        let reply = match self.call(endpoint, &post(endpoint.path(&format!("blobs/uploads/{query}")), scope)) {
            // Whoever may not read there may still send it here.
            Err(error) if error.is_unauthorized() => return Ok(Mount::Refused),
            other => other?,
        };
        match reply.status() {
            201 => Ok(Mount::Done),
            202 => Ok(Mount::Begun(Box::new(reply))),
            401 | 403 | 404 | 405 => Ok(Mount::Refused),
            _ => Err(reply.refusal(reference.registry(), "a mounted blob")),
        }
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

impl<'a> Upload<'a> {
    fn begin(client: &'a Client, endpoint: &'a Endpoint, reference: &'a Reference) -> Result<Self> {
        let reply = client.call(endpoint, &post(endpoint.path("blobs/uploads/"), writing(endpoint)))?;
        let reply = reply.expect(&[202], reference.registry(), "an upload")?;
        Self::of(client, endpoint, reference, &reply)
    }

    fn of(client: &'a Client, endpoint: &'a Endpoint, reference: &'a Reference, reply: &Reply) -> Result<Self> {
        let least = reply.number("oci-chunk-min-length").unwrap_or(0);
        Ok(Self { client, endpoint, reference, location: location(reply)?, least })
    }

    /// Sends a span in pieces of this length, or in one; with a digest it is the blob's last, and ends it.
    fn send(&mut self, span: &Span<'_>, piece: Option<u64>, digest: Option<Digest>) -> Result<()> {
        let patience = self.client.exchange.settings.patience;
        let mut piece = piece.map(|piece| piece.max(self.least).max(1));
        let (mut sent, mut failures) = (span.from, 0);
        loop {
            let result = match (piece, digest) {
                (None, Some(digest)) => {
                    self.finish(Payload::Part { source: span.source, from: 0, length: span.end }, digest)
                }
                (_, None) if sent == span.end => Ok(true),
                (Some(_), Some(digest)) if sent == span.end => self.finish(Payload::None, digest),
                (piece, _) => {
                    let length = piece.unwrap_or(PIECE).min(span.end - sent);
                    self.part(span.source, sent, length).map(|()| {
                        sent += length;
                        false
                    })
                }
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
            piece = Some(piece.unwrap_or(PIECE).max(self.least));
            match self.received()? {
                Some(received) if (span.from..=span.end).contains(&received) => sent = received,
                // It knows nothing of this upload any more.
                _ if span.from == 0 => {
                    *self = Self::begin(self.client, self.endpoint, self.reference)?;
                    sent = 0;
                }
                _ => return Err(error),
            }
        }
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
    fn finish(&mut self, payload: Payload<'_>, digest: Digest) -> Result<bool> {
        let url = self.location.with("digest", &digest.to_string());
        let call = Call::get(Target::Url(url), writing(self.endpoint)).method("PUT");
        let call = call.header("content-type", "application/octet-stream").payload(payload);
        let reply = self.client.call(self.endpoint, &call)?;
        reply.expect(&[201, 204], self.reference.registry(), &digest.to_string())?;
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
