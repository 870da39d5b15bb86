//! Protocol buffers' encoding, as much of it as criu's messages need: numbers and what has a length. Fields of other
//! kinds are passed over; what is cut off or overlong is malformed.

/// A message in the making.
#[derive(Debug, Default)]
pub struct Writer(Vec<u8>);

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH: u64 = 2;
const FIXED32: u64 = 5;

impl Writer {
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// A number that is never negative.
    pub fn number(&mut self, field: u64, number: u64) {
        self.varint(field << 3 | VARINT);
        self.varint(number);
    }

    /// A signed number: a negative one has ten bytes.
    pub fn int(&mut self, field: u64, number: i32) {
        self.number(field, i64::from(number) as u64);
    }

    /// A truth that is said only where it is one.
    pub fn flag(&mut self, field: u64, on: bool) {
        if on {
            self.number(field, 1);
        }
    }

    /// A text.
    pub fn text(&mut self, field: u64, text: &str) {
        self.bytes(field, text.as_bytes());
    }

    /// A message within.
    pub fn message(&mut self, field: u64, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.bytes(field, &inner.0);
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | LENGTH);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// The encoded message.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// A field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// A number.
    Number(u64),
    /// A text or a message.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// As a signed number.
    pub fn int(self) -> i32 {
        match self {
            Self::Number(number) => number as i32,
            Self::Bytes(_) => 0,
        }
    }

    /// As a truth.
    pub fn truth(self) -> bool {
        matches!(self, Self::Number(number) if number != 0)
    }

    /// As bytes.
    pub fn bytes(self) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Number(_) => &[],
        }
    }

    /// As a text.
    pub fn text(self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }
}

/// The fields of a message, in order; `None` if it is malformed.
pub fn fields(mut bytes: &[u8]) -> Option<Vec<(u64, Value<'_>)>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let value = match key & 7 {
            VARINT => Value::Number(varint(&mut bytes)?),
            LENGTH => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let (value, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                Value::Bytes(value)
            }
            kind @ (FIXED64 | FIXED32) => {
                bytes = bytes.get(if kind == FIXED64 { 8 } else { 4 }..)?;
                continue;
            }
            _ => return None,
        };
        fields.push((key >> 3, value));
    }
    Some(fields)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7f) << (7 * index).min(63);
        if byte & 0x80 == 0 {
            *bytes = &bytes[index + 1..];
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_and_texts_are_encoded_as_the_format_documents_them() {
        // protobuf.dev, "Encoding": field 1 = 150, field 2 = "testing", field 3 = a message with field 1 = 150.
        let mut writer = Writer::default();
        writer.number(1, 150);
        writer.text(2, "testing");
        writer.message(3, |inner| inner.number(1, 150));
        let expected = b"\x08\x96\x01\x12\x07testing\x1a\x03\x08\x96\x01";
        assert_eq!(writer.finish(), expected);
        // A negative int32 has ten bytes: -2.
        let mut writer = Writer::default();
        writer.int(1, -2);
        assert_eq!(writer.finish(), b"\x08\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01");
    }

    #[test]
    fn what_is_cut_off_or_overlong_is_malformed() {
        let cases: [&[u8]; 5] =
            [b"\x08", b"\x12\x07test", b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x0b", b"\x09\0"];
        for bytes in cases {
            assert_eq!(fields(bytes), None, "{bytes:?}");
        }
        assert_eq!(fields(b"\x08\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01").unwrap()[0].1.int(), -2);
        assert_eq!(fields(b"\x0d\0\0\0\0\x08\x01"), Some(vec![(1, Value::Number(1))]), "kinds that are passed over");
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_much_for_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = fields(&bytes);
        }

        #[test]
        fn what_was_written_is_read(field in 1_u64..1000, number: u64, text in ".{0,300}") {
            let mut writer = Writer::default();
            writer.number(field, number);
            writer.text(field, &text);
            let bytes = writer.finish();
            let expected = vec![(field, Value::Number(number)), (field, Value::Bytes(text.as_bytes()))];
            prop_assert_eq!(fields(&bytes), Some(expected));
        }
    }
}
