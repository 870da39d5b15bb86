//! Why a command cannot be executed: what execve(2) goes through, gone through once more, in the files of the container
//! and with the rights of its user.

use super::binary::{Binary, machine};
use super::tree::{Found, Stop, Tree};
use super::{Cause, Diagnosis, Scene, Spot};
use crate::config::SeccompChoice;
use oci::runtime::Action;
use runtime::Error as Failed;
use rustix::fs::{FileType, Stat, StatVfsMountFlags};
use sys::Errno;

/// Why a command cannot be executed.
#[derive(Debug, thiserror::Error)]
pub enum Program {
    /// The interpreter of a script is not there.
    #[error("the interpreter {interpreter} of the script {script} is not in the container")]
    NoInterpreter {
        /// The script.
        script: String,
        /// As its first line says.
        interpreter: String,
        /// One of the same name, elsewhere.
        elsewhere: Option<String>,
    },
    /// The first line ends as on Windows.
    #[error("the first line of {script} ends with a carriage return, so its interpreter would be {interpreter:?}")]
    CarriageReturn {
        /// The script.
        script: Spot,
        /// As the kernel reads it.
        interpreter: String,
    },
    /// Text that names no interpreter.
    #[error("{script} is text without a first line that names its interpreter (#!)")]
    NoInterpreterLine {
        /// The file.
        script: Spot,
    },
    /// Nothing in it.
    #[error("{0} is empty")]
    Empty(Spot),
    /// The loader of a dynamically linked program is not there.
    #[error("the loader {loader} of the program {program} is not in the container")]
    NoLoader {
        /// The program.
        program: String,
        /// As its ELF header says.
        loader: String,
    },
    /// It is built for another machine.
    #[error("{program} is built for the architecture {built_for}, and this machine is {machine}")]
    Architecture {
        /// The program.
        program: String,
        /// Its machine.
        built_for: String,
        /// This one.
        machine: String,
        /// What `--platform` calls this one.
        platform: String,
    },
    /// Neither a program nor a script.
    #[error("{0} is neither a program that this kernel knows nor a script")]
    NoProgram(String),
    /// It may not be executed.
    #[error("{file} has mode {mode:04o}, which lets nobody execute it who is user {uid} here")]
    NoExecuteBit {
        /// The file.
        file: Spot,
        /// Its mode.
        mode: u32,
        /// Who wants to.
        uid: u32,
    },
    /// A directory.
    #[error("{0} is a directory")]
    Directory(String),
    /// Where it lies nothing may be executed.
    #[error("{file} lies on what is mounted at {at} with noexec")]
    NoExec {
        /// The file.
        file: String,
        /// The mount.
        at: String,
        /// The mount of this machine that says so; `None` where the container's own options do.
        machine: Option<String>,
    },
    /// It is not there.
    #[error("there is no {path} in the container")]
    Absent {
        /// The path.
        path: String,
        /// A name that is much like it.
        near: Option<String>,
    },
    /// A link to nothing.
    #[error("{link} is a link to {target}, which is not there")]
    Dangling {
        /// The link.
        link: String,
        /// What it says.
        target: String,
    },
    /// It is in none of the directories.
    #[error("there is no {command} in any directory of PATH, {path}")]
    NotInPath {
        /// The command.
        command: String,
        /// The directories.
        path: String,
        /// A command that is much like it.
        near: Option<String>,
    },
    /// A filter of the user's own forbids it.
    #[error("the seccomp profile {profile} refuses {call}, which starts the command itself")]
    Filter {
        /// Its file.
        profile: String,
        /// The system call.
        call: String,
    },
}

