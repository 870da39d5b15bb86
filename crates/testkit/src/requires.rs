//! `requires!(root, cgroup_v2)` as a test's first line: what the test cannot do without. Where something is missing, the
//! test says so loudly and returns.
//!
//! A skip is not a pass. With `CORACLE_SKIPS` naming a file, each test with a `requires!` line writes there whether it
//! ran or skipped, and the gate fails when a test has skipped wherever it was run and `.ci/skips` does not allow that.
//!
//! | word | the test needs |
//! |---|---|
//! | `root` | to run as uid 0 with CAP_SYS_ADMIN |
//! | `cgroups` | a writable cgroup hierarchy with the pids controller, of any layout |
//! | `cgroup_v1` | a v1 hierarchy that owns the memory controller (v1 or hybrid) |
//! | `cgroup_v2` | a v2 hierarchy at /sys/fs/cgroup that owns memory and pids (pure v2) |
//! | `controller = "cpuset"` | that controller, in whichever hierarchy |
//! | `controller_v2 = "cpuset"` | that controller on pure v2 |
//! | `subuid_user` | root and what makes ordinary users: useradd, setpriv, newuidmap, newgidmap |
//! | `user_namespaces` | that an unprivileged process may make one |
//! | `time_namespace` | a kernel with time namespaces |
//! | `systemd` | systemd as PID 1 |
//! | `busybox` | a static busybox |
//! | `package = "skopeo"` | the program of that name |
//! | `timing` | a machine on which durations mean something, so no guest |
//! | `that = expression` | whatever an expression of type [`Need`] finds |
//! | `kernel = (6, 12)` | Linux of at least this version |

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::{User, on_path};

/// Ends the test, loudly, where the machine lacks something that it needs. See [`mod@crate::requires`] for the words.
#[macro_export]
macro_rules! requires {
    ($($need:ident $(= $value:expr)?),+ $(,)?) => {{
        fn here() {}
        let test = $crate::requires::test_name(env!("CARGO_PKG_NAME"), ::std::any::type_name_of_val(&here));
        let needs = [$($crate::requires::$need($($value)?)),+];
        if !$crate::requires::met(&test, needs) {
            return;
        }
    }};
}

/// Whether something is there; where not, the error says what it is.
pub type Need = Result<(), String>;

/// The name under which a test reports: package, then its path in the test binary.
pub fn test_name(package: &str, path_of_inner: &str) -> String {
    let path = path_of_inner.trim_end_matches("::here").replace("::{{closure}}", "");
    format!("{package}/{path}")
}

/// Writes down whether a test runs or skips, says a skip aloud, and tells whether the test may go on.
pub fn met(test: &str, needs: impl IntoIterator<Item = Need>) -> bool {
    let missing: Vec<String> = needs.into_iter().filter_map(Result::err).collect();
    if missing.is_empty() {
        note(&format!("ran\t{test}\t{}\n", this_run()));
        return true;
    }
    let missing = missing.join(", ");
    note(&format!("skip\t{test}\t{}\t{missing}\n", this_run()));
    // Not eprintln: the test harness swallows the macros' output of a test that passes.
    let _ = writeln!(std::io::stderr(), "SKIP {test}: needs {missing}");
    false
}

/// What tells this process from all others, those of a guest included: a test may ask for its needs in several steps, and
/// has skipped when the last of them does.
fn this_run() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    format!("{}-{}", boot.trim(), std::process::id())
}

fn note(line: &str) {
    let Some(path) = std::env::var_os("CORACLE_SKIPS") else { return };
    // One write of one line to a file opened for appending: tests of many processes do not mix theirs.
    let file = fs::OpenOptions::new().create(true).append(true).open(&path);
    let written = file.and_then(|mut file| file.write_all(line.as_bytes()));
    written.unwrap_or_else(|error| panic!("CORACLE_SKIPS={}: {error}", Path::new(&path).display()));
}

fn need(there: bool, what: &str) -> Need {
    if there { Ok(()) } else { Err(what.to_owned()) }
}

/// Needs uid 0 and CAP_SYS_ADMIN.
pub fn root() -> Need {
    let admin = status_field("/proc/self/status", "CapEff:")
        .and_then(|caps| u64::from_str_radix(&caps, 16).ok())
        .is_some_and(|caps| caps & (1 << 21) != 0);
    need(rustix::process::geteuid().is_root() && admin, "root")
}

/// Needs a writable hierarchy with the pids controller.
pub fn cgroups() -> Need {
    let writable = pids_hierarchy().is_some_and(|dir| rustix::fs::access(dir, rustix::fs::Access::WRITE_OK).is_ok());
    need(writable, "a writable cgroup hierarchy with the pids controller")
}

/// Needs a v1 hierarchy with the memory controller.
pub fn cgroup_v1() -> Need {
    need(v1_hierarchy("memory").is_some(), "a cgroup v1 hierarchy with the memory controller")
}

