//! The second stage, in the new namespaces: cgroups, mounts, limits, capabilities, filter, and the command.

use crate::kernel::{self, AT_FDCWD, attempt, call, mount, mount_if_there, nr};
use crate::spec::{Spec, flag};
use crate::{Arguments, List, Text};
use core::ptr::null;

const NONE: Text = null();

/// Builds the container's view and becomes its command.
pub fn run(arguments: Arguments) -> ! {
    let spec = arguments.spec();
    let mut lists = arguments.lists();
    for _directory in lists.by_ref() {}
    while lists.next().is_some() {
        for _value in lists.by_ref() {}
    }
    for tasks in lists.by_ref() {
        // One's own move, by a process with one thread, waits for nobody.
        kernel::write(kernel::open(tasks), c"0".as_ptr().cast());
    }
    for _v2 in lists.by_ref() {}
    const NEWCGROUP: usize = 0x0200_0000;
    call(nr::unshare, [NEWCGROUP]);
    mount(NONE, c"/".as_ptr().cast(), NONE, flag::PRIVATE | flag::REC, NONE);
    let root = arguments.root();
    mount(root, root, NONE, flag::BIND | flag::REC, NONE);
    let files = (!spec.binds.is_empty()).then(|| call(nr::openat, [AT_FDCWD, arguments.files() as usize, DIRECTORY]));
    call(nr::chdir, [root as usize]);
    view(spec, lists, files);
    if let Some((path, value)) = spec.sysctl {
        kernel::write(kernel::open(path), value);
    }
    loopback();
    limits(spec);
    pivot();
    call(nr::setsid, []);
    may_do(spec);
    let argv: [Text; 2] = [c"/bin/true".as_ptr().cast(), NONE];
    call(nr::execve, [argv[0] as usize, argv.as_ptr() as usize, spec.environment.as_ptr() as usize]);
    kernel::exit(255)
}

const DIRECTORY: usize = 0o10_200_000 | 0o2_000_000;

/// All mounts, relative to the coming root, in which we stand.
fn view(spec: &Spec, cgroups: List, files: Option<usize>) {
    for one in spec.mounts {
        mount(one.kind, one.at, one.kind, one.flags, one.options);
        // SAFETY: a text of this program.
        if unsafe { *one.at == b'd' && *one.at.add(3) == 0 } {
            devices(spec);
        }
    }
    for bind in spec.binds {
        const CLONE_CLOEXEC: usize = 1 | 0o2_000_000;
        const EMPTY_PATH: usize = 0x1000;
        const FROM_EMPTY: usize = 4;
        let tree = call(nr::open_tree, [files.unwrap_or(0), bind.from as usize, CLONE_CLOEXEC]);
        if bind.flags != 0 {
            attributes(tree, c"".as_ptr().cast(), EMPTY_PATH, bind.flags);
        }
        call(nr::move_mount, [tree, c"".as_ptr() as usize, AT_FDCWD, bind.at as usize, FROM_EMPTY]);
    }
    cgroup_view(cgroups);
    const RECURSIVE: usize = 0x8000;
    for path in spec.read_only {
        if mount_if_there(*path, *path, flag::BIND | flag::REC) {
            attributes(AT_FDCWD, *path, RECURSIVE, flag::RDONLY);
        }
    }
    let null = c"/dev/null".as_ptr().cast();
    let mut first = NONE;
    for path in spec.masked_files {
        let there = mount_if_there(if first.is_null() { null } else { first }, *path, flag::BIND);
        if there && first.is_null() {
            attributes(AT_FDCWD, *path, 0, flag::RDONLY | flag::NOSUID | flag::NOEXEC);
            first = *path;
        }
    }
    first = NONE;
    for path in spec.masked_directories {
        if !first.is_null() {
            mount_if_there(first, *path, flag::BIND);
        } else if attempt(nr::newfstatat, [AT_FDCWD, *path as usize, (&raw mut STATUS) as usize, 0]).is_ok() {
            let (tmpfs, options) = (c"tmpfs".as_ptr().cast(), c"nr_blocks=1,nr_inodes=1".as_ptr().cast());
            mount(tmpfs, *path, tmpfs, flag::RDONLY | flag::NOSUID | flag::NODEV | flag::NOEXEC, options);
            first = *path;
        }
    }
}

static mut STATUS: [u64; 18] = [0; 18];

/// mount_setattr(2). The first four attributes have the numbers of mount(2)'s flags.
fn attributes(at: usize, path: Text, flags: usize, set: usize) {
    let attributes = [set as u64, 0, 0, 0];
    call(nr::mount_setattr, [at, path as usize, flags, attributes.as_ptr() as usize, size_of_val(&attributes)]);
}

