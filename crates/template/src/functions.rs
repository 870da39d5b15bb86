//! Go's functions and docker's.

use crate::execute::truth;
use crate::print::{exponent_of, print, shortest, with_exponent};
use serde_json::Value;
use std::cmp::Ordering;
use std::fmt::Write as _;

/// Why a call failed.
type Outcome = Result<Value, String>;

const NAMES: &[&str] = &[
    "and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "len", "index", "slice", "print", "printf", "println",
    "html", "js", "urlquery", "json", "split", "join", "title", "lower", "upper", "pad", "truncate",
];

/// The widest that `pad` and a verb of `printf` make anything; the language's own formatting goes a little further.
const WIDEST: usize = 60_000;

/// Whether there is such a function.
pub fn exists(name: &str) -> bool {
    NAMES.contains(&name)
}

/// The truth at which `and` and `or` stop looking.
pub fn short_circuit(name: &str) -> Option<bool> {
    match name {
        "and" => Some(false),
        "or" => Some(true),
        _ => None,
    }
}

/// Calls a function.
pub fn call(name: &str, arguments: &[Value]) -> Outcome {
    match (name, arguments) {
        ("not", [value]) => Ok((!truth(value)).into()),
        ("eq", [first, others @ ..]) if !others.is_empty() => {
            let mut any = false;
            for other in others {
                any |= equal(first, other)?;
            }
            Ok(any.into())
        }
        ("ne", [first, second]) => Ok((!equal(first, second)?).into()),
        ("lt", [first, second]) => Ok((compare(first, second)? == Ordering::Less).into()),
        ("le", [first, second]) => Ok((compare(first, second)? != Ordering::Greater).into()),
        ("gt", [first, second]) => Ok((compare(first, second)? == Ordering::Greater).into()),
        ("ge", [first, second]) => Ok((compare(first, second)? != Ordering::Less).into()),
        ("len", [value]) => length(value),
        ("index", [value, indices @ ..]) => indices.iter().try_fold(value.clone(), |value, at| index(&value, at)),
        ("slice", [value, bounds @ ..]) if bounds.len() <= 3 => slice(value, bounds),
        ("print", values) => Ok(print_all(values, false).into()),
        ("println", values) => Ok((print_all(values, true) + "\n").into()),
        ("printf", [Value::String(format), values @ ..]) => Ok(printf(format, values).into()),
        ("html", values) => Ok(escape(&print_all(values, false), html).into()),
        ("js", values) => Ok(escape(&print_all(values, false), js).into()),
        ("urlquery", values) => Ok(urlquery(&print_all(values, false)).into()),
        ("json", [value]) => Ok(value.to_string().into()),
        ("split", [text, separator]) => {
            let (text, separator) = (string(text)?, string(separator)?);
            let parts: Vec<Value> = if separator.is_empty() {
                text.chars().map(|part| part.to_string().into()).collect()
            } else {
                text.split(separator).map(Into::into).collect()
            };
            Ok(parts.into())
        }
        ("join", [Value::Array(items), separator]) => {
            let items: Result<Vec<&str>, String> = items.iter().map(string).collect();
            Ok(items?.join(string(separator)?).into())
        }
        ("join", [Value::Null, _]) => Ok("".into()),
        ("title", [text]) => Ok(title(string(text)?).into()),
        ("lower", [text]) => Ok(string(text)?.to_lowercase().into()),
        ("upper", [text]) => Ok(string(text)?.to_uppercase().into()),
        ("pad", [text, before, after]) => {
            let text = string(text)?;
            // As docker: nothing stays nothing.
            if text.is_empty() {
                return Ok("".into());
            }
            Ok(format!("{}{text}{}", " ".repeat(width(before)?), " ".repeat(width(after)?)).into())
        }
        ("truncate", [text, length]) => Ok(string(text)?.chars().take(width(length)?).collect::<String>().into()),
        (_, arguments) => Err(format!("it cannot be called with {} of these arguments", arguments.len())),
    }
}

fn string(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| format!("{value} is not a text"))
}

fn width(value: &Value) -> Result<usize, String> {
    let width = value.as_u64().ok_or_else(|| format!("{value} is no width"))?;
    Ok(usize::try_from(width).unwrap_or(WIDEST).min(WIDEST))
}

/// Equality of what Go calls basic kinds, and of nil.
fn equal(first: &Value, second: &Value) -> Result<bool, String> {
    match (first, second) {
        (Value::Null, _) | (_, Value::Null) => Ok(first.is_null() && second.is_null()),
        (Value::Bool(first), Value::Bool(second)) => Ok(first == second),
        (Value::String(_), Value::String(_)) | (Value::Number(_), Value::Number(_)) => {
            Ok(compare(first, second)? == Ordering::Equal)
        }
        _ => Err("incompatible types for comparison".to_owned()),
    }
}

