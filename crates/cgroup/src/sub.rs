//! A cgroup below a container's, and whether what was written down as a container's cgroup is one at all.
//!
//! Both are about words of somebody else's that must lead nowhere but into a cgroup: `exec --cgroup ../..` has led out
//! of a container before, and whoever removes a cgroup by a path from a file removes directories and kills by it.

use crate::group::Branch;
use crate::{Cgroup, CgroupPath, Error, Result};
use rustix::fs::statfs;
use rustix::io::Errno;
use std::path::{Component, Path};

/// `linux/magic.h`
const CGROUP: u64 = 0x0027_e0eb;
/// `linux/magic.h`
const CGROUP2: u64 = 0x6367_7270;

impl Cgroup {
    /// The cgroup that `choices` name below this one: each a path, for the controllers before it (`cpu,memory:a/b`), or
    /// without any for all of them. The others stay as they are.
    ///
    /// # Errors
    /// A path climbs, or is not there; a controller is in no hierarchy of ours, or named twice.
    pub fn sub(&self, choices: &[String]) -> Result<Self> {
        let mut sub =
            Self { branches: Vec::with_capacity(self.branches.len()), denied: self.denied.clone(), ..Self::default() };
        let mut chosen = vec![None; self.branches.len()];
        for choice in choices {
            let Some((names, path)) = choice.split_once(':') else {
                if choices.len() > 1 {
                    return Err(Error::Choice { choice: choice.clone(), problem: "lacks controllers before a colon" });
                }
                chosen.fill(Some(choice.as_str()));
                break;
            };
            for name in names.split(',') {
                let has = |branch: &Branch| !name.is_empty() && branch.key.split(',').any(|key| key == name);
                let unknown = || Error::UnknownController { name: name.to_owned() };
                let at = self.branches.iter().position(has).ok_or_else(unknown)?;
                // Co-mounted controllers are one hierarchy: both may be named, with one path.
                if chosen[at].is_some_and(|other| other != path) {
                    return Err(Error::Choice { choice: choice.clone(), problem: "names a controller twice" });
                }
                chosen[at] = Some(path);
            }
        }
        for (branch, choice) in self.branches.iter().zip(chosen) {
            let path = match choice {
                Some(choice) => below(branch, choice)?,
                None => branch.path.clone(),
            };
            sub.branches.push(Branch::new(branch.version, &branch.key, path));
        }
        Ok(sub)
    }

    /// Refuses what cannot be a container's cgroup: directories that are none, and the root of a hierarchy. What has gone
    /// passes.
    ///
    /// # Errors
    /// Names the first such directory.
    pub fn verify(&self) -> Result<()> {
        for branch in &self.branches {
            let refuse = |problem| Err(Error::Path { path: branch.path.clone(), problem });
            let path = Path::new(&branch.path);
            // The kernel folds "." away, and so does Path.
            let plain = path.components().skip(1).all(|part| matches!(part, Component::Normal(_)));
            let (true, true, Some(parent)) = (path.is_absolute(), plain, path.parent()) else {
                return refuse("is no path of a cgroup");
            };
            // What holds a cgroup that is not its hierarchy's root is one, too.
            match statfs(parent) {
                Ok(found) if matches!(found.f_type as u64, CGROUP | CGROUP2) => {}
                Err(Errno::NOENT) => {}
                _ => return refuse("is no cgroup, or the root of all"),
            }
        }
        Ok(())
    }
}

/// The directory below a branch.
fn below(branch: &Branch, choice: &str) -> Result<String> {
    if choice.split('/').all(|name| name.is_empty() || name == ".") {
        return Ok(branch.path.clone());
    }
    let inner = CgroupPath::new(choice).map_err(|_| Error::NotBelow { path: choice.to_owned() })?;
    let path = format!("{}/{}", branch.path, inner.as_inner());
    match rustix::fs::stat(path.as_str()) {
        Ok(_) => Ok(path),
        Err(errno) => {
            let source = sys::Error::new("stat", path.as_str(), errno);
            Err(Error::NoSub { path: choice.to_owned(), source })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn cgroup(pairs: &[(&str, &str)]) -> Cgroup {
        let own = |(key, path): &(&str, &str)| ((*key).to_owned(), (*path).to_owned());
        Cgroup::from_paths(&pairs.iter().map(own).collect::<BTreeMap<_, _>>())
    }

    #[test]
    fn a_choice_never_climbs() {
        let cgroup = cgroup(&[("memory", "/tmp"), ("", "/tmp")]);
        for choice in ["..", "../x", "a/../..", "memory:..", "/..", "a/..", "memory:/../.."] {
            let error = cgroup.sub(&[choice.to_owned()]).unwrap_err().to_string();
            assert!(error.contains("bad sub cgroup path"), "{choice}: {error}");
        }
    }

    #[test]
    fn controllers_choose_hierarchies() {
        let cgroup = cgroup(&[("cpu", "/"), ("cpuacct", "/"), ("memory", "/usr")]);
        let paths = |choices: &[&str]| {
            let choices: Vec<String> = choices.iter().map(|&choice| choice.to_owned()).collect();
            cgroup.sub(&choices).map(|sub| sub.paths()).map_err(|error| error.to_string())
        };
        assert_eq!(paths(&["/"]).unwrap(), cgroup.paths());
        assert_eq!(paths(&["memory:/lib"]).unwrap()["memory"], "/usr/lib");
        let cpu = paths(&["cpu,cpuacct:tmp", "memory:/"]).unwrap();
        assert_eq!((cpu["cpuacct"].as_str(), cpu["memory"].as_str()), ("//tmp", "/usr"));
        for (choices, text) in [
            (&["flies:/"][..], "unknown controller"),
            (&[":/"], "unknown controller"),
            (&["cpu,:/"], "unknown controller"),
            (&["a", "b"], "lacks controllers"),
            (&["memory:lib", "memory:bin"], "twice"),
            (&["no-such-cgroup"], "adding pid"),
        ] {
            let error = paths(choices).unwrap_err();
            assert!(error.contains(text), "{choices:?}: {error}");
        }
    }

    #[test]
    fn what_is_no_cgroup_is_refused() {
        for path in ["/home", "/", "/tmp/x", "relative", "", "/sys/fs/cgroup/../../../home/x", "/sys", "/proc/self"] {
            assert!(cgroup(&[("memory", path)]).verify().is_err(), "{path}");
        }
        // The roots of this machine's hierarchies.
        let layout = crate::Layout::detect().unwrap();
        for hierarchy in layout.hierarchies().iter().filter(|hierarchy| hierarchy.root == "/") {
            assert!(cgroup(&[("memory", &hierarchy.mount)]).verify().is_err(), "{}", hierarchy.mount);
            cgroup(&[("memory", &format!("{}/gone-or-not", hierarchy.mount))]).verify().unwrap();
        }
    }
}