/// Needs pure v2.
pub fn cgroup_v2() -> Need {
    let controllers = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
    let has = |name| controllers.split_whitespace().any(|controller| controller == name);
    need(has("memory") && has("pids"), "pure cgroup v2 (cargo xtask guest)")
}

/// Needs a cgroup controller in whichever hierarchy.
pub fn controller(name: &str) -> Need {
    let v2 = ["/sys/fs/cgroup/cgroup.controllers", "/sys/fs/cgroup/unified/cgroup.controllers"];
    let on_v2 = v2.iter().any(|file| {
        fs::read_to_string(file).is_ok_and(|text| text.split_whitespace().any(|controller| controller == name))
    });
    need(on_v2 || v1_hierarchy(name).is_some(), &format!("the cgroup controller {name}"))
}

/// Needs a controller on pure v2, with all that Debian's kernel has of them.
pub fn controller_v2(name: &str) -> Need {
    let here = cgroup_v2().and_then(|()| controller(name));
    here.map_err(|_| format!("the controller {name} on pure cgroup v2 (cargo xtask guest --emulated)"))
}

/// Needs root and what makes ordinary users with subordinate ids.
pub fn subuid_user() -> Need {
    root()?;
    User::possible()
}

/// Needs that an unprivileged process may make a user namespace.
pub fn user_namespaces() -> Need {
    let some = fs::read_to_string("/proc/sys/user/max_user_namespaces").is_ok_and(|count| count.trim() != "0");
    let forbidden =
        ["/proc/sys/kernel/unprivileged_userns_clone=0", "/proc/sys/kernel/apparmor_restrict_unprivileged_userns=1"]
            .iter()
            .filter_map(|pair| pair.split_once('='))
            .any(|(file, value)| fs::read_to_string(file).is_ok_and(|now| now.trim() == value));
    need(some && !forbidden, "unprivileged user namespaces")
}

/// Needs time namespaces.
pub fn time_namespace() -> Need {
    need(Path::new("/proc/self/ns/time").exists(), "a kernel with time namespaces")
}

/// Needs systemd as PID 1, as sd_booted(3) tells it.
pub fn systemd() -> Need {
    need(Path::new("/run/systemd/system").is_dir(), "systemd as PID 1 (cargo xtask guest --systemd)")
}

/// Needs a static busybox.
pub fn busybox() -> Need {
    crate::rootfs::busybox().map(|_| ())
}

/// Needs a machine on which durations mean something.
pub fn timing() -> Need {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let slow = ["User Mode Linux", "QEMU TCG CPU"].iter().any(|name| cpu.contains(name));
    need(!slow, "a machine that is no guest")
}

/// Needs a program on the search path.
pub fn package(name: &str) -> Need {
    need(on_path(name).is_some(), &format!("the program {name}"))
}

/// Needs what an expression of the test's own finds.
pub fn that(need: Need) -> Need {
    need
}

/// Needs a Linux of at least this version.
pub fn kernel((major, minor): (u32, u32)) -> Need {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse::<u32>().ok());
    let running = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    need(running >= (major, minor), &format!("Linux {major}.{minor}"))
}

/// The mount point of the hierarchy that owns the pids controller.
pub fn pids_hierarchy() -> Option<PathBuf> {
    let pure = cgroup_v2().is_ok().then(|| PathBuf::from("/sys/fs/cgroup"));
    pure.or_else(|| v1_hierarchy("pids"))
}

fn v1_hierarchy(controller: &str) -> Option<PathBuf> {
    let text = fs::read_to_string("/proc/self/mountinfo").ok()?;
    text.lines().find_map(|line| {
        let (mount, filesystem) = line.split_once(" - ")?;
        let mut fields = filesystem.split(' ');
        let (kind, options) = (fields.next()?, fields.nth(1)?);
        let owns = kind == "cgroup" && options.split(',').any(|option| option == controller);
        owns.then(|| mount.split(' ').nth(4).map(PathBuf::from)).flatten()
    })
}

fn status_field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_ends_the_test() {
        let reached = std::cell::Cell::new(false);
        let test = || {
            requires!(package = "no-such-program-of-ours");
            reached.set(true);
        };
        test();
        assert!(!reached.get());
    }

    #[test]
    fn what_is_there_lets_it_go_on() {
        let reached = std::cell::Cell::new(false);
        let test = || {
            requires!(package = "sh", kernel = (5, 10));
            reached.set(true);
        };
        test();
        assert!(reached.get());
    }

    #[test]
    fn a_test_reports_under_its_package_and_path() {
        assert_eq!(test_name("store", "cli::images::a_test::here"), "store/cli::images::a_test");
        assert_eq!(test_name("store", "cli::a_test::{{closure}}::here"), "store/cli::a_test");
    }

    #[test]
    fn a_kernel_of_the_far_future_is_missing() {
        assert_eq!(kernel((999, 0)), Err("Linux 999.0".to_owned()));
    }
}
