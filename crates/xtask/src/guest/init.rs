//! The guest's side. As PID 1 this program builds the guest's root (the machine's files below, a tmpfs above), fills in
//! what a booted system has, and either runs the command itself or hands over to systemd, whose only job is then a unit
//! that calls this program again for the command.
//!
//! Only ever run inside a guest: it mounts over /proc and powers the machine off, so it refuses unless it is PID 1 (or the
//! unit's process on a guest's processor).

#![allow(
    clippy::disallowed_methods,
    reason = "the guest's init: state of a machine that ends with it, not the product"
)]

use std::ffi::CStr;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::mount::{MountFlags, mount};
use rustix::process::{WaitOptions, WaitStatus};

use super::plan::{self, Plan};
use super::{emulated, modules};
use crate::error::{Doing as _, Error, Result};

/// The systemd that the guest's PID 1 becomes.
pub const SYSTEMD: &str = "/lib/systemd/systemd";

/// The name, where both sides meet, of the directory that the guest's root is mounted in.
pub const LAYER: &str = "layer";

/// How an emulated machine mounts what qemu hands in.
pub const OVER_9P: &str = "trans=virtio,version=9p2000.L,msize=262144";

/// Units of a machine's system that have nothing to manage in a guest and cost its slow processor seconds.
const MASKED: &[&str] = &[
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "systemd-journal-flush.service",
    "systemd-logind.service",
    "systemd-networkd.service",
    "systemd-resolved.service",
    "systemd-timesyncd.service",
    "systemd-tmpfiles-clean.timer",
    "systemd-tmpfiles-setup.service",
    "systemd-udev-trigger.service",
    "systemd-udevd.service",
    "systemd-update-utmp.service",
    "tmp.mount",
];

/// PID 1 of the guest: never returns to a caller that could go on.
pub fn first(dir: &Path) -> Result {
    if std::process::id() != 1 {
        return Err(Error::Found("guest-init is the first process of a guest and nothing else".to_owned()));
    }
    let done = come_up(dir);
    if let Err(error) = &done {
        // The console is the only place that is read when there is no status.
        eprintln!("{}", crate::with_sources(error));
    }
    power_off()
}

/// The command's own run, for a unit of the guest's systemd: runs it and ends the guest.
pub fn unit(dir: &Path) -> Result {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    if !["User Mode Linux", "QEMU TCG CPU"].iter().any(|name| cpu.contains(name)) {
        return Err(Error::Found("guest-unit powers its machine off, so it runs in a guest only".to_owned()));
    }
    let plan = Plan::read(dir)?;
    let code = run(dir, &plan)?;
    plan::write_status(dir, code)?;
    power_off()
}

fn come_up(dir: &Path) -> Result {
    let plan = Plan::read(dir)?;
    let modules = plan.emulated.clone().unwrap_or_else(modules::of_user_mode);
    modules::load(&modules, "overlay")?;
    for name in &plan.modules {
        modules::load(&modules, name)?;
    }
    let root = root(dir)?;
    if plan.emulated.is_some() {
        on_demand(&root, &modules)?;
    }
    share(&root, dir, 0, &plan)?;
    let shares = || (1..).zip(&plan.shares).try_for_each(|(index, path)| share(&root, path, index, &plan));
    if plan.systemd {
        shares()?;
        return hand_over(&root, dir, &plan);
    }
    furnish(&root)?;
    shares()?;
    enter(&root)?;
    // Without the loopback device even "connect to myself" fails; without iproute2 the guest just lacks it.
    let _ = Command::new("ip").args(["link", "set", "lo", "up"]).stderr(Stdio::null()).status();
    session()?;
    let code = run(dir, &plan)?;
    plan::write_status(dir, code)
}

/// The machine's root under a tmpfs that takes the writes.
fn root(dir: &Path) -> Result<PathBuf> {
    // The directory where both sides meet is the one place known to exist; what is mounted here hides nothing needed.
    let layer = dir.join(LAYER);
    make(&layer)?;
    attach("tmpfs", &layer, "tmpfs", MountFlags::empty(), c"size=80%,mode=755")?;
    let (upper, work, root) = (layer.join("upper"), layer.join("work"), layer.join("root"));
    [&upper, &work, &root].into_iter().try_for_each(|path| make(path))?;
    let options = format!("lowerdir=/,upperdir={},workdir={}", upper.display(), work.display());
    let options = std::ffi::CString::new(options).map_err(|_| Error::Found("a zero byte in a path".to_owned()))?;
    attach("overlay", &root, "overlay", MountFlags::empty(), &options)?;
    Ok(root)
}