fn compare(first: &Value, second: &Value) -> Result<Ordering, String> {
    let incompatible = || "incompatible types for comparison".to_owned();
    match (first, second) {
        (Value::String(first), Value::String(second)) => Ok(first.cmp(second)),
        (Value::Number(one), Value::Number(two)) => match (one.as_i128(), two.as_i128()) {
            (Some(one), Some(two)) => Ok(one.cmp(&two)),
            // Go does not compare an integer with a float.
            (None, None) => one.as_f64().partial_cmp(&two.as_f64()).ok_or_else(incompatible),
            _ => Err(incompatible()),
        },
        _ => Err(incompatible()),
    }
}

fn length(value: &Value) -> Outcome {
    match value {
        Value::String(text) => Ok(text.len().into()),
        Value::Array(items) => Ok(items.len().into()),
        Value::Object(map) => Ok(map.len().into()),
        // A slice or map that is nil comes out of JSON so.
        Value::Null => Ok(0.into()),
        other => Err(format!("len of {other}")),
    }
}

fn index(value: &Value, at: &Value) -> Outcome {
    match (value, at) {
        // What a map does not have is its zero value.
        (Value::Object(map), Value::String(key)) => {
            let none = if map.values().all(Value::is_string) { "".into() } else { Value::Null };
            Ok(map.get(key).cloned().unwrap_or(none))
        }
        (Value::Array(items), Value::Number(number)) => {
            let item = number.as_u64().and_then(|at| items.get(usize::try_from(at).ok()?));
            item.cloned().ok_or_else(|| format!("index out of range: {number}"))
        }
        (Value::String(text), Value::Number(number)) => {
            let byte = number.as_u64().and_then(|at| text.as_bytes().get(usize::try_from(at).ok()?));
            byte.map(|byte| (*byte).into()).ok_or_else(|| format!("index out of range: {number}"))
        }
        (Value::Null, _) => Err("index of nil".to_owned()),
        _ => Err(format!("cannot index with {at}")),
    }
}

fn slice(value: &Value, bounds: &[Value]) -> Outcome {
    let length = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.len(),
        other => return Err(format!("slice of {other}")),
    };
    let bound = |at: usize, default| match bounds.get(at) {
        None => Ok(default),
        Some(bound) => {
            let bound = bound.as_u64().and_then(|bound| usize::try_from(bound).ok());
            bound.filter(|bound| *bound <= length).ok_or_else(|| "index out of range".to_owned())
        }
    };
    let (from, to) = (bound(0, 0)?, bound(1, length)?);
    let part = match value {
        Value::String(text) => text.get(from..to).map(Value::from),
        Value::Array(items) => items.get(from..to).map(|items| items.to_vec().into()),
        _ => None,
    };
    part.ok_or_else(|| format!("invalid slice: {from} to {to}"))
}

/// As fmt.Sprint: a space between two neighbours of which neither is a text; as Sprintln: between all.
fn print_all(values: &[Value], always: bool) -> String {
    let mut text = String::new();
    for (at, value) in values.iter().enumerate() {
        if at > 0 && (always || !value.is_string() && !values[at - 1].is_string()) {
            text.push(' ');
        }
        print(value, &mut text);
    }
    text
}

/// The first letter of every word in upper case.
fn title(text: &str) -> String {
    let mut before = ' ';
    let letter = |character: char| {
        let starts = !before.is_alphanumeric() && before != '_' && before != '\'';
        before = character;
        if starts { character.to_uppercase().collect::<String>() } else { character.to_string() }
    };
    text.chars().map(letter).collect()
}

fn escape(text: &str, replacement: impl Fn(char) -> Option<String>) -> String {
    text.chars().map(|character| replacement(character).unwrap_or_else(|| character.to_string())).collect()
}

fn html(character: char) -> Option<String> {
    let escaped = match character {
        '\0' => "\u{fffd}",
        '"' => "&#34;",
        '\'' => "&#39;",
        '&' => "&amp;",
        '<' => "&lt;",
        '>' => "&gt;",
        _ => return None,
    };
    Some(escaped.to_owned())
}

fn js(character: char) -> Option<String> {
    match character {
        '\\' | '\'' | '"' => Some(format!("\\{character}")),
        '<' | '>' | '&' | '=' => Some(format!("\\u{:04X}", u32::from(character))),
        control if control < ' ' => Some(format!("\\u{:04X}", u32::from(control))),
        _ => None,
    }
}

