//! Bytes as values. What comes may be anything: every length is held against what is left, and nesting against the
//! specification's bounds.

use crate::error::{Error, Result};
use crate::signature;
use crate::value::Value;
use crate::writer::is_path;

/// The order of a message's bytes, which its sender chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Little,
    Big,
}

/// A place in bytes that begin where a message or its body does.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    order: Order,
}

const SHORT: Error = Error::Protocol("it ends too early");

macro_rules! numbers {
    ($($name:ident $number:ty)*) => {
        $(fn $name(&mut self) -> Result<$number> {
            let bytes = self.aligned()?;
            Ok(match self.order {
                Order::Little => <$number>::from_le_bytes(bytes),
                Order::Big => <$number>::from_be_bytes(bytes),
            })
        })*
    };
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8], order: Order) -> Self {
        Self { bytes, at: 0, order }
    }

    pub fn position(&self) -> usize {
        self.at
    }

    pub fn align(&mut self, boundary: usize) -> Result<()> {
        let padding = self.take(self.at.next_multiple_of(boundary) - self.at)?;
        if padding.iter().any(|byte| *byte != 0) {
            Err(Error::Protocol("what is between two values is not zero"))
        } else {
            Ok(())
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(length).ok_or(SHORT)?;
        let bytes = self.bytes.get(self.at..end).ok_or(SHORT)?;
        self.at = end;
        Ok(bytes)
    }

    fn aligned<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.align(N)?;
        self.take(N)?.try_into().map_err(|_| SHORT)
    }

    numbers! { i16 i16 u16 u16 i32 i32 i64 i64 u64 u64 f64 f64 }

    pub fn u32(&mut self) -> Result<u32> {
        let bytes = self.aligned()?;
        Ok(match self.order {
            Order::Little => u32::from_le_bytes(bytes),
            Order::Big => u32::from_be_bytes(bytes),
        })
    }

    pub fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn text(&mut self, length: usize) -> Result<String> {
        let bytes = self.take(length)?;
        if self.byte()? != 0 || bytes.contains(&0) {
            return Err(Error::Protocol("a text does not end where it should"));
        }
        String::from_utf8(bytes.to_vec()).map_err(|_| Error::Protocol("a text is not UTF-8"))
    }

    pub fn signature(&mut self) -> Result<String> {
        let length = self.byte()?.into();
        let text = self.text(length)?;
        if signature::is_valid(text.as_bytes()) { Ok(text) } else { Err(Error::Protocol("a signature is none")) }
    }

    /// The values that a valid signature describes.
    pub fn values(&mut self, signature: &str) -> Result<Vec<Value>> {
        self.list(signature.as_bytes(), 0)
    }

    fn list(&mut self, mut signature: &[u8], depth: u8) -> Result<Vec<Value>> {
        let mut values = Vec::new();
        while !signature.is_empty() {
            let length = signature::first(signature).ok_or(Error::Protocol("a signature is none"))?;
            values.push(self.value(&signature[..length], depth)?);
            signature = &signature[length..];
        }
        Ok(values)
    }

    /// One value of one complete type.
    fn value(&mut self, signature: &[u8], depth: u8) -> Result<Value> {
        if depth > signature::DEEPEST {
            return Err(Error::Protocol("a value lies too deep in others"));
        }
        Ok(match signature {
            b"y" => Value::Byte(self.byte()?),
            b"b" => match self.u32()? {
                0 => Value::Bool(false),
                1 => Value::Bool(true),
                _ => return Err(Error::Protocol("a boolean is neither 0 nor 1")),
            },
            b"n" => Value::Int16(self.i16()?),
            b"q" => Value::Uint16(self.u16()?),
            b"i" => Value::Int32(self.i32()?),
            b"u" => Value::Uint32(self.u32()?),
            b"x" => Value::Int64(self.i64()?),
            b"t" => Value::Uint64(self.u64()?),
            b"d" => Value::Double(self.f64()?),
            b"h" => Value::Fd(self.u32()?),
            b"g" => Value::Signature(self.signature()?),
            b"s" | b"o" => {
                let length = self.u32()? as usize;
                let text = self.text(length)?;
                match signature {
                    b"s" => Value::Text(text),
                    _ if is_path(&text) => Value::Path(text),
                    _ => return Err(Error::Protocol("an object path is none")),
                }
            }
            b"v" => {
                let inner = self.signature()?;
                if signature::first(inner.as_bytes()) != Some(inner.len()) {
                    return Err(Error::Protocol("a variant holds not one value"));
                }
                Value::Variant(Box::new(self.value(inner.as_bytes(), depth + 1)?))
            }
            [b'a', element @ ..] => self.array(element, depth)?,
            [b'(', fields @ .., b')'] => {
                self.align(8)?;
                Value::Struct(self.list(fields, depth + 1)?)
            }
            _ => return Err(Error::Protocol("a signature is none")),
        })
    }

    fn array(&mut self, element: &[u8], depth: u8) -> Result<Value> {
        let length = self.u32()? as usize;
        self.align(element.first().map_or(1, |code| signature::alignment(*code)))?;
        if element == b"y" {
            return Ok(Value::Bytes(self.take(length)?.to_vec()));
        }
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len()).ok_or(SHORT)?;
        let mut values = Vec::new();
        // Every element takes a byte at least, so that this ends.
        while self.at < end {
            values.push(match element {
                [b'{', key, value @ .., b'}'] => {
                    self.align(8)?;
                    let key = self.value(&[*key], depth + 1)?;
                    Value::Entry(Box::new(key), Box::new(self.value(value, depth + 1)?))
                }
                _ => self.value(element, depth + 1)?,
            });
        }
        if self.at != end {
            return Err(Error::Protocol("an array does not end where it should"));
        }
        Ok(Value::Array(String::from_utf8_lossy(element).into_owned(), values))
    }
}