impl Program {
    pub(super) fn remedy(&self) -> String {
        match self {
            Self::NoInterpreter { elsewhere: Some(other), .. } => {
                format!("there is {other}: name that in the first line")
            }
            Self::NoInterpreter { interpreter, .. } => {
                let name = base(interpreter);
                format!(
                    "put {name} into the image, or name an interpreter in the first line that is there, such as /bin/sh"
                )
            }
            Self::CarriageReturn { script, .. } => script.change(r"sed -i 's/\r$//'"),
            Self::NoInterpreterLine { script } => {
                format!("write #!/bin/sh as its first line, or run it by an interpreter: sh {script}")
            }
            Self::Empty(_) => "it was perhaps never written to the end: copy it once more".to_owned(),
            Self::NoLoader { loader, .. } => {
                let made_for = if loader.contains("musl") {
                    "it is linked against musl: use an image that has it, such as alpine"
                } else if loader.contains("ld-linux") || loader.contains("/ld64.so") || loader.contains("/ld.so") {
                    "it is linked against glibc: use an image that has it, such as debian"
                } else {
                    "use an image that has it"
                };
                format!("{made_for}, or link the program statically")
            }
            Self::Architecture { platform, .. } => {
                format!("use one that is built for this machine; an image of it comes by --platform {platform}")
            }
            Self::NoProgram(_) => "look what it is: file(1) tells".to_owned(),
            Self::NoExecuteBit { file, .. } => file.change("chmod a+x"),
            Self::Directory(_) => "name a file in it".to_owned(),
            Self::NoExec { at, machine: None, .. } => format!("leave out noexec of the mount at {at}"),
            Self::NoExec { machine: Some(machine), .. } => {
                format!("mount -o remount,exec {machine}, or put it on another file system")
            }
            Self::Absent { near: Some(near), .. } | Self::NotInPath { near: Some(near), .. } => {
                format!("did you mean {near}?")
            }
            Self::Absent { .. } => "look at what there is: coracle run with ls in place of the command".to_owned(),
            Self::Dangling { .. } => "give what it points to to the container as well, or name another file".to_owned(),
            Self::NotInPath { .. } => {
                "install it in the image, name it with its whole path, or set PATH by --env".to_owned()
            }
            Self::Filter { call, .. } => format!("allow {call} in it"),
        }
    }
}

/// Looks into an error of the runtime.
pub(super) fn look(error: &Failed, scene: &Scene<'_>) -> Option<Diagnosis> {
    let process = scene.spec.process.as_ref()?;
    let tree = Tree::new(scene);
    let probe = Probe { scene, tree: &tree, uid: process.user.uid };
    let (command, said, found) = match error {
        Failed::NotFound { command, in_path: true } => {
            (command, "executable file not found in $PATH".to_owned(), Some(probe.not_in_path(command)))
        }
        Failed::NotFound { command, in_path: false } => {
            let path = probe.absolute(command);
            (command, "executable file not found in the container".to_owned(), probe.file(&path, 0))
        }
        Failed::NotExecutable { command, errno, .. } => {
            let found = probe.filtered(*errno);
            // Of those in PATH the first that is there.
            let there = |path: &String| !matches!(probe.tree.walk(path), Err(Stop::Absent { link: None, .. }));
            let found =
                found.or_else(|| probe.candidates(command).iter().filter(|p| there(p)).find_map(|p| probe.file(p, 0)));
            (command, super::words(*errno), found)
        }
        _ => return None,
    };
    Some(found?.of(format!("{command}: {said}")))
}

/// More interpreters of interpreters than that the kernel does not follow.
const DEPTH: u32 = 5;

pub(super) struct Probe<'a> {
    pub scene: &'a Scene<'a>,
    pub tree: &'a Tree<'a>,
    pub uid: u32,
}

