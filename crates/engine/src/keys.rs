//! The keys that leave a container (`--detach-keys`), found in what is typed.

use std::str::FromStr;

/// Keys in a row. Those that began one and do not end it go on to the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    keys: Vec<u8>,
    /// How many of them have been typed.
    typed: usize,
}

impl Default for Keys {
    /// docker's and podman's: ctrl-p, ctrl-q.
    fn default() -> Self {
        Self { keys: vec![0x10, 0x11], typed: 0 }
    }
}

impl FromStr for Keys {
    type Err = crate::flags::Invalid;

    /// `ctrl-p,ctrl-q`: single characters and `ctrl-` with a letter or one of `@ [ \\ ] ^ _`. Nothing means that no keys
    /// leave it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |word: &str| {
            crate::flags::Invalid::new(word, "not a key").hint("single characters and ctrl-LETTER, with commas between")
        };
        let mut keys = Vec::new();
        for word in text.split(',').filter(|_| !text.is_empty()) {
            let key = match (word.as_bytes(), word.strip_prefix("ctrl-").map(str::as_bytes)) {
                ([key], _) => *key,
                (_, Some([letter @ (b'a'..=b'z' | b'@' | b'[' | b'\\' | b']' | b'^' | b'_')])) => letter & 0x1f,
                _ => return Err(wrong(word)),
            };
            keys.push(key);
        }
        Ok(Self { keys, typed: 0 })
    }
}

impl Keys {
    /// Nothing leaves it.
    pub fn none() -> Self {
        Self { keys: Vec::new(), typed: 0 }
    }

    /// What of these bytes goes to the container, and whether the keys are complete.
    pub fn pass(&mut self, bytes: &[u8]) -> (Vec<u8>, bool) {
        let mut out = Vec::with_capacity(self.typed + bytes.len());
        for &byte in bytes {
            if self.keys.get(self.typed) == Some(&byte) {
                self.typed += 1;
                if self.typed == self.keys.len() {
                    self.typed = 0;
                    return (out, true);
                }
                continue;
            }
            if self.typed == 0 {
                out.push(byte);
                continue;
            }
            // The longest end of what was typed that may still begin the keys is kept; what is before it goes on.
            let mut seen: Vec<u8> = self.keys.iter().copied().take(self.typed).chain([byte]).collect();
            while !seen.is_empty() && !self.keys.starts_with(&seen) {
                out.push(seen.remove(0));
            }
            self.typed = seen.len();
        }
        (out, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Keys {
        text.parse().expect("keys")
    }

    #[test]
    fn keys_that_are_typed_in_pieces_are_found_and_others_go_on() {
        let mut default = Keys::default();
        assert_eq!(default, keys("ctrl-p,ctrl-q"));
        assert_eq!(default.pass(b"a\x10"), (b"a".to_vec(), false));
        assert_eq!(default.pass(b"\x11rest"), (Vec::new(), true));
        assert_eq!(default.pass(b"\x10b"), (b"\x10b".to_vec(), false));
        assert_eq!(default.pass(b"\x10\x10\x11"), (b"\x10".to_vec(), true));
        let mut same = keys("a,a,b");
        assert_eq!(same.pass(b"aaab"), (b"a".to_vec(), true));
    }

    #[test]
    fn no_keys_leave_nothing_behind() {
        let mut none = keys("");
        assert_eq!(none.pass(b"\x10\x11"), (b"\x10\x11".to_vec(), false));
        assert_eq!(keys("ctrl-@,x").keys, [0, b'x']);
        assert!("ctrl-1".parse::<Keys>().is_err());
        assert!("ab".parse::<Keys>().is_err());
    }
}
