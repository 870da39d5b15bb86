//! Kernel modules for the guest, loaded without modprobe: what a module needs stands in its kernel's `modules.dep`, one
//! line a module, the deepest need last.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::error::{Doing as _, Error, Result};

/// Where Debian's package keeps the modules of its User-Mode-Linux kernels, one directory a release.
const OF_USER_MODE: &str = "/usr/lib/uml/modules";

/// The modules' directory of the User-Mode-Linux kernel that runs.
pub fn of_user_mode() -> PathBuf {
    Path::new(OF_USER_MODE).join(rustix::system::uname().release().to_string_lossy().into_owned())
}

/// Loads a module of the running kernel and all that it needs. One that is built in or already loaded counts as loaded.
pub fn load(dir: &Path, name: &str) -> Result {
    files(dir, &[name])?.iter().try_for_each(|file| insert(file))
}

/// The files of modules and of all that they need, in the order in which they have to be loaded.
pub fn files(dir: &Path, names: &[&str]) -> Result<Vec<PathBuf>> {
    let builtin = fs::read_to_string(dir.join("modules.builtin")).unwrap_or_default();
    let table = fs::read_to_string(dir.join("modules.dep"));
    let table = table.doing(|| format!("reading {}/modules.dep", dir.display()))?;
    let mut all = Vec::new();
    for name in names.iter().filter(|name| !builtin.lines().any(|path| module_name(path) == **name)) {
        let files = files_of(&table, name);
        let files = files.ok_or_else(|| Error::Found(format!("the guest's kernel has no module {name}")))?;
        for file in files.into_iter().map(|file| dir.join(file)) {
            if !all.contains(&file) {
                all.push(file);
            }
        }
    }
    Ok(all)
}

fn insert(path: &Path) -> Result {
    let file = File::open(path).doing(|| format!("opening {}", path.display()))?;
    #[allow(clippy::disallowed_methods, reason = "the guest's init, not the product")]
    match rustix::system::finit_module(&file, c"", 0) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(error) => Err(error).doing(|| format!("loading {}", path.display())),
    }
}

/// The files to load for a module, in order.
fn files_of(table: &str, name: &str) -> Option<Vec<PathBuf>> {
    table.lines().find_map(|line| {
        let (module, needs) = line.split_once(':')?;
        let in_order = needs.split_whitespace().rev().chain([module]).map(PathBuf::from);
        (module_name(module) == name).then(|| in_order.collect())
    })
}

/// `kernel/net/8021q/garp-x.ko` is called `garp_x`.
fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split('.').next().unwrap_or(file).replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "kernel/a/one.ko: kernel/b/two.ko kernel/c/three-x.ko\nkernel/b/two.ko: kernel/c/three-x.ko\nkernel/c/three-x.ko:\n";

    #[test]
    fn what_is_needed_most_deeply_is_loaded_first() {
        let files = files_of(TABLE, "one").unwrap();
        assert_eq!(files, ["kernel/c/three-x.ko", "kernel/b/two.ko", "kernel/a/one.ko"].map(PathBuf::from));
    }

    #[test]
    fn a_dash_in_a_file_name_is_an_underscore_in_the_modules() {
        assert_eq!(files_of(TABLE, "three_x").unwrap().len(), 1);
        assert_eq!(files_of(TABLE, "four"), None);
    }
}