impl Probe<'_> {
    /// A path of the container, by where the command is to run.
    fn absolute(&self, path: &str) -> String {
        let cwd = self.scene.spec.process.as_ref().map_or("/", |process| process.cwd.as_str());
        if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", cwd.trim_end_matches('/')) }
    }

    fn path(&self) -> &str {
        let env = self.scene.spec.process.iter().flat_map(|process| &process.env);
        env.filter_map(|word| word.strip_prefix("PATH=")).next_back().unwrap_or("/usr/local/bin:/usr/bin:/bin")
    }

    /// Where a command may lie.
    fn candidates(&self, command: &str) -> Vec<String> {
        if command.contains('/') {
            return vec![self.absolute(command)];
        }
        self.path().split(':').map(|dir| self.absolute(&format!("{}/{command}", dir.trim_end_matches('/')))).collect()
    }

    fn not_in_path(&self, command: &str) -> Diagnosis {
        let path = self.path();
        // A link of the right name that leads to nothing is what was meant.
        let dangling = self.candidates(command).into_iter().find_map(|path| match self.tree.walk(&path) {
            Err(Stop::Absent { link: Some((link, target)), .. }) if link == path => {
                Some(Program::Dangling { link, target })
            }
            _ => None,
        });
        if let Some(dangling) = dangling {
            return Diagnosis::new(Cause::Program(dangling));
        }
        let dirs = path.split(':').filter_map(|dir| self.tree.walk(dir).ok());
        let names: Vec<String> = dirs.flat_map(|dir| dir.names()).collect();
        let near = crate::flags::nearest(command, names.iter().map(String::as_str)).map(str::to_owned);
        let (command, path) = (command.to_owned(), path.to_owned());
        Diagnosis::new(Cause::Program(Program::NotInPath { command, path, near }))
    }

    /// The user's own filter has a rule for what starts the command, and its answer is this one.
    fn filtered(&self, errno: Errno) -> Option<Diagnosis> {
        let SeccompChoice::Profile { path, .. } = &self.scene.config.privileges.seccomp else { return None };
        let profile = self.scene.spec.linux.as_ref()?.seccomp.as_ref()?;
        let rule = profile.syscalls.iter().find(|rule| rule.names.iter().any(|name| name == "execve"));
        let (action, number) = match rule {
            Some(rule) => (rule.action, rule.errno_ret),
            None => (profile.default_action, profile.default_errno_ret),
        };
        let number = number.unwrap_or(Errno::PERM.raw_os_error().unsigned_abs());
        (action == Action::Errno && number == errno.raw_os_error().unsigned_abs()).then(|| {
            let cause = Program::Filter { profile: path.display().to_string(), call: "execve".to_owned() };
            Diagnosis::new(Cause::Program(cause))
        })
    }

    /// What is wrong with a file that is to be executed; `None` where nothing is.
    fn file(&self, path: &str, depth: u32) -> Option<Diagnosis> {
        let program = |cause| Some(Diagnosis::new(Cause::Program(cause)));
        let found = match self.tree.walk(path) {
            Ok(found) => found,
            Err(Stop::Absent { path: absent, parent, link }) => {
                if let Some((link, target)) = link {
                    return program(Program::Dangling { link, target });
                }
                let names = self.tree.walk(&parent).map(|parent| parent.names()).unwrap_or_default();
                let near = crate::flags::nearest(base(&absent), names.iter().map(String::as_str));
                let near = near.map(|near| format!("{}/{near}", parent.trim_end_matches('/')));
                return program(Program::Absent { path: absent, near });
            }
            Err(stop) => return super::mounts::stopped(stop),
        };
        if let Some(closed) = self.closed(&found) {
            return Some(closed);
        }
        if found.is(FileType::Directory) {
            return program(Program::Directory(found.path));
        }
        if let Some(at) = self.no_exec(&found) {
            return program(at);
        }
        if !self.may(&found.stat, 1) {
            if found.stat.st_mode & 0o111 != 0 && self.is_unmapped(&found.stat) {
                return Some(Diagnosis::new(Cause::Files(super::Files::Unmapped(found.spot))));
            }
            let cause = Program::NoExecuteBit { file: found.spot, mode: found.stat.st_mode & 0o7777, uid: self.uid };
            return program(cause);
        }
        self.content(found, depth)
    }

    fn content(&self, found: Found, depth: u32) -> Option<Diagnosis> {
        let program = |cause| Some(Diagnosis::new(Cause::Program(cause)));
        match Binary::of(&found)? {
            Binary::Empty => program(Program::Empty(found.spot)),
            Binary::Text => program(Program::NoInterpreterLine { script: found.spot }),
            Binary::Other => program(Program::NoProgram(found.path)),
            Binary::Script(interpreter) => {
                let line = format!("its first line is \"#!{}\"", interpreter.escape_debug());
                match self.tree.walk(&self.absolute(&interpreter)) {
                    Err(Stop::Absent { .. }) if interpreter.ends_with('\r') => {
                        program(Program::CarriageReturn { script: found.spot, interpreter })
                    }
                    Err(Stop::Absent { .. }) => {
                        let mut others = self.candidates(base(&interpreter)).into_iter();
                        let elsewhere = others.find(|path| self.tree.walk(path).is_ok());
                        let cause = Program::NoInterpreter { script: found.path, interpreter, elsewhere };
                        Some(Diagnosis::new(Cause::Program(cause)).seen(line))
                    }
                    _ if depth < DEPTH => Some(self.file(&self.absolute(&interpreter), depth + 1)?.seen(line)),
                    _ => None,
                }
            }
            Binary::Elf { machine: number, loader } => {
                let (built_for, _) = machine(number);
                let here = rustix::system::uname().machine().to_string_lossy().into_owned();
                if built_for != here {
                    let platform = (0..=u16::MAX).find_map(|number| {
                        let (name, platform) = machine(number);
                        (name == here).then_some(platform)?
                    });
                    let platform = platform.unwrap_or("linux").to_owned();
                    let cause = Program::Architecture { program: found.path, built_for, machine: here, platform };
                    return program(cause);
                }
                let loader = loader?;
                match self.tree.walk(&self.absolute(&loader)) {
                    Err(Stop::Absent { .. }) => program(Program::NoLoader { program: found.path, loader }),
                    _ => None,
                }
            }
        }
    }

    fn no_exec(&self, found: &Found) -> Option<Program> {
        let file = found.path.clone();
        let mount = found.mount.and_then(|index| self.scene.spec.mounts.get(index));
        if let Some(mount) = mount.filter(|mount| mount.options.iter().any(|option| option == "noexec")) {
            return Some(Program::NoExec { file, at: mount.destination.clone(), machine: None });
        }
        if !found.flags().contains(StatVfsMountFlags::NOEXEC) {
            return None;
        }
        let at = mount.map_or("/", |mount| mount.destination.as_str()).to_owned();
        let machine = super::mounts::mount_point(found.spot.outside.as_deref()?);
        Some(Program::NoExec { file, at, machine: Some(machine) })
    }

    /// A directory on the way that the user may not search.
    pub fn closed(&self, found: &Found) -> Option<Diagnosis> {
        let (spot, stat) = found.passed.iter().find(|(_, stat)| !self.may(stat, 1))?;
        Some(self.shut(spot, stat))
    }

    /// Why a directory may not be searched.
    pub fn shut(&self, spot: &Spot, stat: &Stat) -> Diagnosis {
        let spot = spot.clone();
        Diagnosis::new(Cause::Files(if self.is_unmapped(stat) {
            super::Files::Unmapped(spot)
        } else {
            super::Files::NoSearch { directory: spot, mode: stat.st_mode & 0o7777, uid: self.uid }
        }))
    }

    /// What the container's user may do with a file, by its mode (path_resolution(7)): 1 is to execute or to search.
    pub fn may(&self, stat: &Stat, wanted: u32) -> bool {
        let is_dir = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let Some(process) = &self.scene.spec.process else { return true };
        let effective = process.capabilities.as_ref().map(|sets| sets.effective.as_slice()).unwrap_or_default();
        let has = |name: &str| effective.iter().any(|capability| capability == name);
        let overrides = has("CAP_DAC_OVERRIDE") || (is_dir && has("CAP_DAC_READ_SEARCH"));
        if overrides && !self.is_unmapped(stat) {
            return is_dir || stat.st_mode & 0o111 != 0;
        }
        let user = self.outside(0, self.uid);
        let groups = std::iter::once(&process.user.gid).chain(&process.user.additional_gids);
        let shift = if user == Some(stat.st_uid) {
            6
        } else if groups.into_iter().any(|gid| self.outside(1, *gid) == Some(stat.st_gid)) {
            3
        } else {
            0
        };
        stat.st_mode >> shift & wanted == wanted
    }

    /// An id of the container as this process knows it.
    fn outside(&self, kind: usize, id: u32) -> Option<u32> {
        match self.scene.maps {
            None => Some(id),
            Some(maps) if kind == 0 => maps.host_uid(id),
            Some(maps) => maps.host_gid(id),
        }
    }

    /// Its owner is nobody in the container: there not even root may do what the mode does not let everybody do.
    pub fn is_unmapped(&self, stat: &Stat) -> bool {
        let overflow = super::number("/proc/sys/kernel/overflowuid").is_some_and(|id| id == u64::from(stat.st_uid));
        let Some(maps) = self.scene.maps else { return false };
        let known = maps.uids.iter().any(|map| stat.st_uid >= map.host_id && stat.st_uid - map.host_id < map.size);
        !known || (overflow && super::userns::is_inner())
    }
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