fn urlquery(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        b' ' => "+".to_owned(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// What stands between % and the verb.
#[derive(Debug, Default, Clone, Copy)]
struct Flags {
    left: bool,
    plus: bool,
    alternate: bool,
    space: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

fn printf(format: &str, values: &[Value]) -> String {
    let mut output = String::new();
    let mut values = values.iter();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        output.push_str(&rest[..at]);
        let (flags, after) = flags(&rest[at + 1..]);
        let Some(verb) = after.chars().next() else {
            output.push_str("%!(NOVERB)");
            return output;
        };
        rest = &after[verb.len_utf8()..];
        if verb == '%' {
            output.push('%');
            continue;
        }
        match values.next() {
            Some(value) => output.push_str(&one(verb, flags, value)),
            None => {
                let _ = write!(output, "%!{verb}(MISSING)");
            }
        }
    }
    output.push_str(rest);
    let extra: Vec<String> =
        values.map(|value| format!("{}={}", kind(value), print_all(std::slice::from_ref(value), false))).collect();
    if !extra.is_empty() {
        let _ = write!(output, "%!(EXTRA {})", extra.join(", "));
    }
    output
}

fn flags(text: &str) -> (Flags, &str) {
    let mut flags = Flags::default();
    let mut rest = text;
    while let Some(flag) = rest.chars().next() {
        match flag {
            '-' => flags.left = true,
            '+' => flags.plus = true,
            '#' => flags.alternate = true,
            ' ' => flags.space = true,
            '0' => flags.zero = true,
            _ => break,
        }
        rest = &rest[1..];
    }
    let number = |text: &str| {
        let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
        (text[..end].parse::<usize>().unwrap_or(if end == 0 { 0 } else { WIDEST }).min(WIDEST), end)
    };
    let (width, end) = number(rest);
    flags.width = width;
    rest = &rest[end..];
    if let Some(after) = rest.strip_prefix('.') {
        let (precision, end) = number(after);
        flags.precision = Some(precision);
        rest = &after[end..];
    }
    (flags, rest)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

fn one(verb: char, flags: Flags, value: &Value) -> String {
    let wrong = || format!("%!{verb}({}={})", kind(value), print_all(std::slice::from_ref(value), false));
    let is_number = value.is_number();
    let text = match (verb, value) {
        ('v' | 's', Value::String(text)) => cut(text, flags),
        ('v', Value::Null) => "<nil>".to_owned(),
        ('v', Value::Number(number)) if !number.is_f64() => integer(number.as_i128().unwrap_or(0), 'd', flags),
        ('v', Value::Number(number)) => shortest(number.as_f64().unwrap_or(0.0)),
        ('v', _) | ('t', Value::Bool(_)) => print_all(std::slice::from_ref(value), false),
        ('q', Value::String(text)) => Value::from(text.as_str()).to_string(),
        ('x' | 'X', Value::String(text)) => {
            let hex: String = text.bytes().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            });
            if verb == 'X' { hex.to_uppercase() } else { hex }
        }
        ('d' | 'x' | 'X' | 'o' | 'b', Value::Number(number)) if !number.is_f64() => {
            integer(number.as_i128().unwrap_or(0), verb, flags)
        }
        ('c', Value::Number(number)) => {
            let character = number.as_u64().and_then(|code| char::from_u32(u32::try_from(code).ok()?));
            character.unwrap_or(char::REPLACEMENT_CHARACTER).to_string()
        }
        ('U', Value::Number(number)) if number.is_u64() => format!("U+{:04X}", number.as_u64().unwrap_or(0)),
        ('f' | 'F' | 'e' | 'g', Value::Number(number)) if number.is_f64() => {
            float(number.as_f64().unwrap_or(0.0), verb, flags)
        }
        _ => return wrong(),
    };
    pad(text, flags, is_number)
}

fn cut(text: &str, flags: Flags) -> String {
    text.chars().take(flags.precision.unwrap_or(usize::MAX)).collect()
}

fn integer(number: i128, verb: char, flags: Flags) -> String {
    let size = number.unsigned_abs();
    let (prefix, digits) = match verb {
        'x' => ("0x", format!("{size:x}")),
        'X' => ("0X", format!("{size:X}")),
        'o' => ("0", format!("{size:o}")),
        'b' => ("0b", format!("{size:b}")),
        _ => ("", size.to_string()),
    };
    let digits = format!("{digits:0>width$}", width = flags.precision.unwrap_or(0));
    format!("{}{}{digits}", sign(number < 0, flags), if flags.alternate { prefix } else { "" })
}

fn float(number: f64, verb: char, flags: Flags) -> String {
    let size = number.abs();
    let precision = flags.precision.unwrap_or(6);
    let digits = match verb {
        'e' => with_exponent(size, Some(precision)),
        'g' => match flags.precision {
            None => shortest(size),
            Some(precision) => {
                let (digits, exponent) = (precision.max(1), exponent_of(size));
                if (-4..digits as i32).contains(&exponent) {
                    let text = format!("{size:.places$}", places = (digits as i32 - 1 - exponent).max(0) as usize);
                    let trimmed =
                        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
                    trimmed.to_owned()
                } else {
                    with_exponent(size, Some(digits - 1))
                }
            }
        },
        _ => format!("{size:.precision$}"),
    };
    format!("{}{digits}", sign(number.is_sign_negative(), flags))
}

fn sign(negative: bool, flags: Flags) -> &'static str {
    match (negative, flags.plus, flags.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (.., true) => " ",
        _ => "",
    }
}

fn pad(text: String, flags: Flags, is_number: bool) -> String {
    let missing = flags.width.saturating_sub(text.chars().count());
    if missing == 0 {
        text
    } else if flags.left {
        text + &" ".repeat(missing)
    } else if flags.zero && is_number {
        let sign = usize::from(text.starts_with(['-', '+', ' ']));
        format!("{}{}{}", &text[..sign], "0".repeat(missing), &text[sign..])
    } else {
        " ".repeat(missing) + &text
    }
}
