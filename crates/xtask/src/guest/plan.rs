//! What passes between the two sides of a guest, as files in the directory where they meet: the plan in, both outputs and
//! the exit status out.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Request;
use crate::error::{Doing as _, Error, Result};
use crate::programs;

/// The command's standard output.
pub const STDOUT: &str = "stdout";
/// The command's standard error.
pub const STDERR: &str = "stderr";
const PLAN: &str = "plan.json";
const STATUS: &str = "status";

/// What the guest shall do.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The command and its arguments.
    pub command: Vec<String>,
    /// Its working directory.
    pub cwd: PathBuf,
    /// Its whole environment.
    pub env: BTreeMap<String, String>,
    /// Directories of the machine that the guest writes to.
    pub shares: Vec<PathBuf>,
    /// Kernel modules to load, by name.
    pub modules: Vec<String>,
    /// This very program's file. The guest cannot find it by itself: before it mounts a /proc of its own it sees the
    /// machine's, in which /proc/self is the guest's kernel.
    pub program: PathBuf,
    /// Whether systemd shall be PID 1.
    pub systemd: bool,
    /// The modules of an emulated machine's kernel; without it the guest is User-Mode-Linux.
    pub emulated: Option<PathBuf>,
}

impl Plan {
    /// The plan for a request, with this process's environment and working directory.
    pub(super) fn from_here(request: &Request, emulated: Option<PathBuf>) -> Result<Self> {
        let mut env: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        env.insert("TERM".to_owned(), "dumb".to_owned());
        // Those name places on the machine that are not there in the guest.
        for gone in ["XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "CARGO_MAKEFLAGS", "MAKEFLAGS"] {
            env.remove(gone);
        }
        let mut shares = Vec::new();
        for share in &request.shares {
            shares.push(fs::canonicalize(share).doing(|| format!("--share {}", share.display()))?);
        }
        Ok(Self {
            command: request.command.clone(),
            cwd: std::env::current_dir().doing(|| "looking for the working directory".to_owned())?,
            env,
            shares,
            modules: request.modules.clone(),
            program: programs::own()?,
            systemd: request.systemd,
            emulated,
        })
    }

    /// Puts the plan where the guest will look for it.
    pub fn write(&self, dir: &Path) -> Result {
        let text =
            serde_json::to_string_pretty(self).map_err(|error| Error::Found(format!("the guest's plan: {error}")))?;
        fs::write(dir.join(PLAN), text).doing(|| format!("writing {}/{PLAN}", dir.display()))
    }

    /// Reads the plan, in the guest.
    pub fn read(dir: &Path) -> Result<Self> {
        let text = fs::read_to_string(dir.join(PLAN)).doing(|| format!("reading {}/{PLAN}", dir.display()))?;
        serde_json::from_str(&text).map_err(|error| Error::Found(format!("the guest's plan: {error}")))
    }
}

/// Tells the other side how the command ended.
pub fn write_status(dir: &Path, code: u8) -> Result {
    fs::write(dir.join(STATUS), code.to_string()).doing(|| format!("writing {}/{STATUS}", dir.display()))
}

/// How the command ended, if it did.
pub fn read_status(dir: &Path) -> Option<u8> {
    fs::read_to_string(dir.join(STATUS)).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_comes_back_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let plan = Plan {
            command: vec!["sh".into(), "-c".into(), "echo \"two words\"\n".into()],
            cwd: "/some where".into(),
            env: [("A".to_owned(), "ä\tb".to_owned())].into(),
            shares: vec!["/x".into()],
            modules: vec!["veth".into()],
            program: "/y".into(),
            systemd: true,
            emulated: Some("/z".into()),
        };
        plan.write(dir.path()).unwrap();
        assert_eq!(Plan::read(dir.path()).unwrap(), plan);
    }

    #[test]
    fn no_status_is_not_success() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_status(dir.path()), None);
        write_status(dir.path(), 0).unwrap();
        assert_eq!(read_status(dir.path()), Some(0));
    }
}
