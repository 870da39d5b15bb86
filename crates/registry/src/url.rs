//! Addresses of http and https. What is shown of one never includes its query: signed addresses of blobs and answers of
//! token servers carry secrets there.

use std::fmt;

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// What a credential is bound to: scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The scheme.
    pub scheme: Scheme,
    /// The host in lower case; an IPv6 address in its brackets.
    pub host: String,
    /// The port, also where it is the scheme's own.
    pub port: u16,
}

impl Origin {
    /// The server `host[:port]`.
    pub fn of(scheme: Scheme, authority: &str) -> Option<Self> {
        let (host, port) = split_authority(authority)?;
        Some(Self { scheme, host, port: port.unwrap_or(scheme.port()) })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        if self.port == self.scheme.port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

/// The host in lower case and the port, of `host`, `host:port`, `[v6]` and `[v6]:port`.
pub fn split_authority(authority: &str) -> Option<(String, Option<u16>)> {
    let end = authority.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = match authority[end..].find(':') {
        Some(colon) => {
            let (host, port) = authority.split_at(end + colon);
            (host, Some(port[1..].parse().ok()?))
        }
        None => (authority, None),
    };
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let address = |host: &str| {
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        inner.is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok())
    };
    let valid = !host.is_empty() && (host.chars().all(named) || address(host));
    valid.then(|| (host.to_ascii_lowercase(), port))
}

/// Whether a host is this machine, so that nothing on the way can listen or meddle.
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<std::net::IpAddr>();
    address.map_or_else(|_| bare == "localhost" || bare.ends_with(".localhost"), |address| address.is_loopback())
}

/// An address.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    /// The server.
    pub origin: Origin,
    /// Path and query, with the leading slash.
    path: String,
}

impl Url {
    /// An address on a server.
    pub fn new(origin: Origin, path: String) -> Self {
        Self { origin, path }
    }

    /// Reads an address in full. One with a user in it is none: credentials come from where credentials are kept.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return None,
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let path = path.split('#').next().unwrap_or_default();
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let printable = path.bytes().all(|byte| byte.is_ascii_graphic());
        printable.then(|| Origin::of(scheme, authority).map(|origin| Self { origin, path })).flatten()
    }

    /// What a `Location` of an answer to this address means (RFC 3986, section 5).
    pub fn join(&self, location: &str) -> Option<Self> {
        if location.contains("://") && !location.starts_with(['/', '?']) {
            return Self::parse(location);
        }
        if location.starts_with("//") {
            return Self::parse(&format!("{}:{location}", self.origin.scheme));
        }
        let own = self.path.split('?').next().unwrap_or_default();
        let path = match location.chars().next() {
            Some('/') => location.to_owned(),
            Some('?') => format!("{own}{location}"),
            _ => format!("{}/{location}", own.rsplit_once('/').map_or("", |(dir, _)| dir)),
        };
        Self::parse(&format!("{}{path}", self.origin))
    }

    /// The same with one more pair in its query.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let separator = if self.path.contains('?') { '&' } else { '?' };
        Self { origin: self.origin.clone(), path: format!("{}{separator}{name}={}", self.path, escape(value)) }
    }

    /// All of it, to be sent and not shown.
    pub fn to_send(&self) -> String {
        format!("{}{}", self.origin, self.path)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path.split('?').next().unwrap_or_default())
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A value as it stands in a query or a form.
pub fn escape(value: &str) -> String {
    use fmt::Write as _;
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(byte as char),
            _ => _ = write!(text, "%{byte:02X}"),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn an_address_is_split_into_what_credentials_are_bound_to_and_the_rest() {
        let secure = url("HTTPS://Registry.Example:5000/v2/?a=b#c");
        assert_eq!(secure.origin, Origin::of(Scheme::Https, "registry.example:5000").unwrap());
        assert_eq!(secure.to_send(), "https://registry.example:5000/v2/?a=b");
        assert_eq!(url("http://a").origin, url("http://a:80/b").origin);
        assert_ne!(url("http://a").origin, url("https://a").origin);
        assert_eq!(url("http://[::1]:5000/v2").origin.host, "[::1]");
    }

    #[test]
    fn what_is_no_address_of_ours_is_refused() {
        for wrong in
            ["ftp://a/", "file:///etc/passwd", "http://", "http://user:secret@a/", "http://a:x/", "http://a/ b"]
        {
            assert!(Url::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_location_may_be_relative() {
        // RFC 3986, section 5.4.1, as far as registries use it.
        let base = url("http://a/b/c?q=1");
        for (location, meant) in [
            ("https://d/e?f", "https://d/e?f"),
            ("//d/e", "http://d/e"),
            ("/e?f", "http://a/e?f"),
            ("?f", "http://a/b/c?f"),
            ("e", "http://a/b/e"),
        ] {
            assert_eq!(base.join(location).map(|url| url.to_send()).as_deref(), Some(meant));
        }
    }

    #[test]
    fn a_query_is_sent_and_not_shown() {
        let signed = url("https://cdn/blob?X-Amz-Signature=secret");
        assert!(!signed.to_string().contains("secret") && !format!("{signed:?}").contains("secret"));
        assert_eq!(
            url("http://a/b").with("scope", "repository:x:pull,push").to_send(),
            "http://a/b?scope=repository%3Ax%3Apull%2Cpush"
        );
    }

    #[test]
    fn loopback_is_known_by_name_and_address() {
        for own in ["localhost", "127.0.0.1", "127.9.9.9", "[::1]", "x.localhost"] {
            assert!(is_loopback(own), "{own}");
        }
        for other in ["localhost.example", "10.0.0.1", "[::2]", "example"] {
            assert!(!is_loopback(other), "{other}");
        }
    }
}
