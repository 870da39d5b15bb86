//! `--add-host`.

use super::Invalid;
use crate::config::HostEntry;

/// `NAME:ADDRESS` or `NAME=ADDRESS`; several names as `a;b`, an IPv6 address also in brackets.
pub fn host_entry(text: &str) -> Result<HostEntry, Invalid> {
    let form = "write NAME:ADDRESS, such as db:10.0.0.5 or db=fd00::5";
    let equals = text.find('=').unwrap_or(usize::MAX);
    let colon = text.find(':').unwrap_or(usize::MAX);
    let Some((names, address)) = text.split_once(if equals < colon { '=' } else { ':' }) else {
        return Err(Invalid::new(text, "a host name without an address").hint(form));
    };
    if address == "host-gateway" {
        return Err(Invalid::new(text, "there is no way to the host before networks are there")
            .hint("give the host's address, and --network host"));
    }
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    let Ok(address) = bare.parse() else {
        return Err(Invalid::new(address, "not an IP address").hint(form));
    };
    let names: Vec<String> = names.split(';').map(str::to_owned).collect();
    match names.iter().find(|name| !is_host(name)) {
        Some(name) => Err(Invalid::new(name.as_str(), "not a host name").hint(form)),
        None => Ok(HostEntry { names, address }),
    }
}

/// One word of a line in hosts(5): anything that neither ends the word nor the line.
fn is_host(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read() {
        for (text, expected) in [
            ("db:10.0.0.5", Some(("db", "10.0.0.5"))),
            ("db=10.0.0.5", Some(("db", "10.0.0.5"))),
            ("db:fd00::5", Some(("db", "fd00::5"))),
            ("db=fd00::5", Some(("db", "fd00::5"))),
            ("db:[fd00::5]", Some(("db", "fd00::5"))),
            ("a;b:127.0.0.1", Some(("a b", "127.0.0.1"))),
            ("db", None),
            ("db:", None),
            (":10.0.0.5", None),
            ("db:10.0.0", None),
            ("db:host-gateway", None),
            ("a b:10.0.0.5", None),
            ("a\nb:10.0.0.5", None),
            ("a;:10.0.0.5", None),
        ] {
            let read = host_entry(text).ok().map(|entry| (entry.names.join(" "), entry.address.to_string()));
            assert_eq!(read.as_ref().map(|(names, address)| (names.as_str(), address.as_str())), expected, "{text:?}");
        }
    }
}
