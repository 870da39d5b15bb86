//! The plan in the making: steps for the stub, what each is for, and the fds that they need.

use crate::cpuset::CpuSet;
use crate::error::{Error, Result};
use crate::subject::Subject;
use init::plan::{NONE, Op, parameter, target};
use init::{Arg, Encoder};
use oci::runtime::Hook;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use sys::mount::{MountAttr, attr};

/// A plan, its meaning and its fds.
#[derive(Debug, Default)]
pub struct Plan {
    encoder: Encoder,
    subjects: Vec<Subject>,
    fds: Vec<OwnedFd>,
    maps: Vec<Map>,
}

/// A slot of the plan: a file descriptor, once there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot(u32);

/// How the ids of a mount are to be mapped.
#[derive(Debug)]
pub struct Map {
    /// By the maps of this user namespace.
    pub namespace: OwnedFd,
    /// Of all mounts below, too.
    pub recursive: bool,
}

/// A parameter of a file system that the stub makes.
#[derive(Debug, Clone, Copy)]
pub enum Param<'a> {
    /// A key alone.
    Flag(&'a str),
    /// Key and text.
    Text(&'a str, &'a str),
    /// `mode`, as a directory of the root has it, if that is there.
    ModeOf(&'a str),
    /// Key and fd.
    Fd(&'a str, Slot),
}

impl Plan {
    /// What the steps are for, by their index.
    pub fn subjects(&self) -> &[Subject] {
        &self.subjects
    }

    /// Says that what the parent does from here on prepares the next step; for the recorder.
    pub fn begin(&self) {
        sys::step(self.encoder.len());
    }

    /// The fds that the stub inherits.
    pub fn inherited(&self) -> Vec<RawFd> {
        self.encoder.inherited().collect()
    }

    /// The plan's bytes, and what stays here. A text that the kernel would read otherwise than our checks did, since it
    /// has a zero byte, is an error.
    pub fn finish(self, socket: RawFd, ring: RawFd, proc: RawFd) -> Result<(Vec<u8>, Vec<Subject>, Vec<OwnedFd>)> {
        if let Some(text) = self.encoder.cut() {
            return Err(Error::spec(format!("zero byte in {text:?}")));
        }
        Ok((self.encoder.finish(socket, ring, proc), self.subjects, self.fds))
    }

    /// Hands an fd to the stub.
    pub fn give(&mut self, fd: OwnedFd) -> Slot {
        let slot = self.encoder.inherit(fd.as_raw_fd());
        self.fds.push(fd);
        Slot(slot)
    }

    fn step<const N: usize>(&mut self, subject: Subject, op: Op, slot: Option<Slot>, args: [Arg; N]) {
        self.encoder.step(op, slot.map(|slot| slot.0), args);
        self.subjects.push(subject);
    }

    /// A step that takes nothing but numbers.
    pub fn plain<const N: usize>(&mut self, subject: Subject, op: Op, args: [u64; N]) {
        self.step(subject, op, None, args.map(Arg::Number));
    }

    /// A step that takes one text.
    pub fn text(&mut self, subject: Subject, op: Op, text: impl AsRef<[u8]>) {
        let text = self.encoder.text(text);
        self.step(subject, op, None, [text.into()]);
    }

    /// A step that takes a path and a number.
    pub fn path(&mut self, subject: Subject, op: Op, path: &str, number: u64) {
        let path = self.encoder.text(path);
        self.step(subject, op, None, [path.into(), Arg::Number(number)]);
    }

    /// A step that takes bytes.
    pub fn bytes(&mut self, subject: Subject, op: Op, bytes: &[u8]) {
        let bytes = self.encoder.bytes(bytes);
        self.step(subject, op, None, [bytes.into()]);
    }

    /// CPU affinity; all CPUs without a set.
    pub fn affinity(&mut self, subject: Subject, cpus: Option<&CpuSet>) {
        match cpus {
            Some(cpus) => self.bytes(subject, Op::Affinity, &cpus.bytes()),
            None => self.plain(subject, Op::Affinity, [NONE]),
        }
    }

    /// A policy of memory, with its nodes.
    pub fn memory_policy(&mut self, subject: Subject, mode: u64, nodes: Option<&CpuSet>) {
        let nodes = nodes.map_or(NONE.into(), |nodes| self.encoder.bytes(&nodes.bytes()).into());
        self.step(subject, Op::MemoryPolicy, None, [mode.into(), nodes]);
    }

    /// setns(2).
    pub fn join(&mut self, subject: Subject, fd: OwnedFd, kind: u64) {
        let slot = self.give(fd);
        self.step(subject, Op::Join, Some(slot), [kind.into()]);
    }

    /// setns(2) of a pidfd, which must stay open until the clone: all these namespaces of its process at once.
    pub fn enter(&mut self, subject: Subject, pidfd: BorrowedFd<'_>, kinds: u64) {
        let slot = Slot(self.encoder.inherit(pidfd.as_raw_fd()));
        self.step(subject, Op::Join, Some(slot), [kinds.into()]);
    }

    /// Writes the process's OOM score.
    pub fn oom_score(&mut self, score: i32) {
        self.write_proc(Subject::OomScore, "self/oom_score_adj", &score.to_string());
    }

    /// Writes a text to an inherited fd.
    pub fn write(&mut self, subject: Subject, fd: OwnedFd, text: &str) {
        let slot = self.give(fd);
        let text = self.encoder.text(text);
        self.step(subject, Op::Write, Some(slot), [text.into()]);
    }

    /// Takes fds that the parent sends when it has them: their slots.
    pub fn take(&mut self, subject: Subject, count: usize) -> Vec<Slot> {
        let slots: Vec<Slot> = (0..count).map(|_| Slot(self.encoder.slot())).collect();
        if let Some(first) = slots.first() {
            self.step(subject, Op::Take, Some(*first), [(count as u64).into()]);
        }
        slots
    }

    /// Writes a text to the fd of a slot.
    pub fn write_slot(&mut self, subject: Subject, slot: Slot, text: &str) {
        let text = self.encoder.text(text);
        self.step(subject, Op::Write, Some(slot), [text.into()]);
    }

    /// Writes a text to a file of the host's procfs.
    pub fn write_proc(&mut self, subject: Subject, path: &str, text: &str) {
        let (path, text) = (self.encoder.text(path), self.encoder.text(text));
        self.step(subject, Op::WriteProc, None, [path.into(), text.into()]);
    }

    /// Writes a security attribute of the process.
    pub fn attribute(&mut self, path: &'static str, text: &str) {
        self.write_proc(Subject::Label(path.to_owned()), path, text);
    }

    /// Makes a file system and its detached mount.
    pub fn fs_mount(&mut self, subject: Subject, kind: &str, params: &[Param<'_>], attributes: u64) -> Slot {
        let kind = self.encoder.text(kind);
        let mut list: Vec<Arg> = Vec::with_capacity(3 * params.len());
        for param in params {
            match *param {
                Param::Flag(key) => {
                    let key = self.encoder.text(key);
                    list.extend::<[Arg; 3]>([parameter::FLAG.into(), key.into(), NONE.into()]);
                }
                Param::Text(key, value) => {
                    let (key, value) = (self.encoder.text(key), self.encoder.text(value));
                    list.extend::<[Arg; 3]>([parameter::TEXT.into(), key.into(), value.into()]);
                }
                Param::ModeOf(path) => {
                    let (key, path) = (self.encoder.text("mode"), self.encoder.text(path));
                    list.extend::<[Arg; 3]>([parameter::MODE_OF.into(), key.into(), path.into()]);
                }
                Param::Fd(key, slot) => {
                    let key = self.encoder.text(key);
                    list.extend::<[Arg; 3]>([parameter::FD.into(), key.into(), slot.0.into()]);
                }
            }
        }
        let list = self.encoder.list(&list);
        let slot = Slot(self.encoder.slot());
        self.step(subject, Op::FsMount, Some(slot), [kind.into(), list.into(), attributes.into()]);
        slot
    }

    /// Copies a mount of the host's view, as the stub sees it.
    pub fn open_tree(&mut self, subject: Subject, path: &str, recursive: bool) -> Slot {
        let flags = sys::mount::CLONE | if recursive { sys::mount::RECURSIVE } else { 0 };
        let path = self.encoder.text(path);
        let slot = Slot(self.encoder.slot());
        self.step(subject, Op::OpenTree, Some(slot), [path.into(), flags.into()]);
        slot
    }

    /// The same of a link itself, where the path ends in one.
    pub fn open_tree_itself(&mut self, subject: Subject, path: &str, recursive: bool) -> Slot {
        let flags = sys::mount::CLONE | if recursive { sys::mount::RECURSIVE } else { 0 };
        let path = self.encoder.text(path);
        let slot = Slot(self.encoder.slot());
        let flags = flags | sys::mount::NOFOLLOW;
        self.step(subject, Op::OpenTree, Some(slot), [path.into(), flags.into()]);
        slot
    }

    /// Copies a mount at a path of the coming root.
    pub fn open_tree_inside(&mut self, subject: Subject, path: &str, recursive: bool) -> Slot {
        let flags = sys::mount::CLONE | sys::mount::EMPTY_PATH | if recursive { sys::mount::RECURSIVE } else { 0 };
        let path = self.encoder.text(path);
        let slot = Slot(self.encoder.slot());
        self.step(subject, Op::OpenTree, Some(slot), [path.into(), flags.into(), 1_u32.into()]);
        slot
    }

    /// Opens what is mounted at a path in the coming root, to be changed.
    pub fn mounted(&mut self, subject: Subject, path: &str) -> Slot {
        let path = self.encoder.text(path);
        let slot = Slot(self.encoder.slot());
        self.step(subject, Op::OpenTree, Some(slot), [path.into(), sys::mount::EMPTY_PATH.into(), 1_u32.into()]);
        slot
    }

    /// Has the parent map the ids of a mount that only the stub can reach.
    pub fn ask_for_ids(&mut self, subject: Subject, slot: Slot, namespace: OwnedFd, recursive: bool) {
        let number = self.maps.len() as u64;
        self.maps.push(Map { namespace, recursive });
        self.step(subject, Op::AskForIds, Some(slot), [number.into()]);
    }

    /// The maps for those, by their number.
    pub fn take_maps(&mut self) -> Vec<Map> {
        std::mem::take(&mut self.maps)
    }

    /// Maps the ids of a mount by a user namespace.
    pub fn map_ids(&mut self, subject: Subject, slot: Slot, namespace: OwnedFd) {
        let namespace = self.give(namespace);
        let args = [attr::IDMAP.into(), 0_u32.into(), 0_u32.into(), 0_u32.into(), namespace.0.into()];
        self.step(subject, Op::SetAttr, Some(slot), args);
    }

    /// Changes attributes of a mount, or of the tree below it.
    pub fn set_attr(&mut self, subject: Subject, slot: Slot, attributes: &MountAttr, recursive: bool) {
        let flags = if recursive { u64::from(sys::mount::RECURSIVE) } else { 0 };
        let args = [attributes.set, attributes.clear, attributes.propagation, flags, NONE];
        debug_assert_eq!(attributes.set & attr::IDMAP, 0, "idmapped mounts are made by the parent");
        self.step(subject, Op::SetAttr, Some(slot), args.map(Arg::Number));
    }

    /// Changes what may be changed of a mount: nothing of it where the host has locked a part.
    pub fn try_attr(&mut self, subject: Subject, slot: Slot, attributes: &MountAttr) {
        let args = [attributes.set, attributes.clear, 0, init::plan::MAY_BE_LOCKED, NONE];
        self.step(subject, Op::SetAttr, Some(slot), args.map(Arg::Number));
    }

    /// Attaches a mount; [`target`] flags.
    pub fn attach(&mut self, subject: Subject, slot: Slot, path: &str, flags: u64) {
        let path = self.encoder.text(path);
        self.step(subject, Op::Attach, Some(slot), [path.into(), flags.into()]);
    }

    /// Sends the parent the fd of a slot.
    pub fn show(&mut self, subject: Subject, slot: Slot) {
        self.step(subject, Op::Show, Some(slot), []);
    }

    /// Detaches what is mounted at a path; [`target`] flags, the mount's id, and which of its ids that is.
    pub fn unmount(&mut self, subject: Subject, path: &str, flags: u64, id: u64, which: u64) {
        let path = self.encoder.text(path);
        self.step(subject, Op::Unmount, None, [path.into(), flags.into(), id.into(), which.into()]);
    }

    /// Attaches a mount where links are followed in the root, making what is missing.
    pub fn attach_here(&mut self, subject: Subject, slot: Slot, path: &str) {
        self.attach(subject, slot, path, target::CREATE);
    }

    /// Attaches the coming root at a path of the host's view; where it may not, at `/`.
    pub fn root(&mut self, subject: Subject, slot: Slot, path: &str) {
        let path = self.encoder.text(path);
        self.step(subject, Op::Root, Some(slot), [path.into()]);
    }

    /// Makes a directory of root's.
    pub fn directory(&mut self, subject: Subject, path: &str, mode: u32) {
        let path = self.encoder.text(path);
        self.step(subject, Op::MakeDir, None, [path.into(), mode.into(), 0_u32.into(), 0_u32.into(), 0_u32.into()]);
    }

    /// Makes a directory of root's where that is possible.
    pub fn directory_perhaps(&mut self, subject: Subject, path: &str) {
        let path = self.encoder.text(path);
        let args = [path.into(), 0o755_u32.into(), 0_u32.into(), 0_u32.into(), 1_u32.into()];
        self.step(subject, Op::MakeDir, None, args);
    }

    /// Hides a path, perhaps `again`; what hides a directory may have an option of its own.
    pub fn mask(&mut self, subject: Subject, path: &str, again: bool, option: Option<(&str, &str)>) {
        let path = self.encoder.text(path);
        let mut text = |text: Option<&str>| text.map_or(NONE.into(), |text| self.encoder.text(text).into());
        let (key, value) = (text(option.map(|(key, _)| key)), text(option.map(|(_, value)| value)));
        self.step(subject, Op::Mask, None, [path.into(), u32::from(again).into(), key, value]);
    }

    /// Gives a mount's root its SELinux label.
    pub fn label(&mut self, subject: Subject, slot: Slot, label: &str) {
        let label = self.encoder.text(label);
        self.step(subject, Op::Label, Some(slot), [label.into()]);
    }

    /// Gives a tmpfs what the directory has that it will cover; [`init::plan::copy_up`] flags.
    pub fn copy_up(&mut self, subject: Subject, slot: Slot, path: &str, flags: u64) {
        let path = self.encoder.text(path);
        self.step(subject, Op::CopyUp, Some(slot), [path.into(), flags.into()]);
    }

    /// Makes a node.
    pub fn node(&mut self, subject: Subject, path: &str, node: &crate::rootfs::Node) {
        let path = self.encoder.text(path);
        let args = [path.into(), node.mode.into(), node.device.into(), node.uid.into(), node.gid.into()];
        self.step(subject, Op::MakeNode, None, args);
    }

    /// Makes a symbolic link.
    pub fn link(&mut self, subject: Subject, path: &str, to: &str) {
        let (to, path) = (self.encoder.text(to), self.encoder.text(path));
        self.step(subject, Op::MakeLink, None, [to.into(), path.into()]);
    }

    /// Ids and groups; `None` for groups leaves setgroups(2) out.
    pub fn user(&mut self, subject: Subject, uid: u32, gid: u32, groups: Option<&[u32]>) {
        let list: Vec<Arg> = groups.unwrap_or_default().iter().map(|gid| (*gid).into()).collect();
        let list = self.encoder.list(&list);
        let skip = u32::from(groups.is_none());
        self.step(subject, Op::User, None, [uid.into(), gid.into(), list.into(), skip.into()]);
    }

    /// Closes every fd from `first` on but the slot's.
    pub fn close(&mut self, subject: Subject, first: u32, but: Option<Slot>) {
        self.step(subject, Op::Close, but, [first.into()]);
    }

    /// Waits at a listening socket for the word to go on.
    pub fn gate(&mut self, subject: Subject, slot: Slot) {
        self.step(subject, Op::Gate, Some(slot), []);
    }

    /// A filter.
    pub fn seccomp(&mut self, subject: Subject, program: &[u8], flags: u32, listener: bool) {
        let program = self.encoder.bytes(program);
        self.step(subject, Op::Seccomp, None, [program.into(), flags.into(), u32::from(listener).into()]);
    }

    /// A program that runs beside: the state around its pid, and numbers by their places ([`init::plan::hook`]).
    pub fn hook(&mut self, subject: Subject, hook: &Hook, env: &[String], state: [&str; 2], numbers: &[u64]) {
        let argv = if hook.args.is_empty() { std::slice::from_ref(&hook.path) } else { &hook.args };
        let (path, argv, envp) = (self.encoder.text(&hook.path), self.encoder.texts(argv), self.encoder.texts(env));
        let mut details: Vec<Arg> = numbers.iter().map(|number| Arg::Number(*number)).collect();
        for (place, text) in [init::plan::hook::BEFORE_PID, init::plan::hook::AFTER_PID].into_iter().zip(state) {
            details[place] = self.encoder.text(text).into();
        }
        let details = self.encoder.list(&details);
        self.step(subject, Op::Hook, None, [path.into(), argv.into(), envp.into(), details.into()]);
    }

    /// Finds the command, which is executed later; `over` says that it is with a capability over the modes of files.
    pub fn find(&mut self, args: &[String], path: &str, over: bool) {
        let (argv, path) = (self.encoder.texts(args), self.encoder.text(path));
        self.step(Subject::Find, Op::Find, None, [argv.into(), path.into(), u32::from(over).into()]);
    }

    /// Executes the found command.
    pub fn exec(&mut self, args: &[String], env: &[String]) {
        let (argv, envp) = (self.encoder.texts(args), self.encoder.texts(env));
        self.step(Subject::Exec, Op::Exec, None, [argv.into(), envp.into()]);
    }
}
