//! The other machine that a guest can be: a whole computer, emulated by qemu, under Debian's own kernel. It is for what
//! User-Mode-Linux lacks: a kernel that criu of the same Debian runs on, AppArmor, time namespaces, the controllers
//! cpuset, rdma and misc, dummy network devices. It boots in a quarter of a minute and runs at a fifth to a tenth of the
//! speed. /dev/kvm stays unused: on machines that are guests themselves it may be there and hang.
//!
//! The kernel comes from Debian's package, unpacked below the target directory and never installed. Its first root is a
//! busybox with the modules that it takes to see the machine's files, which qemu hands in over 9p.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{modules, quote};
use crate::error::{Doing as _, Error, Result};
use crate::programs::{self, on_path};

/// The packages of the programs that this takes.
const PROGRAMS: &[(&str, &str)] = &[
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("busybox", "busybox-static"),
    ("depmod", "kmod"),
    ("dpkg-deb", "dpkg"),
    ("setpriv", "util-linux"),
];

/// Debian's name for its newest kernel.
const PACKAGE: &str = "linux-image-amd64";

/// What is unpacked of it: the tests' file systems, networks and devices, and not 400 MB of drivers.
const PARTS: &[&str] = &[
    "./boot/vmlinuz-*",
    "./lib/modules/*/modules.*",
    "./lib/modules/*/kernel/arch/*",
    "./lib/modules/*/kernel/block/*",
    "./lib/modules/*/kernel/crypto/*",
    "./lib/modules/*/kernel/drivers/block/*.ko",
    "./lib/modules/*/kernel/drivers/infiniband/core/*",
    "./lib/modules/*/kernel/drivers/infiniband/sw/rxe/*",
    "./lib/modules/*/kernel/drivers/net/*.ko",
    "./lib/modules/*/kernel/drivers/virtio/*",
    "./lib/modules/*/kernel/fs/*",
    "./lib/modules/*/kernel/lib/*",
    "./lib/modules/*/kernel/net/*",
];

/// What the first root has to load before it sees the machine's files.
const FIRST: &[&str] = &["virtio_pci", "9pnet_virtio", "9p"];

/// A kernel that was unpacked.
pub struct Kernel {
    image: PathBuf,
    /// The directory of its modules, which is called as its release.
    pub modules: PathBuf,
}

/// Whether such a guest can be booted here; the error says what to install.
pub fn possible() -> Result {
    if !cfg!(target_arch = "x86_64") {
        return Err(Error::Found("the emulated guest is an x86-64 machine, and this is none".to_owned()));
    }
    match PROGRAMS.iter().find(|(program, _)| on_path(program).is_none()) {
        Some((program, package)) => Err(Error::Found(format!("{program} is missing: apt-get install {package}"))),
        None => kernel().map(drop),
    }
}

/// The kernel, fetched and unpacked where that was not done before.
pub fn kernel() -> Result<Kernel> {
    let cache = programs::target_dir()?.join("guest");
    if let Some(kernel) = unpacked(&cache) {
        return Ok(kernel);
    }
    eprintln!("guest: fetching Debian's kernel into {}", cache.display());
    fs::create_dir_all(&cache).doing(|| format!("making {}", cache.display()))?;
    let fresh = tempfile::tempdir_in(&cache).doing(|| format!("making a directory in {}", cache.display()))?;
    let package = fetch(fresh.path()).or_else(|_| {
        // An old list names files that are no longer there.
        let _ = programs::run(Command::new("apt-get").args(["update", "-qq"]));
        fetch(fresh.path())
    })?;
    let unpack = format!(
        "dpkg-deb --fsys-tarfile {} | tar -x --wildcards {}",
        quote(&package.to_string_lossy()),
        PARTS.iter().map(|part| quote(part)).collect::<Vec<_>>().join(" ")
    );
    programs::run(Command::new("sh").args(["-c", &unpack]).current_dir(fresh.path()))?;
    fs::remove_file(&package).doing(|| format!("removing {}", package.display()))?;
    let release = only(&fresh.path().join("lib/modules"))?;
    let depmod = on_path("depmod").unwrap_or_else(|| "depmod".into());
    // It lists what was left out as missing, and is right.
    programs::run(Command::new(depmod).arg("-b").arg(fresh.path()).arg(&release).stderr(Stdio::null()))?;
    let place = cache.join("kernel");
    match fs::rename(fresh.path(), &place) {
        Err(error) if unpacked(&cache).is_none() => Err(error).doing(|| format!("renaming to {}", place.display())),
        // Or somebody else was faster.
        _ => unpacked(&cache).ok_or_else(|| Error::Found(format!("{} has no kernel", place.display()))),
    }
}

