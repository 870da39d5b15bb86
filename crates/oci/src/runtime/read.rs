//! From JSON to values, as the field reads it: engines write `null` where they mean nothing, for Go's reader leaves such a
//! member as it is.

use serde::de::DeserializeOwned;
use serde_json::{Error, Value};

/// Reads a configuration or a part of one. An error names the line and column in these bytes.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).or_else(|error| {
        // What has no null, as nearly all have none, is read once.
        let mut value: Value = serde_json::from_slice(bytes)?;
        without_nulls(&mut value);
        serde_json::from_value(value).map_err(|_| error)
    })
}

/// Takes every member away that is null, but no id: without one a process would be root's. What stands in a list stays,
/// for there it has a place.
fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, member| !member.is_null() || matches!(name.as_str(), "uid" | "gid"));
            members.values_mut().for_each(without_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Spec;

    #[test]
    fn null_is_as_if_it_were_not_there() {
        let with = r#"{"ociVersion":"1.3.0","mounts":null,"hostname":null,"root":{"path":"r","readonly":null},
            "process":{"cwd":"/","user":{"uid":1,"umask":null},"args":["x"],"env":null,"capabilities":{"bounding":null}},
            "linux":{"timeOffsets":null,"devices":[{"type":"c","path":"/dev/x","major":null}],"maskedPaths":null}}"#;
        let without = r#"{"ociVersion":"1.3.0","root":{"path":"r"},
            "process":{"cwd":"/","user":{"uid":1},"args":["x"],"capabilities":{}},
            "linux":{"devices":[{"type":"c","path":"/dev/x"}]}}"#;
        assert_eq!(read::<Spec>(with.as_bytes()).unwrap(), read::<Spec>(without.as_bytes()).unwrap());
    }

    #[test]
    fn an_error_tells_where_it_is() {
        let error = read::<Spec>(b"{\"mounts\":null,\n \"hostname\":7}").unwrap_err();
        assert!(error.to_string().contains("line "), "{error}");
        assert!(read::<Spec>(b"{\"process\":{\"args\":[null]}}").is_err());
        assert!(read::<Spec>(b"{\"process\":{\"user\":{\"uid\":null}}}").is_err());
        assert!(read::<Spec>(b"{").is_err());
    }
}
