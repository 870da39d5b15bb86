//! `docker-credential-NAME get|store|erase`: programs that keep credentials elsewhere. One that fails is an error and not
//! the same as one that knows nothing: what was meant for one registry must never go another way (CVE-2021-41092).

use crate::credential::{Credential, Secret};
use crate::error::{Error, Result};
use serde::Deserialize;
use serde_json::json;
use std::ffi::OsStr;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What a helper says instead of an answer when it has none; the protocol's own words.
const UNKNOWN: &str = "credentials not found in native keychain";
/// More is no answer.
const LONGEST: u64 = 1 << 20;

/// A program.
pub struct Helper {
    name: String,
    path: PathBuf,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

impl Helper {
    /// Finds `docker-credential-NAME` on the search path.
    pub fn new(name: &str, path: Option<&OsStr>) -> Result<Self> {
        let program = format!("docker-credential-{name}");
        let wrong = |reason: &str| Error::Helper { program: program.clone(), reason: reason.to_owned() };
        if name.contains('/') {
            return Err(wrong("its name has a slash"));
        }
        let dirs = std::env::split_paths(path.unwrap_or_default());
        let found = dirs
            .map(|dir| dir.join(&program))
            .find(|file| file.is_file() && rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok());
        let path = found.ok_or_else(|| wrong("no such program on the search path"))?;
        Ok(Self { name: program, path })
    }

    /// Asks it for a server's credential.
    pub fn get(&self, server: &str) -> Result<Option<Credential>> {
        let (worked, output) = self.run("get", server)?;
        if !worked {
            let said = String::from_utf8_lossy(&output);
            return if said.trim() == UNKNOWN { Ok(None) } else { Err(self.failed(&said)) };
        }
        // The text of an answer is secret, so a parser's quotation of it is not passed on.
        let answer: Answer =
            serde_json::from_slice(&output).map_err(|_| self.wrong("its answer is not the protocol's JSON"))?;
        Ok(match answer.username.as_str() {
            "" => None,
            "<token>" => Some(Credential::Identity { user: String::new(), token: Secret::new(answer.secret) }),
            user => Some(Credential::basic(user, answer.secret)),
        })
    }

    /// Gives it a server's credential to keep.
    pub fn store(&self, server: &str, credential: &Credential) -> Result<()> {
        let (user, secret) = match credential {
            Credential::Basic { user, password } => (user.as_str(), password),
            Credential::Identity { token, .. } => ("<token>", token),
        };
        let given = json!({ "ServerURL": server, "Username": user, "Secret": secret.reveal() });
        let (worked, output) = self.run("store", &given.to_string())?;
        if worked { Ok(()) } else { Err(self.failed(&String::from_utf8_lossy(&output))) }
    }

    /// Lets it forget a server's credential.
    pub fn erase(&self, server: &str) -> Result<()> {
        let (worked, output) = self.run("erase", server)?;
        let said = String::from_utf8_lossy(&output);
        if worked || said.trim() == UNKNOWN { Ok(()) } else { Err(self.failed(&said)) }
    }

    /// Whether it ended well, and what it said.
    fn run(&self, verb: &str, input: &str) -> Result<(bool, Vec<u8>)> {
        let failed = |error: std::io::Error| self.wrong(&error.to_string());
        let mut command = Command::new(&self.path);
        command.arg(verb).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that does not read ends the pipe, and says why by its own end.
            _ = stdin.write_all(input.as_bytes());
        }
        let mut output = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            stdout.take(LONGEST).read_to_end(&mut output).map_err(failed)?;
        }
        let status = child.wait().map_err(failed)?;
        Ok((status.success(), output))
    }

    fn failed(&self, said: &str) -> Error {
        let said = said.trim();
        self.wrong(if said.is_empty() { "it failed and does not say why" } else { said })
    }

    fn wrong(&self, reason: &str) -> Error {
        Error::Helper { program: self.name.clone(), reason: reason.chars().take(300).collect() }
    }
}
