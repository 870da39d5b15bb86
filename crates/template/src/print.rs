//! Values as Go's fmt package prints them.

use serde_json::Value;
use std::fmt::Write as _;

/// As `%v`.
pub fn print(value: &Value, output: &mut String) {
    match value {
        Value::Null => output.push_str("<no value>"),
        Value::Bool(bool) => {
            let _ = write!(output, "{bool}");
        }
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(float) => output.push_str(&shortest(float)),
            None => {
                let _ = write!(output, "{number}");
            }
        },
        Value::String(text) => output.push_str(text),
        Value::Array(items) => {
            output.push('[');
            separated(items.iter(), output, nested);
            output.push(']');
        }
        Value::Object(map) => {
            output.push_str("map[");
            separated(map.iter(), output, |(key, item), output| {
                output.push_str(key);
                output.push(':');
                nested(item, output);
            });
            output.push(']');
        }
    }
}

/// Within another value nil has another name.
fn nested(value: &Value, output: &mut String) {
    if value.is_null() { output.push_str("<nil>") } else { print(value, output) }
}

fn separated<T>(items: impl Iterator<Item = T>, output: &mut String, mut print: impl FnMut(T, &mut String)) {
    for (at, item) in items.enumerate() {
        if at > 0 {
            output.push(' ');
        }
        print(item, output);
    }
}

/// `%v` of a float: `%g` with the fewest digits that mean it, an exponent below -4 and from 6 on.
pub fn shortest(float: f64) -> String {
    let exponent = exponent_of(float);
    if (-4..6).contains(&exponent) { format!("{float}") } else { with_exponent(float, None) }
}

/// The decimal exponent of its first digit.
pub fn exponent_of(float: f64) -> i32 {
    let text = format!("{float:e}");
    text.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0)
}

/// `1.5e+06`, with at least two digits of exponent.
pub fn with_exponent(float: f64, precision: Option<usize>) -> String {
    let text = match precision {
        Some(precision) => format!("{float:.precision$e}"),
        None => format!("{float:e}"),
    };
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}
