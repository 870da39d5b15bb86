//! `--entrypoint`.

use super::Invalid;

/// One program, or a JSON list of words as podman takes it; the empty word clears the image's entrypoint.
pub fn entrypoint(text: &str) -> Result<Vec<String>, Invalid> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    if text.starts_with('[') {
        return serde_json::from_str(text)
            .map_err(|error| Invalid::new(text, format!("not a JSON list of words: {error}")));
    }
    Ok(vec![text.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entrypoint_is_a_program_or_a_list() {
        assert_eq!(entrypoint("/bin/sh"), Ok(vec!["/bin/sh".to_owned()]));
        assert_eq!(entrypoint("a b"), Ok(vec!["a b".to_owned()]));
        assert_eq!(entrypoint(r#"["a", "b"]"#), Ok(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(entrypoint(""), Ok(Vec::new()));
        assert_eq!(entrypoint("[]"), Ok(Vec::new()));
        assert!(entrypoint("[1]").is_err());
        assert!(entrypoint("[").is_err());
    }
}
