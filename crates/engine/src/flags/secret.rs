//! `--secret`.

use super::{Invalid, container_path};
use crate::config::{SecretPlace, SecretRequest};

const FORM: &str = "NAME[,type=mount|env][,target=PATH|VARIABLE][,uid=UID][,gid=GID][,mode=MODE]";

/// Where secrets are seen that nobody said a place for.
const DIRECTORY: &str = "/run/secrets";

/// `NAME[,KEY=VALUE...]`, as podman has it; `source=NAME` and `src=NAME`, as docker has it.
pub fn secret(text: &str) -> Result<SecretRequest, Invalid> {
    let (mut name, mut target, mut variable, mut owner) = (None, None, false, None);
    let (mut uid, mut gid, mut mode) = (0, 0, 0o444);
    for (at, item) in text.split(',').enumerate() {
        let wrong = |what: &'static str| Invalid::new(item, what).hint(FORM);
        match item.split_once('=') {
            None if at == 0 && !item.is_empty() => name = Some(item),
            Some(("source" | "src", value)) if name.is_none() && !value.is_empty() => name = Some(value),
            Some(("type", "mount")) => variable = false,
            Some(("type", "env")) => variable = true,
            Some(("target" | "dst" | "destination", value)) if !value.is_empty() => target = Some(value),
            Some((word @ ("uid" | "gid"), value)) => {
                let id = value.parse().map_err(|_| wrong("not a number"))?;
                *(if word == "uid" { &mut uid } else { &mut gid }) = id;
                owner = Some(item);
            }
            Some(("mode", value)) => {
                let octal = u32::from_str_radix(value, 8).ok().filter(|mode| *mode <= 0o777);
                mode = octal.ok_or_else(|| wrong("not a mode: three octal digits"))?;
                owner = Some(item);
            }
            _ => return Err(wrong("not a word of --secret")),
        }
    }
    let name = name.ok_or_else(|| Invalid::new(text, "no secret was named").hint(FORM))?;
    let place = if variable {
        if let Some(item) = owner {
            return Err(Invalid::new(item, "a variable has no owner and no mode").hint(FORM));
        }
        let variable = target.unwrap_or(name);
        if variable.contains(['=', '\0']) {
            return Err(Invalid::new(variable, "not the name of a variable"));
        }
        SecretPlace::Variable(variable.to_owned())
    } else {
        let target = target.unwrap_or(name);
        let path = if target.starts_with('/') { target.to_owned() } else { format!("{DIRECTORY}/{target}") };
        SecretPlace::File { path: container_path(&path)?, uid, gid, mode }
    };
    Ok(SecretRequest { name: name.to_owned(), place })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (String, u32, u32, u32) {
        match secret(text).expect("a secret").place {
            SecretPlace::File { path, uid, gid, mode } => (path.as_str().to_owned(), uid, gid, mode),
            SecretPlace::Variable(name) => panic!("{name}"),
        }
    }

    #[test]
    fn it_is_a_file_of_roots_unless_something_else_is_said() {
        assert_eq!(file("key"), ("/run/secrets/key".into(), 0, 0, 0o444));
        assert_eq!(file("source=key,target=tls.pem"), ("/run/secrets/tls.pem".into(), 0, 0, 0o444));
        assert_eq!(file("key,type=mount,target=/etc/key,uid=7,gid=8,mode=0400"), ("/etc/key".into(), 7, 8, 0o400));
    }

    #[test]
    fn it_is_a_variable_where_that_is_said() {
        let variable = |text: &str| secret(text).expect("a secret").place;
        assert_eq!(variable("key,type=env"), SecretPlace::Variable("key".into()));
        assert_eq!(variable("key,type=env,target=TOKEN"), SecretPlace::Variable("TOKEN".into()));
        for wrong in
            ["", "key,type=env,uid=1", "key,mode=9", "key,uid=x", "key,size=1", "key,type=env,target=A=B", "a,b"]
        {
            assert!(secret(wrong).is_err(), "{wrong:?}");
        }
    }
}
