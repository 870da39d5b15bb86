//! `cargo xtask guest`: runs a command as root on a kernel of its own with a pure cgroup v2 hierarchy, on machines whose
//! own hierarchy is v1 or hybrid, and with systemd as PID 1 where that is asked for.
//!
//! The kernel is User-Mode-Linux, an ordinary program (Debian's `user-mode-linux`). It sees this machine's files
//! read-only under an overlay that it forgets, so that nothing it does reaches the machine but what it writes below
//! `--share`. Its PID 1 is this very program, see [`init`]; both sides meet in a directory that the guest mounts from
//! outside: the plan goes in, the outputs and the exit status come back.
//!
//! It has one slow processor, no cpuset controller, no Landlock and no time namespaces: good for "is it right", never for
//! "is it fast". With `--emulated` the machine is another one, see [`emulated`]: slower still, and with all that Debian's
//! own kernel has.

mod emulated;
pub mod init;
mod kernel;
mod modules;
mod plan;

use std::fs::{self, File};
use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lexopt::prelude::*;
use plan::Plan;

use crate::error::{Doing as _, Error, Result};

/// The exit code for a guest that did not end in time, as timeout(1) has it.
const LATE: u8 = 124;
/// The exit code for a guest that did not come up or died, as container engines have it for their own failures.
const DEAD: u8 = 125;

/// Where the two sides meet. Not /tmp: the guest, as systemd does too, may put a file system of its own there.
const PLACE: &str = "/var/tmp";
const PREFIX: &str = "coracle-guest.";
const LOCK: &str = "lock";

const HELP: &str = "\
cargo xtask guest [OPTIONS] [--] COMMAND [ARGUMENT…]

  --emulated       on Debian's own kernel in an emulated machine, in the place of User-Mode-Linux
  --systemd        boot systemd and D-Bus as PID 1 first
  --share DIR      let the guest write below DIR (may be repeated)
  --modules A,B    kernel modules to load beside the overlay file system
  --memory SIZE    the guest's memory (2G)
  --timeout N      seconds until the guest is ended with exit code 124 (600)";

/// What a guest's kernel runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// User-Mode-Linux: this machine's own kernel, whose program it is.
    UserMode,
    /// A computer that qemu emulates.
    Emulated,
}

/// What the command line asks for.
struct Request {
    machine: Machine,
    systemd: bool,
    shares: Vec<PathBuf>,
    modules: Vec<String>,
    memory: String,
    limit: Duration,
    command: Vec<String>,
}

/// Runs the task with its arguments.
pub fn run(mut parser: lexopt::Parser) -> Result {
    let Some(request) = Request::parse(&mut parser)? else {
        println!("{HELP}");
        return Ok(());
    };
    match boot(&request)? {
        0 => Ok(()),
        code => Err(Error::Code(code)),
    }
}

/// Whether a guest can be booted here; the error says what to install.
pub fn possible(machine: Machine, systemd: bool) -> Result {
    match machine {
        Machine::UserMode => drop(kernel::installed()?),
        Machine::Emulated => emulated::possible()?,
    }
    if systemd && !Path::new(init::SYSTEMD).exists() {
        return Err(Error::Found(format!("{} is missing: apt-get install systemd dbus", init::SYSTEMD)));
    }
    Ok(())
}

impl Request {
    fn parse(parser: &mut lexopt::Parser) -> Result<Option<Self>> {
        let mut request = Self {
            machine: Machine::UserMode,
            systemd: false,
            shares: Vec::new(),
            modules: Vec::new(),
            memory: "2G".to_owned(),
            limit: Duration::from_mins(10),
            command: Vec::new(),
        };
        while let Some(argument) = parser.next()? {
            match argument {
                Long("emulated") => request.machine = Machine::Emulated,
                Long("systemd") => request.systemd = true,
                Long("share") => request.shares.push(parser.value()?.into()),
                Long("modules") => {
                    let names = parser.value()?.string()?;
                    request.modules.extend(names.split(',').filter(|name| !name.is_empty()).map(str::to_owned));
                }
                Long("memory") => request.memory = parser.value()?.string()?,
                Long("timeout") => request.limit = Duration::from_secs(parser.value()?.parse()?),
                Long("help") | Short('h') => return Ok(None),
                Value(first) => {
                    request.command.push(first.string()?);
                    for word in parser.raw_args()? {
                        request.command.push(word.string()?);
                    }
                }
                other => return Err(other.unexpected().into()),
            }
        }
        if request.command.is_empty() {
            return Err(Error::Usage("which command shall the guest run?".to_owned()));
        }
        Ok(Some(request))
    }
}

