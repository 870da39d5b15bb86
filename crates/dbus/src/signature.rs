//! Signatures: the types of values as text (D-Bus specification, "Type system").

/// The longest signature, and how deep arrays and structs may each lie in one another.
pub(crate) const LONGEST: usize = 255;
pub(crate) const DEEPEST: u8 = 32;

/// How many bytes the first complete type of a signature has; nothing if it has none.
pub(crate) fn first(signature: &[u8]) -> Option<usize> {
    complete(signature, 0, 0)
}

/// Is this a list of complete types?
pub(crate) fn is_valid(signature: &[u8]) -> bool {
    let mut rest = signature;
    while !rest.is_empty() {
        let Some(length) = first(rest) else { return false };
        rest = &rest[length..];
    }
    signature.len() <= LONGEST
}

fn complete(signature: &[u8], arrays: u8, structs: u8) -> Option<usize> {
    if arrays > DEEPEST || structs > DEEPEST {
        return None;
    }
    match *signature.first()? {
        code if is_basic(code) || code == b'v' => Some(1),
        b'a' => match *signature.get(1)? {
            b'{' => {
                let key = *signature.get(2)?;
                let value = complete(signature.get(3..)?, arrays + 1, structs + 1)?;
                (is_basic(key) && signature.get(3 + value) == Some(&b'}')).then_some(value + 4)
            }
            _ => complete(&signature[1..], arrays + 1, structs).map(|length| length + 1),
        },
        b'(' => {
            let mut at = 1;
            while *signature.get(at)? != b')' {
                at += complete(&signature[at..], arrays, structs + 1)?;
            }
            (at > 1).then_some(at + 1)
        }
        _ => None,
    }
}

fn is_basic(code: u8) -> bool {
    b"ybnqiuxtdsogh".contains(&code)
}

/// The boundary on which a value of this type begins.
pub(crate) fn alignment(code: u8) -> usize {
    match code {
        b'n' | b'q' => 2,
        b'b' | b'i' | b'u' | b'h' | b's' | b'o' | b'a' => 4,
        b'x' | b't' | b'd' | b'(' | b'{' => 8,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complete_types_are_told_apart() {
        assert_eq!(first(b"a(sv)a(sa(sv))"), Some(5));
        assert_eq!(first(b"a{sv}s"), Some(5));
        assert!(is_valid(b"ssa(sv)a(sa(sv))") && is_valid(b""));
    }

    #[test]
    fn what_is_no_type_is_told() {
        for text in ["a", "(", "()", "(s", "{sv}", "a{vs}", "a{s}", "a{sss}", "z", ")", "e"] {
            assert!(!is_valid(text.as_bytes()), "{text}");
        }
        assert!(!is_valid("a".repeat(33).as_bytes()) && !is_valid(format!("{}s", "a".repeat(33)).as_bytes()));
        assert!(is_valid(format!("{}s", "a".repeat(32)).as_bytes()));
        assert!(!is_valid(&[b's'; 256]));
    }
}