/// Nodes and links of /dev, and the directories of what is mounted below it.
fn devices(spec: &Spec) {
    const CHARACTER: usize = 0o020_666;
    for (path, number) in [
        (c"dev/null", 0x103),
        (c"dev/zero", 0x105),
        (c"dev/full", 0x107),
        (c"dev/random", 0x108),
        (c"dev/urandom", 0x109),
        (c"dev/tty", 0x500),
    ] {
        call(nr::mknodat, [AT_FDCWD, path.as_ptr() as usize, CHARACTER, number]);
    }
    for (to, path) in [
        (c"pts/ptmx", c"dev/ptmx"),
        (c"/proc/self/fd", c"dev/fd"),
        (c"/proc/self/fd/0", c"dev/stdin"),
        (c"/proc/self/fd/1", c"dev/stdout"),
        (c"/proc/self/fd/2", c"dev/stderr"),
        (c"/proc/kcore", c"dev/core"),
    ] {
        call(nr::symlinkat, [to.as_ptr() as usize, AT_FDCWD, path.as_ptr() as usize]);
    }
    for path in spec.directories {
        call(nr::mkdirat, [AT_FDCWD, *path as usize, 0o755]);
    }
}

/// /sys/fs/cgroup: on v1 and hybrid a tmpfs, a directory for each hierarchy, and the hierarchy in it, which shows our
/// cgroup as its root. The arguments name them; with v2 alone, there is just that.
fn cgroup_view(mut list: List) {
    const FLAGS: usize = flag::NOSUID | flag::NODEV | flag::NOEXEC;
    let mut top = NONE;
    while let (Some(at), Some(kind), Some(options)) = (list.next(), list.next(), list.next()) {
        // SAFETY: a text of the arguments.
        if unsafe { *kind } == b't' {
            mount(kind, at, kind, FLAGS, options);
            top = at;
            continue;
        }
        if !top.is_null() {
            call(nr::mkdirat, [AT_FDCWD, at as usize, 0o755]);
        }
        // SAFETY: as above; a dash stands for nothing, since an empty text ends a list.
        let options = if unsafe { *options } == b'-' { NONE } else { options };
        mount(c"cgroup".as_ptr().cast(), at, kind, FLAGS | flag::RDONLY, options);
    }
    if !top.is_null() {
        attributes(AT_FDCWD, top, 0, flag::RDONLY);
    }
}

/// The loopback interface of a new network namespace is down.
fn loopback() {
    const AF_INET: usize = 2;
    const DGRAM_CLOEXEC: usize = 2 | 0o2_000_000;
    const SIOCSIFFLAGS: usize = 0x8914;
    let mut request = [0_u8; 40];
    request[..2].copy_from_slice(b"lo");
    // IFF_UP | IFF_RUNNING
    request[16] = 0x41;
    let socket = call(kernel::SOCKET, [AF_INET, DGRAM_CLOEXEC, 0]);
    call(nr::ioctl, [socket, SIOCSIFFLAGS, request.as_ptr() as usize]);
}

fn limits(spec: &Spec) {
    for [number, soft, hard] in spec.rlimits {
        let limit = [*soft, *hard];
        call(nr::prlimit64, [0, *number, limit.as_ptr() as usize, 0]);
    }
    if !spec.hostname.is_empty() {
        call(nr::sethostname, [spec.hostname.as_ptr() as usize, spec.hostname.len()]);
    }
    const JOIN_SESSION_KEYRING: usize = 1;
    call(nr::keyctl, [JOIN_SESSION_KEYRING, c"floor".as_ptr() as usize]);
}

/// We stand in the coming root: the old one is put onto it and detached (pivot_root(2), notes).
fn pivot() {
    let here = c".".as_ptr() as usize;
    const DETACH: usize = 2;
    call(nr::pivot_root, [here, here]);
    call(nr::umount2, [here, DETACH]);
    call(nr::chdir, [c"/".as_ptr() as usize]);
}

/// Ids, capabilities and filter.
fn may_do(spec: &Spec) {
    const CAPBSET_DROP: usize = 24;
    const VERSION_3: u32 = 0x2008_0522;
    for capability in 0..64 {
        if spec.capabilities & (1 << capability) == 0 && attempt(nr::prctl, [CAPBSET_DROP, capability]).is_err() {
            break;
        }
    }
    call(nr::setgroups, [0, 0]);
    call(nr::umask, [0o022]);
    if !spec.filter.is_empty() {
        #[repr(C)]
        struct Program(u16, *const u8);
        const SET_MODE_FILTER: usize = 1;
        const SPEC_ALLOW: usize = 4;
        let program = Program((spec.filter.len() / 8) as u16, spec.filter.as_ptr());
        call(nr::seccomp, [SET_MODE_FILTER, SPEC_ALLOW, (&raw const program) as usize]);
    }
    let header = [VERSION_3, 0];
    let (low, high) = (spec.capabilities as u32, (spec.capabilities >> 32) as u32);
    let sets = [low, low, 0, high, high, 0];
    call(nr::capset, [header.as_ptr() as usize, sets.as_ptr() as usize]);
}
