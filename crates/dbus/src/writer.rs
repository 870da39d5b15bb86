//! Values as bytes, in little-endian order (D-Bus specification, "Marshaling").

use crate::signature;
use crate::value::Value;

/// Bytes that begin where a message or its body does, so that boundaries count from their start.
#[derive(Default)]
pub(crate) struct Writer {
    pub bytes: Vec<u8>,
}

impl Writer {
    pub fn align(&mut self, boundary: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(boundary), 0);
    }

    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        self.align(N);
        self.bytes.extend(bytes);
    }

    pub fn u32(&mut self, number: u32) {
        self.put(number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.u32(text.len() as u32);
        self.bytes.extend(text.as_bytes());
        self.bytes.push(0);
    }

    fn signature(&mut self, text: &str) {
        self.bytes.push(text.len() as u8);
        self.bytes.extend(text.as_bytes());
        self.bytes.push(0);
    }

    /// Adds a value whose rules [`check`] has looked at.
    pub fn value(&mut self, value: &Value) {
        match value {
            Value::Byte(byte) => self.bytes.push(*byte),
            Value::Bool(truth) => self.u32(u32::from(*truth)),
            Value::Int16(number) => self.put(number.to_le_bytes()),
            Value::Uint16(number) => self.put(number.to_le_bytes()),
            Value::Int32(number) => self.put(number.to_le_bytes()),
            Value::Uint32(number) | Value::Fd(number) => self.u32(*number),
            Value::Int64(number) => self.put(number.to_le_bytes()),
            Value::Uint64(number) => self.put(number.to_le_bytes()),
            Value::Double(number) => self.put(number.to_le_bytes()),
            Value::Text(text) | Value::Path(text) => self.text(text),
            Value::Signature(text) => self.signature(text),
            Value::Bytes(bytes) => {
                self.u32(bytes.len() as u32);
                self.bytes.extend(bytes);
            }
            Value::Array(element, values) => {
                self.u32(0);
                let length_at = self.bytes.len() - 4;
                // The length does not count what is between it and the first element.
                self.align(element.bytes().next().map_or(1, signature::alignment));
                let start = self.bytes.len();
                for value in values {
                    self.value(value);
                }
                let length = (self.bytes.len() - start) as u32;
                self.bytes[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
            }
            Value::Struct(fields) => {
                self.align(8);
                for field in fields {
                    self.value(field);
                }
            }
            Value::Entry(key, value) => {
                self.align(8);
                self.value(key);
                self.value(value);
            }
            Value::Variant(inner) => {
                self.signature(&inner.signature());
                self.value(inner);
            }
        }
    }
}

/// What forbids a value to be sent, if anything does.
pub(crate) fn check(value: &Value) -> Result<(), &'static str> {
    if !signature::is_valid(value.signature().as_bytes()) {
        return Err("a value's type is none of D-Bus");
    }
    inner(value, 0)
}

fn inner(value: &Value, depth: u8) -> Result<(), &'static str> {
    if depth > signature::DEEPEST {
        return Err("a value lies too deep in others");
    }
    match value {
        Value::Text(text) if text.contains('\0') => Err("a text has a zero byte in it"),
        Value::Path(path) if !is_path(path) => Err("an object path is none"),
        Value::Signature(text) if !signature::is_valid(text.as_bytes()) => Err("a signature is none"),
        Value::Array(element, values) => values.iter().try_for_each(|value| {
            let fits = value.signature() == *element;
            if fits { inner(value, depth + 1) } else { Err("an array's elements are not of its type") }
        }),
        Value::Struct(fields) => fields.iter().try_for_each(|field| inner(field, depth + 1)),
        Value::Entry(key, value) => inner(key, depth + 1).and_then(|()| inner(value, depth + 1)),
        Value::Variant(held) => {
            // One complete type: an entry is none outside of an array.
            let signature = held.signature();
            if signature.len() > signature::LONGEST || signature::first(signature.as_bytes()) != Some(signature.len()) {
                return Err("a variant's type is none of D-Bus");
            }
            inner(held, depth + 1)
        }
        _ => Ok(()),
    }
}

/// `/`, or names of letters, digits and `_` behind a slash each.
pub(crate) fn is_path(path: &str) -> bool {
    let names = |rest: &str| {
        rest.split('/')
            .all(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
    };
    path == "/" || path.strip_prefix('/').is_some_and(names)
}
