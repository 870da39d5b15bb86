//! What a program has made of the kernel, read from strace: the floor and the runtime must agree in it, or the floor is
//! padded or starved.
//!
//! There is more than one way to an object, so both are brought to one form: a file system is the same whether mount(2)
//! made it or fsopen, fsconfig and fsmount; a path is told relative to the container's root; a name in /dev by itself,
//! since one makes it before the directory is attached and the other after.
//!
//! Left out, because it is no object of the specification or changes nothing: memory, plain file I/O, the memfds of the
//! stub and its plan, sockets between the stages, pidfd and poll, closing, `PR_SET_PDEATHSIG`, `PR_SET_KEEPCAPS`, ids
//! set to what they are, an empty ambient set cleared, propagation of mounts that are private already, and the parent's
//! umask, which it sets back; the place where /dev stands until a copy of it, which is then the newest mount, takes its own
//! (the old root's /proc/fs); and what a runtime writes down of its containers, which the floor could not find again.

use crate::error::{Doing as _, Error, Result};
use crate::measure::PATH;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Where a mount stands for a moment, in the old root.
const STOPOVER: &str = "/proc/fs";

/// Objects and how many there are of each.
pub type Objects = BTreeMap<String, usize>;

/// Runs a command under strace and tells what it made. `root` is the container's root file system, `state` the directory
/// in which the runtime keeps its containers.
pub fn objects(words: &[String], root: &Path, state: &Path) -> Result<Objects> {
    let dir = tempfile::tempdir().doing(|| "making a directory".into())?;
    let prefix = dir.path().join("trace");
    let mut command = Command::new("strace");
    command.args(["-ff", "-s", "4096", "-e", "abbrev=!bpf", "-o"]).arg(&prefix).arg("--").args(words);
    command.env_clear().env("PATH", PATH).stdin(Stdio::null());
    let status = command.status().doing(|| "starting strace".into())?;
    if !status.success() {
        return Err(Error::Failed { name: "strace".into(), code: 1, command: words.join(" ") });
    }
    let mut traces = Vec::new();
    for entry in fs::read_dir(dir.path()).doing(|| "reading traces".into())? {
        let path = entry.doing(|| "reading traces".into())?.path();
        let pid = path.extension().and_then(|pid| pid.to_str()?.parse::<u32>().ok()).unwrap_or(0);
        traces.push((pid, fs::read_to_string(&path).doing(|| format!("reading {}", path.display()))?));
    }
    traces.sort_unstable();
    let (root, state) = (root.display().to_string(), state.display().to_string());
    let mut reader = Reader { root, state, ..Reader::default() };
    for (index, (_, text)) in traces.iter().enumerate() {
        reader.parent = index == 0;
        if !reader.parent {
            reader.fds.clone_from(&reader.at_clone);
        }
        text.lines().for_each(|line| reader.line(line));
    }
    Ok(reader.objects)
}

/// What is in one and not, or not as often, in the other.
pub fn difference(one: &Objects, other: &Objects) -> Vec<String> {
    let more = |(object, count): (&String, &usize)| {
        let there = other.get(object).copied().unwrap_or(0);
        (*count > there).then(|| format!("{object} ({count} for {there})"))
    };
    one.iter().filter_map(more).collect()
}

/// What an fd stands for.
#[derive(Debug, Clone)]
enum Fd {
    /// A path, relative to the root where it lies in it.
    Path(String),
    /// A file system in the making.
    Context { kind: String, options: Vec<String> },
    /// A detached file system.
    FileSystem(String),
    /// A detached copy.
    Copy { from: String, attributes: String },
}

#[derive(Default)]
struct Reader {
    /// The file system at [`STOPOVER`].
    stopover: Option<String>,
    root: String,
    state: String,
    parent: bool,
    fds: HashMap<String, Fd>,
    /// What the first child begins with; its parent opens others meanwhile, under numbers that the child uses, too.
    at_clone: HashMap<String, Fd>,
    /// What the parent has sent after it.
    sent: Vec<Option<Fd>>,
    objects: Objects,
}

impl Reader {
    fn add(&mut self, object: impl Into<String>) {
        *self.objects.entry(object.into()).or_default() += 1;
    }