fn unpacked(cache: &Path) -> Option<Kernel> {
    let release = only(&cache.join("kernel/lib/modules")).ok()?;
    let kernel = Kernel {
        image: cache.join(format!("kernel/boot/vmlinuz-{release}")),
        modules: cache.join("kernel/lib/modules").join(release),
    };
    (kernel.image.is_file() && kernel.modules.join("modules.dep").is_file()).then_some(kernel)
}

/// Downloads the package on which [`PACKAGE`] depends.
fn fetch(to: &Path) -> Result<PathBuf> {
    let missing = || Error::Found(format!("the package {PACKAGE} cannot be had here; it is Debian's"));
    let text = programs::read(Command::new("apt-cache").args(["depends", PACKAGE])).map_err(|_| missing())?;
    let name = text.lines().find_map(|line| line.trim().strip_prefix("Depends: ")).ok_or_else(missing)?;
    let download = &mut Command::new("apt-get");
    // The user _apt may not write there, and apt says so.
    download.args(["download", "-qq", "-o", "APT::Sandbox::User=root", name]).current_dir(to);
    programs::run(download).map_err(|_| missing())?;
    Ok(to.join(only(to)?))
}

/// The name of a directory's only entry.
fn only(dir: &Path) -> Result<String> {
    let mut entries = fs::read_dir(dir).doing(|| format!("reading {}", dir.display()))?;
    let name = entries.next().and_then(std::result::Result::ok).map(|entry| entry.file_name());
    let name = name.and_then(|name| name.into_string().ok());
    name.ok_or_else(|| Error::Found(format!("{} is empty", dir.display())))
}

/// Starts the machine. Its first process, once it sees the machine's files, is `own` with `guest-init` and `dir`.
pub fn machine(
    kernel: &Kernel,
    own: &Path,
    dir: &Path,
    shares: &[PathBuf],
    memory: &str,
    console: File,
) -> Result<Child> {
    let initrd = first_root(kernel, own, dir)?;
    // The guest must not outlive this program.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "--", "qemu-system-x86_64"]);
    command.args(["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", memory]);
    command.args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio"]);
    command.arg("-kernel").arg(&kernel.image).arg("-initrd").arg(initrd);
    // The kernel counts interrupts of a timer for a moment, and panics where a busy machine has emulated too few.
    command.args(["-append", "console=ttyS0 quiet panic=-1 no_timer_check"]);
    export(&mut command, "root", Path::new("/"), true);
    for (index, share) in std::iter::once(dir).chain(shares.iter().map(PathBuf::as_path)).enumerate() {
        export(&mut command, &tag(index), share, false);
    }
    let output = console.try_clone().doing(|| "another descriptor".to_owned())?;
    let started = command.stdin(Stdio::null()).stdout(output).stderr(console).spawn();
    started.doing(|| "starting qemu-system-x86_64 by setpriv".to_owned())
}

/// What a shared directory is called on the way: the one where both sides meet is the first.
pub fn tag(index: usize) -> String {
    format!("share{index}")
}

fn export(command: &mut Command, tag: &str, dir: &Path, readonly: bool) {
    let readonly = if readonly { ",readonly=on" } else { "" };
    // A comma ends an option's value; two are one.
    let path = dir.to_string_lossy().replace(',', ",,");
    command.arg("-virtfs");
    command.arg(format!("local,path={path},mount_tag={tag},security_model=none,multidevs=remap{readonly}"));
}

/// Makes the archive that the kernel unpacks as its first root.
fn first_root(kernel: &Kernel, own: &Path, dir: &Path) -> Result<PathBuf> {
    let root = dir.join("first");
    for name in ["bin", "modules", "machine", "dev"] {
        fs::create_dir_all(root.join(name)).doing(|| format!("making {}", root.display()))?;
    }
    let busybox = on_path("busybox").unwrap_or_else(|| "busybox".into());
    fs::copy(&busybox, root.join("bin/busybox")).doing(|| format!("copying {}", busybox.display()))?;
    let mut script = vec!["#!/bin/busybox sh".to_owned(), "set -e".to_owned()];
    for (index, file) in modules::files(&kernel.modules, FIRST)?.iter().enumerate() {
        fs::copy(file, root.join(format!("modules/{index}"))).doing(|| format!("copying {}", file.display()))?;
        script.push(format!("/bin/busybox insmod /modules/{index}"));
    }
    script.push(format!("/bin/busybox mount -t 9p -o {},cache=loose,ro root /machine", super::init::OVER_9P));
    let (own, meeting) = (quote(&own.to_string_lossy()), quote(&dir.to_string_lossy()));
    script.push(format!("exec /bin/busybox switch_root /machine {own} guest-init {meeting}\n"));
    let init = root.join("init");
    fs::write(&init, script.join("\n")).doing(|| format!("writing {}", init.display()))?;
    let pack = "chmod 755 init bin/busybox; find . | busybox cpio -o -H newc > ../initrd";
    programs::run(Command::new("sh").args(["-c", pack]).current_dir(&root).stderr(Stdio::null()))?;
    Ok(dir.join("initrd"))
}