/// Boots a guest, relays what its command writes, and returns the command's exit code.
fn boot(request: &Request) -> Result<u8> {
    possible(request.machine, request.systemd)?;
    clear_leftovers();
    let meeting = tempfile::Builder::new().prefix(PREFIX).tempdir_in(PLACE);
    let meeting = meeting.doing(|| format!("making a directory in {PLACE}"))?;
    let dir = meeting.path();
    let lock = File::create(dir.join(LOCK)).and_then(|file| file.lock().map(|()| file));
    let _lock = lock.doing(|| format!("locking {}", dir.display()))?;
    // The guest may not be able to make it where the guest's root is to be mounted.
    fs::create_dir(dir.join(init::LAYER)).doing(|| format!("making {}/{}", dir.display(), init::LAYER))?;
    let console = File::create(dir.join("console")).doing(|| format!("{}/console", dir.display()))?;
    let mut guest = match request.machine {
        Machine::UserMode => {
            let kernel = kernel::for_this_processor(dir)?;
            let plan = Plan::from_here(request, None)?;
            plan.write(dir)?;
            user_mode(&kernel, &plan.program, dir, request, console)?
        }
        Machine::Emulated => {
            let kernel = emulated::kernel()?;
            let plan = Plan::from_here(request, Some(kernel.modules.clone()))?;
            plan.write(dir)?;
            emulated::machine(&kernel, &plan.program, dir, &plan.shares, &request.memory, console)?
        }
    };
    let mut outputs = [
        Tail::new(dir.join(plan::STDOUT), Box::new(std::io::stdout())),
        Tail::new(dir.join(plan::STDERR), Box::new(std::io::stderr())),
    ];
    let end = Instant::now() + request.limit;
    let ended = loop {
        outputs.iter_mut().try_for_each(Tail::relay)?;
        if guest.try_wait().doing(|| "waiting for the guest".to_owned())?.is_some() {
            break true;
        }
        if Instant::now() >= end {
            put_down(&mut guest);
            break false;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    outputs.iter_mut().try_for_each(Tail::relay)?;
    if let Some(code) = plan::read_status(dir) {
        return Ok(code);
    }
    let text = fs::read(dir.join("console")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let last: Vec<&str> = text.lines().rev().take(20).collect();
    for line in last.iter().rev() {
        eprintln!("guest: {line}");
    }
    if ended {
        eprintln!("guest: it ended without running the command; above is the end of its console");
        Ok(DEAD)
    } else {
        eprintln!("guest: no answer in {} s; above is the end of its console", request.limit.as_secs());
        Ok(LATE)
    }
}

/// Removes the directories of guests whose callers were killed before they could: those that nobody holds a lock in.
fn clear_leftovers() {
    for entry in fs::read_dir(PLACE).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        // The minute is for one that was made just now and is not locked yet.
        let age = entry.metadata().and_then(|data| data.modified()).ok().and_then(|time| time.elapsed().ok());
        if ours && age.is_some_and(|age| age > Duration::from_mins(1)) {
            let lock = File::open(entry.path().join(LOCK));
            if lock.is_ok_and(|file| file.try_lock().is_ok()) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

fn user_mode(kernel: &Path, own: &Path, dir: &Path, request: &Request, console: File) -> Result<Child> {
    // The guest must not outlive this program. It knows how to end itself on SIGTERM, together with the processes that
    // hold its address spaces.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "--"]).arg(kernel);
    command.arg(format!("mem={}", request.memory));
    command.args(["rootfstype=hostfs", "rootflags=/", "rw", "quiet", "panic=-1"]);
    command.args(["con=null", "con0=null,fd:1"]);
    // Its management directory would otherwise appear in the home directory.
    command.arg(format!("uml_dir={}/", dir.display())).arg("umid=guest");
    command.arg(format!("init={}", own.display()));
    // What follows the dashes is for init, not for the kernel.
    command.arg("--").arg("guest-init").arg(dir);
    let started = command.stdin(Stdio::null()).stdout(console).stderr(Stdio::null()).spawn();
    started.doing(|| format!("starting {} by setpriv", kernel.display()))
}

/// A word of a shell's line.
pub fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Ends a guest that does not end: first as it wishes to be asked, then not.
fn put_down(guest: &mut Child) {
    let pid = rustix::process::Pid::from_child(guest);
    #[allow(clippy::disallowed_methods, reason = "our own child, not the product's containers")]
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    for _ in 0..30 {
        if matches!(guest.try_wait(), Ok(Some(_))) {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let _ = guest.kill();
    let _ = guest.wait();
}

/// A file that grows on the other side, copied to one of our own outputs.
struct Tail {
    path: PathBuf,
    file: Option<File>,
    sink: Box<dyn Write>,
}

impl Tail {
    fn new(path: PathBuf, sink: Box<dyn Write>) -> Self {
        Self { path, file: None, sink }
    }

    fn relay(&mut self) -> Result {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut fresh = Vec::new();
        file.read_to_end(&mut fresh).doing(|| format!("reading {}", self.path.display()))?;
        if !fresh.is_empty() {
            let written = self.sink.write_all(&fresh).and_then(|()| self.sink.flush());
            written.doing(|| "writing the guest's output".to_owned())?;
        }
        Ok(())
    }
}