/// Mounts a directory of the machine itself, so that what is written there stays.
fn share(root: &Path, dir: &Path, index: usize, plan: &Plan) -> Result {
    let at = beneath(root, dir);
    make(&at)?;
    let zero = |_| Error::Found("a zero byte in a path".to_owned());
    if plan.emulated.is_some() {
        let options = std::ffi::CString::new(OVER_9P).map_err(zero)?;
        return attach(&emulated::tag(index), &at, "9p", MountFlags::empty(), &options);
    }
    let source = std::ffi::CString::new(dir.as_os_str().as_encoded_bytes()).map_err(zero)?;
    attach("none", &at, "hostfs", MountFlags::empty(), &source)
}

/// Lets the kernel find its modules when it wants one: it asks modprobe(8), which looks below /lib/modules.
fn on_demand(root: &Path, modules: &Path) -> Result {
    let place = root.join("lib/modules");
    make(&place)?;
    let Some(release) = modules.file_name() else { return Ok(()) };
    let linked = symlink(modules, place.join(release));
    linked.doing(|| format!("linking {} to {}", place.join(release).display(), modules.display()))
}

/// What a booted system has mounted.
fn furnish(root: &Path) -> Result {
    let none = MountFlags::empty();
    let inert = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    attach("proc", &root.join("proc"), "proc", inert, c"")?;
    attach("sysfs", &root.join("sys"), "sysfs", inert, c"")?;
    // User-Mode-Linux has none.
    let _ = attach("securityfs", &root.join("sys/kernel/security"), "securityfs", inert, c"");
    attach("cgroup2", &root.join("sys/fs/cgroup"), "cgroup2", inert, c"nsdelegate")?;
    attach("devtmpfs", &root.join("dev"), "devtmpfs", MountFlags::NOSUID, c"mode=755")?;
    for name in ["pts", "shm"] {
        make(&root.join("dev").join(name))?;
    }
    let quiet = MountFlags::NOSUID | MountFlags::NOEXEC;
    attach("devpts", &root.join("dev/pts"), "devpts", quiet, c"ptmxmode=666,mode=620,gid=5")?;
    attach("tmpfs", &root.join("dev/shm"), "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, c"mode=1777")?;
    let links = [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")];
    for (name, target) in links {
        match symlink(target, root.join("dev").join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(error).doing(|| format!("linking /dev/{name}"));
            }
            _ => {}
        }
    }
    attach("tmpfs", &root.join("run"), "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, c"mode=755")?;
    make(&root.join("run/lock"))?;
    attach("tmpfs", &root.join("tmp"), "tmpfs", none, c"mode=1777")
}

/// Moved over the first root instead of entered below it: whoever lives in a chroot may make no user namespace.
fn enter(root: &Path) -> Result {
    let entered = rustix::process::chdir(root)
        .and_then(|()| rustix::mount::mount_move(".", "/"))
        .and_then(|()| rustix::process::chroot("."))
        .and_then(|()| rustix::process::chdir("/"));
    entered.doing(|| format!("entering {}", root.display()))
}

/// Gives the command a cgroup of its own, as a login session has it, in a hierarchy whose root hands every controller
/// down, as systemd does on users' machines.
fn session() -> Result {
    let top = Path::new("/sys/fs/cgroup");
    let text = fs::read_to_string(top.join("cgroup.controllers")).doing(|| "reading cgroup.controllers".to_owned())?;
    for controller in text.split_whitespace() {
        let all = fs::write(top.join("cgroup.subtree_control"), format!("+{controller}"));
        all.doing(|| format!("handing down the controller {controller}"))?;
    }
    make(&top.join("session"))?;
    fs::write(top.join("session/cgroup.procs"), "0").doing(|| "entering the session's cgroup".to_owned())
}

/// Runs the command and returns its exit code, or 128 and the number of the signal that ended it.
fn run(dir: &Path, plan: &Plan) -> Result<u8> {
    let [stdout, stderr] = [plan::STDOUT, plan::STDERR].map(|name| {
        let file = OpenOptions::new().create(true).append(true).open(dir.join(name));
        file.doing(|| format!("opening {name}"))
    });
    let (stdout, stderr) = (stdout?, stderr?);
    let outputs = [&stdout, &stderr].map(File::try_clone);
    let [Ok(out), Ok(mut err)] = outputs else { return Err(Error::Found("no more descriptors".to_owned())) };
    let [program, arguments @ ..] = &plan.command[..] else {
        return Err(Error::Found("the plan has no command".to_owned()));
    };
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(&plan.env).current_dir(&plan.cwd).stdin(Stdio::null());
    let child = match command.stdout(out).stderr(stderr.try_clone().doing(|| "another descriptor".to_owned())?).spawn()
    {
        Ok(child) => child,
        Err(error) => {
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            let _ = writeln!(err, "guest: {program}: {error}");
            return Ok(if missing { 127 } else { 126 });
        }
    };
    let pid = rustix::process::Pid::from_child(&child);
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((ended, status))) if ended == pid => return Ok(code_of(status)),
            // An orphan that fell to us as PID 1.
            Ok(Some(_)) => continue,
            Ok(None) => {}
            Err(error) => return Err(error).doing(|| "waiting for the command".to_owned()),
        }
        // What the guest has written stays in its own page cache until it is told to let the machine see it.
        let _ = (stdout.sync_data(), stderr.sync_data());
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn code_of(status: WaitStatus) -> u8 {
    let signal = || status.terminating_signal().map(|signal| 128 + signal);
    u8::try_from(status.exit_status().or_else(signal).unwrap_or(255)).unwrap_or(255)
}

/// Becomes systemd, with one unit that runs the command.
fn hand_over(root: &Path, dir: &Path, plan: &Plan) -> Result {
    let units = root.join("etc/systemd/system");
    // What this machine starts by itself, of its own and of its administrator's will.
    for entry in fs::read_dir(&units).into_iter().flatten().flatten() {
        if entry.path().extension().is_some_and(|end| end == "wants") {
            fs::remove_dir_all(entry.path()).doing(|| format!("removing {}", entry.path().display()))?;
        }
    }
    make(&units)?;
    for unit in MASKED {
        let path = units.join(unit);
        let _ = fs::remove_file(&path);
        symlink("/dev/null", &path).doing(|| format!("masking {unit}"))?;
    }
    let service = format!(
        "[Unit]\nRequires=dbus.service\nAfter=dbus.service\nFailureAction=poweroff-immediate\n\n[Service]\nType=exec\nDelegate=yes\n\
         ExecStart={} guest-unit {}\nStandardOutput=tty\nTTYPath=/dev/console\n",
        plan.program.display(),
        dir.display()
    );
    let target = "[Unit]\nRequires=basic.target guest.service\nAfter=basic.target\nAllowIsolate=yes\n";
    for (name, text) in [("guest.service", service.as_str()), ("guest.target", target)] {
        fs::write(units.join(name), text).doing(|| format!("writing {name}"))?;
    }
    enter(root)?;
    let failed = Command::new(SYSTEMD)
        .args(["--unit=guest.target", "--log-level=warning", "--log-target=console", "--show-status=no"])
        .env_clear()
        .exec();
    Err(failed).doing(|| format!("becoming {SYSTEMD}"))
}

fn power_off() -> Result {
    rustix::fs::sync();
    let off = rustix::system::reboot(rustix::system::RebootCommand::PowerOff);
    off.doing(|| "powering the guest off".to_owned())
}

fn beneath(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn make(dir: &Path) -> Result {
    fs::create_dir_all(dir).doing(|| format!("making {}", dir.display()))
}

fn attach(source: &str, at: &Path, kind: &str, flags: MountFlags, options: &CStr) -> Result {
    mount(source, at, kind, flags, options).doing(|| format!("mounting {kind} on {}", at.display()))
}
