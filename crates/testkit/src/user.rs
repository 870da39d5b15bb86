//! Ordinary users for rootless tests, made once for a machine and left there: one with a range of subordinate ids as
//! distributions give to people, and one without any.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::{Invocation, on_path};

/// An ordinary user of this machine, made for tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The login name.
    pub name: String,
    /// The user id.
    pub uid: u32,
    /// The id of the primary group.
    pub gid: u32,
    /// The home directory.
    pub home: PathBuf,
}

impl User {
    /// The user with subordinate ids, `coracle-test`. Made where it is missing; needs root and Debian's `passwd` and
    /// `uidmap`, for which [`requires!`](crate::requires!)`(subuid_user)` stands.
    #[track_caller]
    pub fn with_subuids() -> Self {
        let user = Self::named("coracle-test", &[]);
        for file in ["/etc/subuid", "/etc/subgid"] {
            let text = fs::read_to_string(file).unwrap_or_default();
            assert!(text.lines().any(|line| line.starts_with("coracle-test:")), "{file} has no range for coracle-test");
        }
        user
    }

    /// The user without subordinate ids, `coracle-plain`. Made where it is missing; needs root and `useradd`.
    #[track_caller]
    pub fn without_subuids() -> Self {
        Self::named("coracle-plain", &["-K", "SUB_UID_COUNT=0", "-K", "SUB_GID_COUNT=0"])
    }

    #[track_caller]
    fn named(name: &str, options: &[&str]) -> Self {
        // Tests run as many processes at once, and useradd gives up when another one holds its files.
        let lock = File::create("/run/lock/coracle-testkit").or_else(|_| File::create("/tmp/.coracle-testkit"));
        let lock = lock.expect("a lock file");
        lock.lock().expect("a lock");
        if let Some(user) = Self::find(name) {
            return user;
        }
        let useradd = Invocation::new("useradd").args(["--create-home", "--shell", "/bin/sh"]);
        useradd.args(options).arg(name).ok();
        Self::find(name).unwrap_or_else(|| panic!("useradd made no {name}"))
    }

    fn find(name: &str) -> Option<Self> {
        let passwd = fs::read_to_string("/etc/passwd").ok()?;
        passwd.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [login, _, uid, gid, _, home, _] = fields[..] else { return None };
            let user = || {
                Some(Self { name: login.to_owned(), uid: uid.parse().ok()?, gid: gid.parse().ok()?, home: home.into() })
            };
            (login == name).then(user).flatten()
        })
    }

    /// Whether such users can be made and used here; the error names what is missing.
    pub(crate) fn possible() -> Result<(), String> {
        for program in ["useradd", "setpriv", "newuidmap", "newgidmap"] {
            on_path(program).ok_or_else(|| format!("the program {program}"))?;
        }
        Ok(())
    }

    /// The words that run the rest of a command line as this user, in its groups and without capabilities.
    pub(crate) fn switch(&self) -> Vec<OsString> {
        let setpriv = on_path("setpriv").unwrap_or_else(|| "setpriv".into());
        let mut words = vec![setpriv.into_os_string()];
        words.push(format!("--reuid={}", self.uid).into());
        words.push(format!("--regid={}", self.gid).into());
        words.extend(["--init-groups", "--inh-caps=-all", "--"].map(OsString::from));
        words
    }

    /// Gives a file or directory to this user.
    #[track_caller]
    pub fn give(&self, path: impl AsRef<Path>) {
        let path = path.as_ref();
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))
            .unwrap_or_else(|error| panic!("chown {}: {error}", path.display()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requires;

    #[test]
    fn a_command_of_the_user_runs_with_its_ids_and_no_capability() {
        requires!(root, subuid_user);
        let user = User::with_subuids();
        let outcome =
            Invocation::new("sh").args(["-c", "id -u; id -g; grep CapEff /proc/self/status"]).user(&user).ok();
        assert_eq!(outcome.stdout, format!("{}\n{}\nCapEff:\t0000000000000000\n", user.uid, user.gid));
    }

    #[test]
    fn the_plain_user_has_no_range() {
        requires!(root, subuid_user);
        let user = User::without_subuids();
        let ranges = fs::read_to_string("/etc/subuid").unwrap_or_default();
        assert!(!ranges.lines().any(|line| line.starts_with(&format!("{}:", user.name))));
    }
}
