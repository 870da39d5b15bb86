//! Values with their types.

/// A value of D-Bus.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `y`
    Byte(u8),
    /// `b`
    Bool(bool),
    /// `n`
    Int16(i16),
    /// `q`
    Uint16(u16),
    /// `i`
    Int32(i32),
    /// `u`
    Uint32(u32),
    /// `x`
    Int64(i64),
    /// `t`
    Uint64(u64),
    /// `d`
    Double(f64),
    /// `s`
    Text(String),
    /// `o`
    Path(String),
    /// `g`
    Signature(String),
    /// `h`, a place in the list of fds that came with the message.
    Fd(u32),
    /// `ay`, the common array of small things.
    Bytes(Vec<u8>),
    /// `a`, the type of its elements, and they.
    Array(String, Vec<Self>),
    /// `(…)`
    Struct(Vec<Self>),
    /// `{…}`, only in an array.
    Entry(Box<Self>, Box<Self>),
    /// `v`
    Variant(Box<Self>),
}

impl Value {
    /// Its type.
    pub fn signature(&self) -> String {
        let mut text = String::new();
        self.sign(&mut text);
        text
    }

    pub(crate) fn sign(&self, text: &mut String) {
        match self {
            Self::Bytes(_) => text.push_str("ay"),
            Self::Array(element, _) => {
                text.push('a');
                text.push_str(element);
            }
            Self::Struct(fields) => {
                text.push('(');
                for field in fields {
                    field.sign(text);
                }
                text.push(')');
            }
            Self::Entry(key, value) => {
                text.push('{');
                key.sign(text);
                value.sign(text);
                text.push('}');
            }
            basic => text.push(basic.code()),
        }
    }

    fn code(&self) -> char {
        match self {
            Self::Byte(_) => 'y',
            Self::Bool(_) => 'b',
            Self::Int16(_) => 'n',
            Self::Uint16(_) => 'q',
            Self::Int32(_) => 'i',
            Self::Uint32(_) => 'u',
            Self::Int64(_) => 'x',
            Self::Uint64(_) => 't',
            Self::Double(_) => 'd',
            Self::Text(_) => 's',
            Self::Path(_) => 'o',
            Self::Signature(_) => 'g',
            Self::Fd(_) => 'h',
            Self::Bytes(_) | Self::Array(..) => 'a',
            Self::Struct(_) => '(',
            Self::Entry(..) => '{',
            Self::Variant(_) => 'v',
        }
    }

    /// The text of a string, an object path or a signature.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Path(text) | Self::Signature(text) => Some(text),
            Self::Variant(inner) => inner.as_str(),
            _ => None,
        }
    }

    /// An array of texts.
    pub fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::Array("s".to_owned(), texts.into_iter().map(|text| Self::Text(text.into())).collect())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Uint64(number)
    }
}