    fn line(&mut self, line: &str) {
        let Some((name, rest)) = line.split_once('(') else { return };
        let Some((arguments, result)) = rest.rsplit_once(" = ") else { return };
        if result.starts_with("-1") || result.starts_with('?') {
            return;
        }
        let arguments = split(arguments.trim_end().trim_end_matches(')'));
        let argument = |index: usize| arguments.get(index).map_or("", String::as_str);
        let result = result.split_whitespace().next().unwrap_or_default().to_owned();
        match name {
            "execve" | "execveat" => self.add("a program executed"),
            "clone3" if self.parent => {
                self.namespaces(argument(0));
                self.at_clone.clone_from(&self.fds);
            }
            "clone3" | "unshare" => self.namespaces(argument(0)),
            "sendmsg" if self.parent => self.sent = rights(rest).map(|fd| self.fds.get(fd).cloned()).collect(),
            "recvmsg" if !self.parent => {
                let received = rights(rest).zip(std::mem::take(&mut self.sent));
                self.fds.extend(received.filter_map(|(fd, sent)| Some((fd.to_owned(), sent?))));
            }
            "open" => self.opened(result, "", argument(0)),
            "openat" | "openat2" => self.opened(result, argument(0), argument(1)),
            "open_tree" if argument(2).contains("OPEN_TREE_CLONE") => {
                let from = self.path(argument(0), argument(1));
                self.fds.insert(result, Fd::Copy { from, attributes: String::new() });
            }
            "fsopen" => {
                let kind = unquoted(argument(0)).to_owned();
                self.fds.insert(result, Fd::Context { kind, options: Vec::new() });
            }
            "fsconfig" => self.configured(&arguments),
            "fsmount" => {
                if let Some(Fd::Context { kind, options }) = self.fds.get(argument(0)) {
                    let text = file_system(kind, options.clone(), argument(2));
                    self.fds.insert(result, Fd::FileSystem(text));
                }
            }
            "move_mount" => self.attached(&arguments),
            "mount_setattr" => self.attributes(&arguments),
            "mount" => self.mounted(&arguments),
            "mkdirat" | "unlinkat" if self.is_state(argument(0), argument(1)) => {}
            "symlinkat" if self.is_state(argument(1), argument(2)) => {}
            "mkdirat" | "mknodat" => self.made(name, &arguments),
            "symlinkat" => self.add(format!("link {} to {}", base(argument(2)), unquoted(argument(0)))),
            "unlinkat" => self.add(format!("removed {}", unquoted(argument(1)))),
            "write" => self.written(argument(0), argument(1)),
            "ioctl" if argument(1) == "SIOCSIFFLAGS" => self.add(format!("interface {}", argument(2))),
            "keyctl" => self.add(format!("keyring {}", argument(0))),
            "prctl" if argument(0) == "PR_CAPBSET_DROP" => self.add(format!("dropped {}", argument(1))),
            "prlimit64" if argument(2) != "NULL" => self.add(format!("limit {} {}", argument(1), argument(2))),
            "seccomp" => self.add(format!("filter {} {}", argument(1), argument(2).split(',').next().unwrap_or(""))),
            "capset" => self.add(format!("capabilities {}", argument(1))),
            "umask" if !self.parent => self.add(format!("umask {}", argument(0))),
            "setgroups" => self.add(format!("{} groups", argument(0))),
            "sethostname" => self.add(format!("host name {}", argument(0))),
            "bpf" => self.program(&arguments),
            "setsid" | "pivot_root" => self.add(name),
            "umount2" => self.add(format!("umount2 {}", argument(1))),
            _ => {}
        }
    }

