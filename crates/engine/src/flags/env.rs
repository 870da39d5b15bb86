//! `--env` and `--env-file`.

use super::{Invalid, assignment};
use crate::config::EnvVar;

/// `NAME=VALUE`, or `NAME` alone, which takes the caller's value and is left out when the caller has none.
pub fn env(text: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<Option<EnvVar>, Invalid> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (text, lookup(text)),
    };
    if name.is_empty() {
        return Err(Invalid::new(text, "a variable without a name").hint("write NAME=VALUE, or NAME to pass yours on"));
    }
    if text.contains('\0') {
        return Err(Invalid::new(text, "a variable cannot hold a NUL byte"));
    }
    Ok(value.map(|value| EnvVar { name: name.to_owned(), value }))
}

/// The lines of an `--env-file`, by docker's rules: no quoting, no interpolation, a value keeps its blanks.
pub fn env_file(content: &[u8], lookup: impl Fn(&str) -> Option<String>) -> Result<Vec<EnvVar>, Invalid> {
    let mut variables = Vec::new();
    for line in assignment::lines(content)? {
        let value = line.value.map(str::to_owned).or_else(|| lookup(line.name));
        variables.extend(value.map(|value| EnvVar { name: line.name.to_owned(), value }));
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str) -> Option<String> {
        (name == "HERE").then(|| "from the host".to_owned())
    }

    #[test]
    fn a_name_alone_takes_the_hosts_value_or_nothing() {
        let read = |text| env(text, host).map(|variable| variable.map(|variable| variable.to_string()));
        assert_eq!(read("A=b=c").unwrap().as_deref(), Some("A=b=c"));
        assert_eq!(read("A=").unwrap().as_deref(), Some("A="));
        assert_eq!(read("HERE").unwrap().as_deref(), Some("HERE=from the host"));
        assert_eq!(read("GONE"), Ok(None));
        assert!(read("=x").is_err());
        assert!(read("").is_err());
        assert!(read("A=\0").is_err());
    }

    #[test]
    fn a_file_is_read_by_dockers_rules() {
        let content = b"\xef\xbb\xbfA=1\n  # comment\n\n\tB= \"two\" \nHERE\nGONE\nC=a=b # kept\r\nA=2";
        let read: Vec<String> = env_file(content, host).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(read, ["A=1", "B= \"two\" ", "HERE=from the host", "C=a=b # kept", "A=2"]);
    }

    #[test]
    fn a_bad_line_is_named_by_its_number() {
        for (content, line) in [(&b"A=1\n=x"[..], "line 2"), (b"A B=1", "line 1"), (b"\n\n\xff=1", "line 3")] {
            let error = env_file(content, host).unwrap_err();
            assert!(error.to_string().contains(line), "{error}");
        }
    }
}
