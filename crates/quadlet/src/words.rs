//! Words of a command line in a unit file (systemd.service(5), "Command lines").

use crate::Error;
use std::fmt::Write as _;

/// Splits a value into words: at blanks, but not within quotes, with the escapes of C.
pub fn split(text: &str) -> Result<Vec<String>, Error> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            (_, Some(open)) if letter == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            ('\\', _) => word.get_or_insert_default().push_str(&escape(&mut letters)),
            (_, None) if letter.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    if quote.is_some() {
        return Err(Error::Quote(text.to_owned()));
    }
    words.extend(word);
    Ok(words)
}

/// What stands behind a backslash; what is no escape stays as it is.
fn escape(letters: &mut std::str::Chars<'_>) -> String {
    let one = |letter: char| letter.to_string();
    match letters.next() {
        Some('n') => one('\n'),
        Some('t') => one('\t'),
        Some('r') => one('\r'),
        Some('s') => one(' '),
        Some(letter @ ('\\' | '"' | '\'')) => one(letter),
        Some('x') => {
            let code = letters.as_str().get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
            match code.filter(u8::is_ascii) {
                Some(code) => {
                    letters.nth(1);
                    one(code.into())
                }
                None => "\\x".to_owned(),
            }
        }
        Some(letter) => format!("\\{letter}"),
        None => one('\\'),
    }
}

/// A word as it can stand among others in a unit file. What `%` and `$` mean there they go on meaning.
pub fn quote(word: &str) -> String {
    let plain = |letter: char| !letter.is_whitespace() && !letter.is_control() && !"\"'\\;".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let mut quoted = String::from('"');
    for letter in word.chars() {
        match letter {
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            '"' | '\\' => quoted.extend(['\\', letter]),
            _ if letter.is_control() && letter.is_ascii() => drop(write!(quoted, "\\x{:02x}", letter as u32)),
            _ => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_words_together_and_escapes_are_read() {
        let words = |text| split(text).unwrap();
        assert_eq!(
            words(r#"  a 'b c'  "d \"e\"" f\sg h\x41i '' j\q "#),
            ["a", "b c", "d \"e\"", "f g", "hAi", "", "j\\q"]
        );
        assert_eq!(words("FOO='a b'c"), ["FOO=a bc"]);
        assert!(words("").is_empty());
        assert_eq!(split("a 'b"), Err(Error::Quote("a 'b".into())));
    }

    #[test]
    fn what_is_quoted_is_split_into_the_same() {
        let all = ["a", "", "b c", "d\"e", "f\\g", "h\ni", "j'k", "%n", "$HOME", ";", "\u{1}", "ü ñ"];
        let line = all.map(quote).join(" ");
        assert_eq!(split(&line).unwrap(), all);
        assert!(line.starts_with("a \"\" \"b c\""));
    }
}