    fn namespaces(&mut self, arguments: &str) {
        for word in arguments.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')) {
            if word.starts_with("CLONE_NEW") || word == "CLONE_INTO_CGROUP" {
                self.add(word);
            }
        }
    }

    /// A path in the runtime's own directory.
    fn is_state(&self, dir: &str, path: &str) -> bool {
        !self.state.is_empty() && self.path(dir, path).starts_with(&self.state)
    }

    /// A path as both tell it.
    fn path(&self, dir: &str, path: &str) -> String {
        let path = unquoted(path);
        let inside = Path::new(path).strip_prefix(&self.root).ok().and_then(Path::to_str);
        let joined = match (self.fds.get(dir), inside) {
            (_, Some("")) => "the root".to_owned(),
            (_, Some(inside)) => inside.to_owned(),
            (Some(Fd::Path(dir)), _) if path.is_empty() => dir.clone(),
            // Below a copy, which is the root: our only one that paths are looked up in.
            (Some(Fd::Copy { .. }), _) => path.trim_start_matches('/').to_owned(),
            (Some(Fd::Path(dir)), _) if !path.starts_with('/') => format!("{dir}/{path}"),
            _ => path.to_owned(),
        };
        joined.trim_end_matches('/').to_owned()
    }

    fn opened(&mut self, result: String, dir: &str, path: &str) {
        let path = self.path(dir, path);
        self.fds.insert(result, Fd::Path(path));
    }

    fn configured(&mut self, arguments: &[String]) {
        let [fd, command, key, value, ..] = arguments else { return };
        let Some(Fd::Context { options, .. }) = self.fds.get_mut(fd) else { return };
        match (command.as_str(), unquoted(key)) {
            (_, "source") => {}
            ("FSCONFIG_SET_STRING", key) => options.push(format!("{key}={}", unquoted(value))),
            ("FSCONFIG_SET_FLAG", key) => options.push(key.to_owned()),
            _ => {}
        }
    }

    fn attached(&mut self, arguments: &[String]) {
        let [fd, _, dir, path, ..] = arguments else { return };
        let at = self.path(dir, path);
        match self.fds.get(fd).cloned() {
            Some(Fd::FileSystem(text)) => {
                if at == STOPOVER {
                    self.stopover = Some(text);
                } else {
                    self.add(format!("{text} at {at}"));
                }
                // From now on the fd names a place.
                self.fds.insert(fd.clone(), Fd::Path(at));
            }
            Some(Fd::Copy { from, .. }) if from == STOPOVER && self.stopover.is_some() => {
                if let Some(text) = self.stopover.take() {
                    self.add(format!("{text} at {at}"));
                }
                self.fds.insert(fd.clone(), Fd::Path(at));
            }
            Some(Fd::Copy { from, attributes }) => {
                let root = from == "the root";
                let at = if root { from.clone() } else { at };
                self.add(format!("bind {from} at {at}"));
                if !attributes.is_empty() {
                    self.add(format!("{attributes} at {at}"));
                }
                if !root {
                    self.fds.insert(fd.clone(), Fd::Path(at));
                }
            }
            _ => self.add(format!("something at {at}")),
        }
    }

    fn attributes(&mut self, arguments: &[String]) {
        let [fd, path, _, text, ..] = arguments else { return };
        let set = text.split("attr_set=").nth(1).and_then(|text| text.split(',').next()).unwrap_or_default();
        if text.contains("propagation=MS_PRIVATE") && unquoted(path) == "/" {
            self.add("mounts set apart");
        } else if set != "0" {
            let set = flags(set);
            if let Some(Fd::Copy { attributes, .. }) = self.fds.get_mut(fd) {
                *attributes = set;
            } else {
                let at = self.path(fd, path);
                self.add(format!("{set} at {at}"));
            }
        }
    }

    fn mounted(&mut self, arguments: &[String]) {
        let [source, at, kind, set, options] = arguments else { return };
        let at = self.path("", at);
        if set.contains("MS_PRIVATE") {
            self.add("mounts set apart");
        } else if set.contains("MS_BIND") {
            let from = self.path("", source);
            self.add(format!("bind {from} at {at}"));
        } else {
            let options = unquoted(options).trim_start_matches("NULL").split(',');
            let options = options.filter(|option| !option.is_empty()).map(str::to_owned).collect();
            let text = file_system(unquoted(kind), options, set);
            self.add(format!("{text} at {at}"));
        }
    }

    fn made(&mut self, name: &str, arguments: &[String]) {
        let [_, path, rest @ ..] = arguments else { return };
        let what = if name == "mkdirat" { "directory" } else { "node" };
        let cgroup = unquoted(path).starts_with("/sys/fs/cgroup/");
        let shown = if cgroup { unquoted(path) } else { base(path) };
        self.add(format!("{what} {shown} {}", rest.join(" ")));
    }

    /// A device program, with all its instructions, and the cgroup that it is attached to.
    fn program(&mut self, arguments: &[String]) {
        let [command, attributes, ..] = arguments else { return };
        let field = |name: &str| {
            let rest = attributes.split_once(&format!("{name}=")).map_or("", |(_, rest)| rest);
            split(rest.trim_end_matches('}')).first().cloned().unwrap_or_default()
        };
        match command.as_str() {
            "BPF_PROG_LOAD" => self.add(format!("{} {}", field("prog_type"), field("insns"))),
            "BPF_PROG_ATTACH" => {
                let at = self.path(&field("target_fd"), "\"\"");
                self.add(format!("{} {} at {at}", field("attach_type"), field("attach_flags")));
            }
            other => self.add(other),
        }
    }

    fn written(&mut self, fd: &str, text: &str) {
        if let Some(Fd::Path(path)) = self.fds.get(fd)
            && (path.starts_with("/sys/fs/cgroup/") || path.starts_with("/proc/sys/"))
        {
            let object = format!("{} in {path}", unquoted(text));
            self.add(object);
        }
    }
}

/// The fds in a message.
fn rights(text: &str) -> impl Iterator<Item = &str> {
    let list = text.split_once("SCM_RIGHTS, cmsg_data=[").and_then(|(_, rest)| rest.split_once(']'));
    list.into_iter().flat_map(|(list, _)| list.split(", "))
}

fn file_system(kind: &str, mut options: Vec<String>, set: &str) -> String {
    options.sort_unstable();
    format!("{kind} [{}] {}", options.join(","), flags(set))
}

