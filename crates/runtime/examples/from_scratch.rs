//! A container in less than a hundred lines: `cargo run -p runtime --example from_scratch -- sh`.
//!
//! A container is a process of which four things are restricted: what it sees, what its files are, what it may use, and
//! what it may do. The runtime makes it from a description of these (the OCI runtime specification), in one call.
//! Look around in it with `hostname; echo $$; ps ax; ls /; mount; id; ulimit -n`, and from outside with `lsns`.

#![forbid(unsafe_code)]

use oci::runtime::NamespaceKind::{Cgroup, Ipc, Mount as Mounts, Network, Pid, User, Uts};
use oci::runtime::{Capabilities, IdMapping, Linux, Memory, Mount, Namespace, Process, Resources, Rlimit, Spec};
use runtime::rootfs::{FileSystem, Item, Rootfs};
use runtime::{Foreground, Layout, Newlines, Request, create, hold, is_root, make_cgroup};
use std::{env, error::Error, io::IsTerminal, process::ExitCode};
use sys::mount::attr;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let name = format!("from-scratch-{}", std::process::id());
    let spec = container(env::args().skip(1).collect());
    // What it may use: a cgroup is a directory. The kernel counts in it, and keeps to what was written into its files.
    let layout = Layout::detect()?;
    let cgroup = if is_root() { Some(make_cgroup(&name, &spec, &layout)?) } else { None };
    // The one call: clone3(2) with the namespaces, a small program within that builds the view, and execve(2).
    let container = create(Request { cgroup, rootfs: Rootfs::Built(files()), ..Request::new(&name, &spec, &layout) })?;
    // It runs. Its terminal is ours meanwhile, and signals that we get are for it.
    let signals = sys::signal::Signals::block()?;
    let how = Foreground { pass_signals: true, input: true, timeout: None, newlines: Newlines::Translated };
    let exit = hold(&container.handle, container.terminal, &signals, how)?;
    // The namespaces have ended with the process, and all mounts with them. The cgroup is a directory, and stays.
    container.handle.delete()?;
    Ok(exit.code().into())
}

fn container(args: Vec<String>) -> Spec {
    // What it sees: a namespace is a copy of its own of what a process shares with all others else.
    let new = |kind| Namespace { kind, path: None };
    let memory = Memory { limit: Some(64 << 20), ..Memory::default() };
    let mut linux = Linux {
        namespaces: [Mounts, Uts, Pid, Ipc, Network, Cgroup].map(new).to_vec(),
        resources: Some(Resources { memory: Some(memory), ..Resources::default() }),
        ..Linux::default()
    };
    if !is_root() {
        // Who is not root may make user namespaces alone, and is root there, which lets him make the others.
        let me = |id| vec![IdMapping { container_id: 0, host_id: id, size: 1 }];
        linux.namespaces.push(new(User));
        linux.uid_mappings = me(rustix::process::geteuid().as_raw());
        linux.gid_mappings = me(rustix::process::getegid().as_raw());
    }
    // What it may do: a few of root's 41 capabilities.
    let few = || ["CAP_CHOWN", "CAP_KILL", "CAP_SETGID", "CAP_SETUID"].map(str::to_owned).to_vec();
    let few = Capabilities { bounding: few(), effective: few(), permitted: few(), ..Capabilities::default() };
    let process = Process {
        args,
        cwd: "/".to_owned(),
        env: vec!["PATH=/usr/sbin:/usr/bin".to_owned(), "TERM=xterm".to_owned()],
        terminal: std::io::stdin().is_terminal(),
        capabilities: Some(few),
        no_new_privileges: true,
        rlimits: vec![Rlimit { kind: "RLIMIT_NOFILE".to_owned(), soft: 64, hard: 64 }],
        ..Process::default()
    };
    // What the kernel tells of itself: a new /proc shows the processes of the new namespace, and so on.
    let mounts = [("proc", "/proc"), ("sysfs", "/sys"), ("tmpfs", "/dev"), ("devpts", "/dev/pts")];
    let mounts = mounts.map(|(kind, at)| Mount {
        kind: Some(kind.to_owned()),
        source: Some(kind.to_owned()),
        destination: at.to_owned(),
        ..Mount::default()
    });
    Spec {
        oci_version: oci::runtime::VERSION.to_owned(),
        hostname: Some("from-scratch".to_owned()),
        mounts: mounts.to_vec(),
        process: Some(process),
        linux: Some(linux),
        ..Spec::default()
    }
}

/// What its files are: a root in memory, and below it this machine's programs, read-only. An image is layers instead.
fn files() -> Vec<Item> {
    let tmpfs = FileSystem { kind: "tmpfs".to_owned(), parameters: Vec::new(), attributes: attr::NODEV };
    let usr = "/usr".to_owned();
    let usr = Item::Bind { at: usr.clone(), source: usr, recursive: true, attributes: attr::RDONLY | attr::NOSUID };
    let link = |name: &str| Item::Link { path: format!("/{name}"), target: format!("usr/{name}") };
    let mut files = vec![Item::FileSystem { at: "/".to_owned(), file_system: tmpfs }, usr];
    files.extend(["bin", "sbin", "lib", "lib64"].map(link));
    files
}
