//! `WWW-Authenticate`: how a server wants to be told who asks (RFC 9110, section 11.6.1).

/// One way that the server offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// A name and a password.
    Basic,
    /// A token that another server gives out (distribution spec, token authentication).
    Bearer {
        /// Where to get one.
        realm: String,
        /// For whom it has to be.
        service: Option<String>,
        /// What it has to allow.
        scope: Option<String>,
    },
}

/// The ways in a header's value that we know; what we do not know or understand is passed over.
pub fn parse(value: &str) -> Vec<Challenge> {
    let mut challenges = Vec::new();
    let mut rest = value.trim();
    while !rest.is_empty() {
        let (scheme, tail) = rest.split_at(rest.find([' ', ',']).unwrap_or(rest.len()));
        let (pairs, after) = pairs(tail);
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => challenges.push(Challenge::Basic),
            "bearer" => {
                let get = |name: &str| {
                    pairs.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
                };
                if let Some(realm) = get("realm") {
                    challenges.push(Challenge::Bearer { realm, service: get("service"), scope: get("scope") });
                }
            }
            _ => {}
        }
        rest = after;
    }
    challenges
}

/// The `name=value` pairs at the start of a text, and what comes after them: the next scheme.
fn pairs(text: &str) -> (Vec<(String, String)>, &str) {
    let mut pairs = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', ',', '\t']);
        let name_end = rest.find(['=', ' ', ',']).unwrap_or(rest.len());
        if !rest[name_end..].starts_with('=') {
            return (pairs, rest);
        }
        let name = rest[..name_end].to_owned();
        let (value, after) = value(&rest[name_end + 1..]);
        pairs.push((name, value));
        rest = after;
    }
}

fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_at(text.find([',', ' ']).unwrap_or(text.len()));
        return (value.to_owned(), rest);
    };
    let mut value = String::new();
    let mut escaped = false;
    for (at, c) in quoted.char_indices() {
        match c {
            _ if escaped => {
                value.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return (value, &quoted[at + 1..]),
            _ => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_registries_send_is_understood() {
        // As Docker Hub and docker-registry send them.
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#;
        assert_eq!(
            parse(hub),
            [Challenge::Bearer {
                realm: "https://auth.docker.io/token".to_owned(),
                service: Some("registry.docker.io".to_owned()),
                scope: Some("repository:a/b:pull,push".to_owned()),
            }]
        );
        assert_eq!(parse(r#"Basic realm="Registry Realm""#), [Challenge::Basic]);
    }

    #[test]
    fn several_ways_in_one_value_are_told_apart() {
        let both = parse(r#"Negotiate, Basic realm="a, b", charset="UTF-8", bearer Realm="https://x/\"y"#);
        assert_eq!(both.len(), 2);
        assert_eq!(both[0], Challenge::Basic);
        assert!(
            matches!(&both[1], Challenge::Bearer { realm, service: None, scope: None } if realm == "https://x/\"y")
        );
    }

    #[test]
    fn nonsense_is_no_challenge_and_comes_to_an_end() {
        for wrong in ["", ",", "=", "Bearer", "Bearer realm", "Bearer service=\"x\"", "\"", "Bearer ,,= \"", "a=b c=d"]
        {
            assert_eq!(parse(wrong), [], "{wrong}");
        }
    }
}
