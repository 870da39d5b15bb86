//! Under which name we were called. Engines know runtimes by name: podman's tables of what `crun` and `runc` can do apply
//! to us when we are installed as one of them, and so do their users' habits.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A name that we answer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Face {
    /// The name.
    pub name: &'static str,
}

impl Face {
    /// The face for `argv[0]`; ours for any name that is nobody else's.
    pub fn of(program: Option<OsString>) -> Self {
        let program = program.unwrap_or_default();
        let name = Path::new(&program).file_name().and_then(|name| name.to_str()).unwrap_or_default();
        Self { name: ["runc", "crun"].into_iter().find(|known| *known == name).unwrap_or("corun") }
    }

    /// Where the state of containers lies if nobody says otherwise. An ordinary user's lies in the directory that his
    /// session has for such things; also that of one who is root in a user namespace only, as under rootless podman, which
    /// leaves the question to the runtime. There `USER=root` says that the machine's /run is one of its own.
    pub fn root(self) -> PathBuf {
        let session = std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty());
        let ordinary = || {
            !rustix::process::geteuid().is_root()
                || mapped() && std::env::var_os("USER").is_none_or(|user| user != "root")
        };
        match session.filter(|_| ordinary()) {
            Some(dir) => PathBuf::from(dir).join(self.name),
            None => Path::new("/run").join(self.name),
        }
    }

    /// What `--version` prints. Exactly one line has the word "version" in it, since dockerd takes the last that has.
    pub fn version(self) -> String {
        let ours = env!("CARGO_PKG_VERSION");
        format!("{} version {ours}\ncommit: corun-{ours}\nspec: {}\n", self.name, oci::runtime::VERSION)
    }
}

/// We are in a user namespace other than the machine's.
fn mapped() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    !map.split_ascii_whitespace().eq(["0", "0", "4294967295"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_that_of_the_program_or_ours() {
        for (program, name) in [("/usr/sbin/runc", "runc"), ("crun", "crun"), ("/opt/x", "corun"), ("", "corun")] {
            assert_eq!(Face::of(Some(program.into())).name, name);
        }
    }

    #[test]
    fn one_line_has_the_word() {
        let text = Face { name: "runc" }.version();
        assert_eq!(text.lines().filter(|line| line.contains("version")).count(), 1);
        assert!(text.starts_with("runc version "));
        assert!(text.lines().any(|line| line.starts_with("spec: ")));
    }
}
