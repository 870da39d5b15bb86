//! Messages: a header of fixed and of named fields, and a body.

use crate::connection::Call;
use crate::error::{Error, Result};
use crate::reader::{Order, Reader};
use crate::value::Value;
use crate::writer::{self, Writer};

/// The header's part whose length is known beforehand, the length of the named fields included.
pub(crate) const FIXED: usize = 16;

/// The largest message that we take. What we ask for is answered in a few hundred bytes; the protocol's own bound is
/// 128 MiB.
const LARGEST: usize = 1 << 20;

const NO_REPLY_EXPECTED: u8 = 1;

/// The named fields that we set or look at.
mod field {
    pub const PATH: u8 = 1;
    pub const INTERFACE: u8 = 2;
    pub const MEMBER: u8 = 3;
    pub const ERROR_NAME: u8 = 4;
    pub const REPLY_SERIAL: u8 = 5;
    pub const DESTINATION: u8 = 6;
    pub const SIGNATURE: u8 = 8;
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Somebody calls a method of ours.
    Call,
    /// An answer.
    Return,
    /// An answer that says no.
    Error,
    /// News.
    Signal,
    /// A kind that came into the world after us; to be passed over.
    Unknown,
}

/// A message that came.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// What it is.
    pub kind: Kind,
    /// To which message of ours it is the answer.
    pub reply_serial: Option<u32>,
    /// An error's name.
    pub error: Option<String>,
    /// A signal's interface.
    pub interface: Option<String>,
    /// A signal's name.
    pub member: Option<String>,
    /// The object that it comes from or is for.
    pub path: Option<String>,
    /// Its values.
    pub body: Vec<Value>,
}

impl Message {
    /// How long the message that begins with these bytes is; nothing before enough of it is there.
    pub fn length(bytes: &[u8]) -> Result<Option<usize>> {
        let Some(fixed) = bytes.get(..FIXED) else { return Ok(None) };
        let order = order(fixed)?;
        if fixed[3] != 1 {
            return Err(Error::Protocol("it is of another version of the protocol"));
        }
        let number = |at: usize| {
            let bytes = fixed[at..at + 4].try_into().unwrap_or_default();
            if order == Order::Little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) }
        };
        let (body, fields) = (number(4) as usize, number(12) as usize);
        if body > LARGEST || fields > LARGEST {
            return Err(Error::Protocol("it is larger than a mebibyte"));
        }
        Ok(Some((FIXED + fields).next_multiple_of(8) + body))
    }

    /// Reads one whole message.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let length = Self::length(bytes)?.ok_or(Error::Protocol("it ends too early"))?;
        let bytes = bytes.get(..length).ok_or(Error::Protocol("it ends too early"))?;
        let order = order(bytes)?;
        let mut reader = Reader::new(bytes, order);
        let mut message = Self {
            kind: match bytes[1] {
                0 => return Err(Error::Protocol("it is of no kind")),
                1 => Kind::Call,
                2 => Kind::Return,
                3 => Kind::Error,
                4 => Kind::Signal,
                _ => Kind::Unknown,
            },
            reply_serial: None,
            error: None,
            interface: None,
            member: None,
            path: None,
            body: Vec::new(),
        };
        let mut signature = String::new();
        reader.values("yyyyuu")?;
        let fields = reader.values("a(yv)")?;
        let Some(Value::Array(_, fields)) = fields.into_iter().next() else {
            return Err(Error::Protocol("its header is none"));
        };
        for field in fields {
            let Value::Struct(pair) = field else { continue };
            let [Value::Byte(code), Value::Variant(value)] = pair.as_slice() else { continue };
            match (*code, value.as_ref()) {
                (field::PATH, Value::Path(path)) => message.path = Some(path.clone()),
                (field::INTERFACE, Value::Text(name)) => message.interface = Some(name.clone()),
                (field::MEMBER, Value::Text(name)) => message.member = Some(name.clone()),
                (field::ERROR_NAME, Value::Text(name)) => message.error = Some(name.clone()),
                (field::REPLY_SERIAL, Value::Uint32(serial)) => message.reply_serial = Some(*serial),
                (field::SIGNATURE, Value::Signature(text)) => signature.clone_from(text),
                (field::DESTINATION, Value::Text(_)) => {}
                (1..=6 | 8, _) => return Err(Error::Protocol("a field of its header is of the wrong type")),
                _ => {}
            }
        }
        reader.align(8)?;
        let mut body = Reader::new(&bytes[reader.position()..], order);
        message.body = body.values(&signature)?;
        if reader.position() + body.position() != length {
            return Err(Error::Protocol("its body is longer than its signature"));
        }
        Ok(message)
    }
}

fn order(bytes: &[u8]) -> Result<Order> {
    match bytes.first() {
        Some(b'l') => Ok(Order::Little),
        Some(b'B') => Ok(Order::Big),
        _ => Err(Error::Protocol("its order of bytes is none")),
    }
}

/// A call as bytes.
pub(crate) fn call(call: &Call<'_>, serial: u32, wants_reply: bool) -> Result<Vec<u8>> {
    let refuse = |problem| Error::Message { what: call.member.to_owned(), problem };
    let mut signature = String::new();
    let mut body = Writer::default();
    for value in &call.body {
        writer::check(value).map_err(refuse)?;
        value.sign(&mut signature);
        body.value(value);
    }
    if !crate::signature::is_valid(signature.as_bytes()) || body.bytes.len() > LARGEST {
        return Err(refuse("it has too much to say"));
    }
    let field = |code: u8, value: Value| Value::Struct(vec![Value::Byte(code), Value::Variant(Box::new(value))]);
    let mut fields = vec![
        field(field::PATH, Value::Path(call.path.to_owned())),
        field(field::INTERFACE, call.interface.into()),
        field(field::MEMBER, call.member.into()),
    ];
    if !call.destination.is_empty() {
        fields.push(field(field::DESTINATION, call.destination.into()));
    }
    if !signature.is_empty() {
        fields.push(field(field::SIGNATURE, Value::Signature(signature)));
    }
    let fields = Value::Array("(yv)".to_owned(), fields);
    writer::check(&fields).map_err(refuse)?;
    let mut message = Writer::default();
    message.bytes.extend([b'l', 1, if wants_reply { 0 } else { NO_REPLY_EXPECTED }, 1]);
    message.u32(body.bytes.len() as u32);
    message.u32(serial);
    message.value(&fields);
    message.align(8);
    message.bytes.extend(body.bytes);
    Ok(message.bytes)
}