/// MS_RDONLY of mount(2) and MOUNT_ATTR_RDONLY of the others are one.
fn flags(text: &str) -> String {
    let bare = |word: &str| word.trim_start_matches("MS_").trim_start_matches("MOUNT_ATTR_").to_lowercase();
    let mut words: Vec<String> = text.split('|').map(bare).filter(|word| word != "0").collect();
    words.sort_unstable();
    words.join("|")
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

fn base(path: &str) -> &str {
    let path = unquoted(path);
    path.rsplit('/').next().unwrap_or(path)
}

/// A call's arguments, split where strace puts its commas: not in texts, structs and lists.
fn split(text: &str) -> Vec<String> {
    let (mut words, mut depth, mut quoted, mut escaped) = (vec![String::new()], 0_u32, false, false);
    for c in text.chars() {
        match c {
            '"' if !escaped => quoted = !quoted,
            '{' | '[' | '(' if !quoted => depth += 1,
            '}' | ']' | ')' if !quoted => depth = depth.saturating_sub(1),
            ',' if !quoted && depth == 0 => {
                words.push(String::new());
                continue;
            }
            _ => {}
        }
        escaped = c == '\\' && !escaped;
        if let Some(word) = words.last_mut() {
            word.push(c);
        }
    }
    words.iter().map(|word| word.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Vec<String> {
        let mut reader = Reader { root: "/r".to_owned(), ..Reader::default() };
        for line in lines {
            reader.line(line);
        }
        reader.objects.into_keys().collect()
    }

    #[test]
    fn a_file_system_is_the_same_either_way() {
        let new = read(&[
            r#"open_tree(AT_FDCWD, "/r", OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC|AT_RECURSIVE) = 9"#,
            r#"fsopen("tmpfs", FSOPEN_CLOEXEC)   = 3"#,
            r#"fsconfig(3, FSCONFIG_SET_STRING, "source", "tmpfs", 0) = 0"#,
            r#"fsconfig(3, FSCONFIG_SET_STRING, "size", "1k", 0) = 0"#,
            r#"fsconfig(3, FSCONFIG_SET_STRING, "mode", "755", 0) = 0"#,
            r"fsmount(3, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID|MOUNT_ATTR_NODEV) = 4",
            r#"openat2(9, "/run", {flags=O_PATH}, 24) = 5"#,
            r#"move_mount(4, "", 5, "", MOVE_MOUNT_F_EMPTY_PATH|MOVE_MOUNT_T_EMPTY_PATH) = 0"#,
        ]);
        let old = read(&[r#"mount("tmpfs", "/r/run", "tmpfs", MS_NOSUID|MS_NODEV, "mode=755,size=1k") = 0"#]);
        assert_eq!(old, ["tmpfs [mode=755,size=1k] nodev|nosuid at run"]);
        assert_eq!(new, old);
    }

    #[test]
    fn a_device_program_is_told_by_its_instructions_and_where_it_is_attached() {
        let objects = read(&[
            r#"openat(AT_FDCWD, "/sys/fs/cgroup/x", O_RDONLY|O_CLOEXEC|O_DIRECTORY) = 4"#,
            r#"bpf(BPF_PROG_LOAD, {prog_type=BPF_PROG_TYPE_CGROUP_DEVICE, insn_cnt=2, insns=[{code=BPF_ALU64, imm=0x1}, {code=BPF_EXIT, imm=0}], license="Apache-2.0", prog_name="x", fd_array=NULL}, 256) = 5"#,
            r"bpf(BPF_PROG_ATTACH, {target_fd=4, attach_bpf_fd=5, attach_type=BPF_CGROUP_DEVICE, attach_flags=BPF_F_ALLOW_MULTI}, 256) = 0",
        ]);
        assert_eq!(
            objects,
            [
                "BPF_CGROUP_DEVICE BPF_F_ALLOW_MULTI at /sys/fs/cgroup/x",
                "BPF_PROG_TYPE_CGROUP_DEVICE [{code=BPF_ALU64, imm=0x1}, {code=BPF_EXIT, imm=0}]",
            ]
        );
    }

    #[test]
    fn what_failed_made_nothing() {
        assert_eq!(read(&[r#"mkdirat(3, "a", 0755) = -1 EEXIST (File exists)"#]), [""; 0]);
    }

    #[test]
    fn padding_shows_on_one_side_only() {
        let one = Objects::from([("a".to_owned(), 2), ("b".to_owned(), 1)]);
        let other = Objects::from([("a".to_owned(), 1), ("b".to_owned(), 1)]);
        assert_eq!(difference(&one, &other), ["a (2 for 1)"]);
        assert_eq!(difference(&other, &one), [""; 0]);
    }
}
