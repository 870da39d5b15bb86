//! Text and actions, and an action's words.

use crate::error::{Error, Result};

/// A word of an action.
#[derive(Debug, Clone, PartialEq)]
pub enum Word {
    /// `if`, `index`, `true`.
    Name(String),
    /// `.Name`.
    Field(String),
    /// `.` alone.
    Dot,
    /// `$name`, without the sign.
    Variable(String),
    Text(String),
    Integer(i64),
    Float(f64),
    Open,
    Close,
    Pipe,
    Comma,
    /// `:=`.
    Declare,
    /// `=`.
    Assign,
}

/// A word with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    pub at: usize,
    pub word: Word,
    /// A space stands before it, so that it belongs to nothing that came.
    pub apart: bool,
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    Text(String),
    Action { at: usize, tokens: Vec<Token> },
}

const OPEN: &str = "{{";
const CLOSE: &str = "}}";

/// Splits a template into text and actions; comments are gone and spaces trimmed where the template says so.
pub fn pieces(text: &str) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = 0;
    let mut trim_next = false;
    loop {
        let open = text[rest..].find(OPEN).map(|at| rest + at);
        let mut literal = &text[rest..open.unwrap_or(text.len())];
        if trim_next {
            literal = literal.trim_start_matches(is_space);
        }
        let Some(open) = open else {
            push_text(&mut pieces, literal);
            return Ok(pieces);
        };
        let mut at = open + OPEN.len();
        // A minus is a trim mark only when a space follows: {{-3}} is a number.
        if text[at..].starts_with('-') && text[at + 1..].starts_with(is_space) {
            literal = literal.trim_end_matches(is_space);
            at += 1;
        }
        push_text(&mut pieces, literal);
        let inside = text[at..].trim_start_matches(is_space);
        if inside.starts_with("/*") {
            let start = text.len() - inside.len();
            let end = text[start..].find("*/").ok_or_else(|| Error::new(open, "a comment without its end"))?;
            let after = start + end + 2;
            let tail = text[after..].trim_start_matches(is_space);
            trim_next = tail.starts_with("-}}") && text[after..].starts_with(is_space);
            let close = if trim_next { "-}}" } else { CLOSE };
            if !tail.starts_with(close) {
                return Err(Error::new(after, "a comment does not end its action"));
            }
            rest = text.len() - tail.len() + close.len();
            continue;
        }
        let (tokens, end, trims) = Words { text, at }.all(open)?;
        pieces.push(Piece::Action { at: open, tokens });
        (rest, trim_next) = (end, trims);
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

fn is_of_name(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

struct Words<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Words<'a> {
    /// The words up to the action's end, where that is, and whether spaces after it go.
    fn all(mut self, open: usize) -> Result<(Vec<Token>, usize, bool)> {
        let mut tokens = Vec::new();
        loop {
            let before = self.at;
            self.take_while(is_space);
            let apart = self.at > before;
            if self.rest().starts_with(CLOSE) {
                return Ok((tokens, self.at + CLOSE.len(), false));
            }
            if apart && self.rest().starts_with("-}}") {
                return Ok((tokens, self.at + 3, true));
            }
            let at = self.at;
            let Some(first) = self.rest().chars().next() else {
                return Err(Error::new(open, "an action without its end }}"));
            };
            let word = self.word(first)?;
            tokens.push(Token { at, word, apart });
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|character| !belongs(character)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn word(&mut self, first: char) -> Result<Word> {
        let at = self.at;
        let single = match first {
            '(' => Some(Word::Open),
            ')' => Some(Word::Close),
            '|' => Some(Word::Pipe),
            ',' => Some(Word::Comma),
            '=' => Some(Word::Assign),
            _ => None,
        };
        if let Some(word) = single {
            self.at += 1;
            return Ok(word);
        }
        match first {
            ':' if self.rest().starts_with(":=") => {
                self.at += 2;
                Ok(Word::Declare)
            }
            '"' => self.quoted(),
            '`' => {
                let inside = &self.rest()[1..];
                let end = inside.find('`').ok_or_else(|| Error::new(at, "a raw string without its end"))?;
                self.at += end + 2;
                Ok(Word::Text(inside[..end].to_owned()))
            }
            '\'' => {
                self.at += 1;
                let character = self.character('\'')?;
                let character = character.ok_or_else(|| Error::new(at, "an empty character"))?;
                if !self.rest().starts_with('\'') {
                    return Err(Error::new(at, "a character without its end"));
                }
                self.at += 1;
                Ok(Word::Integer(u32::from(character).into()))
            }
            '$' => {
                self.at += 1;
                Ok(Word::Variable(self.take_while(is_of_name).to_owned()))
            }
            '.' if !self.rest()[1..].starts_with(|next: char| next.is_ascii_digit()) => {
                self.at += 1;
                let name = self.take_while(is_of_name);
                Ok(if name.is_empty() { Word::Dot } else { Word::Field(name.to_owned()) })
            }
            '+' | '-' | '.' | '0'..='9' => self.number(),
            other if is_of_name(other) => Ok(Word::Name(self.take_while(is_of_name).to_owned())),
            other => Err(Error::new(at, format!("unexpected {other:?}"))),
        }
    }

    fn number(&mut self) -> Result<Word> {
        let at = self.at;
        let signed = self.rest().starts_with(['+', '-']);
        self.at += usize::from(signed);
        let hex = self.rest().starts_with("0x") || self.rest().starts_with("0X");
        let mut previous = ' ';
        let rest = self.rest();
        let end = rest.find(|character: char| {
            let sign = matches!(character, '+' | '-') && matches!(previous, 'e' | 'E') && !hex;
            previous = character;
            !(sign || character.is_ascii_alphanumeric() || matches!(character, '.' | '_'))
        });
        self.at += end.unwrap_or(rest.len());
        let text = self.text[at..self.at].replace('_', "");
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", text.strip_prefix('+').unwrap_or(&text)),
        };
        let lower = digits.to_ascii_lowercase();
        let based = |digits: &str, base| i64::from_str_radix(&format!("{sign}{digits}"), base).ok();
        let integer = match (lower.strip_prefix("0x"), lower.strip_prefix("0o"), lower.strip_prefix("0b")) {
            (Some(hex), ..) => based(hex, 16),
            (_, Some(octal), _) => based(octal, 8),
            (.., Some(binary)) => based(binary, 2),
            _ if lower.len() > 1 && lower.starts_with('0') && lower.bytes().all(|byte| byte.is_ascii_digit()) => {
                based(&lower, 8)
            }
            _ => based(&lower, 10),
        };
        let float = || text.parse().ok().filter(|float: &f64| float.is_finite()).map(Word::Float);
        integer.map(Word::Integer).or_else(float).ok_or_else(|| Error::new(at, format!("bad number {text:?}")))
    }

    fn quoted(&mut self) -> Result<Word> {
        let at = self.at;
        self.at += 1;
        let mut text = String::new();
        while let Some(character) = self.character('"')? {
            text.push(character);
        }
        if !self.rest().starts_with('"') {
            return Err(Error::new(at, "a string without its end"));
        }
        self.at += 1;
        Ok(Word::Text(text))
    }

    /// The next character of a quoted text, an escape taken together; none at the closing quote or the end.
    fn character(&mut self, quote: char) -> Result<Option<char>> {
        let at = self.at;
        let mut characters = self.rest().chars();
        let Some(first) = characters.next().filter(|first| *first != quote) else { return Ok(None) };
        self.at += first.len_utf8();
        if first == '\n' {
            return Err(Error::new(at, "a string without its end"));
        }
        if first != '\\' {
            return Ok(Some(first));
        }
        let bad = || Error::new(at, "unknown escape");
        let escape = characters.next().ok_or_else(bad)?;
        self.at += escape.len_utf8();
        let digits = match escape {
            'a' => return Ok(Some('\u{7}')),
            'b' => return Ok(Some('\u{8}')),
            'f' => return Ok(Some('\u{c}')),
            'n' => return Ok(Some('\n')),
            'r' => return Ok(Some('\r')),
            't' => return Ok(Some('\t')),
            'v' => return Ok(Some('\u{b}')),
            '\\' | '\'' | '"' => return Ok(Some(escape)),
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => return Err(bad()),
        };
        let code = self.rest().get(..digits).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        self.at += digits;
        code.and_then(char::from_u32).map(Some).ok_or_else(bad)
    }
}
