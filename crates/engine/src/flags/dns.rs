//! `--dns`, `--dns-search`, `--dns-option`.

use super::Invalid;
use crate::config::{DnsOption, SearchDomains};
use std::net::IpAddr;
use std::str::FromStr;

/// A name server's address.
pub fn dns_server(text: &str) -> Result<IpAddr, Invalid> {
    text.parse().map_err(|_| Invalid::new(text, "not an IP address").hint("name servers are given by address"))
}

/// All values of `--dns-search`; a single `.` means no list at all.
pub fn search_domains<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Option<SearchDomains>, Invalid> {
    let mut domains = Vec::new();
    let mut nothing = false;
    for word in words {
        if word == "." {
            nothing = true;
        } else if is_domain(word) {
            domains.push(word.to_owned());
        } else {
            return Err(Invalid::new(word, "not a domain").hint("give names such as example.org, or . for none"));
        }
    }
    match (nothing, domains.is_empty()) {
        (true, true) => Ok(Some(SearchDomains::Nothing)),
        (true, false) => Err(Invalid::new(".", "`.` means no search list and stands alone")),
        (false, true) => Ok(None),
        (false, false) => Ok(Some(SearchDomains::These(domains))),
    }
}

fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
    };
    text.len() <= 253 && text.strip_suffix('.').unwrap_or(text).split('.').all(label)
}

/// One word of resolv.conf(5).
impl FromStr for DnsOption {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-:_.".contains(&byte)) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new(text, "not an option of resolv.conf").hint("such as ndots:2 or use-vc"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_dot_clears_the_search_list() {
        assert_eq!(search_domains([]), Ok(None));
        assert_eq!(search_domains(["."]), Ok(Some(SearchDomains::Nothing)));
        let two = SearchDomains::These(vec!["a.example".to_owned(), "b.".to_owned()]);
        assert_eq!(search_domains(["a.example", "b."]), Ok(Some(two)));
        for words in [&["."[..].as_ref(), "a"][..], &["a b"], &["a\nnameserver 1.1.1.1"], &["..", "a"], &[""]] {
            assert!(search_domains(words.iter().copied()).is_err(), "{words:?}");
        }
    }

    #[test]
    fn options_cannot_smuggle_lines() {
        assert!("ndots:2".parse::<DnsOption>().is_ok());
        for text in ["", "a b", "a\nnameserver 1.1.1.1"] {
            assert!(text.parse::<DnsOption>().is_err(), "{text:?}");
        }
    }
}
