//! The stub's walk: read the plan, do its steps in order, say what failed.

use crate::kernel::{self, EDQUOT, EINTR, EINVAL, EMFILE, ENOSYS, EPERM, Failure, Outcome, fail, nr, plain};
use crate::mount::{self, Mounts};
use crate::plan::{MAY_BE_LOCKED, Message, NONE, Op, Plan, SEND, SLOTS, Step, message};
use crate::path::{self, Buffer};
use crate::process::{self, Command};
use crate::hook::Hook;
use crate::attributes::{self, Attributes};
use crate::{copy_up, home, reap, terminal};
use core::ffi::CStr;

/// File descriptors by slot, each plus one: an empty slot is 0, so that the array costs the executable no byte.
pub struct Slots([i32; SLOTS]);

impl Slots {
    pub fn get(&self, slot: u32) -> Outcome<i32> {
        match self.0.get(slot as usize) {
            Some(fd) if *fd > 0 => Ok(*fd - 1),
            _ => fail(nr::read, EINVAL),
        }
    }

    pub fn set(&mut self, slot: u32, fd: i32) -> Outcome {
        match self.0.get_mut(slot as usize) {
            Some(place) => {
                *place = fd + 1;
                Ok(())
            }
            None => fail(nr::read, EINVAL),
        }
    }
}

static mut SLOTS_SPACE: Slots = Slots([0; SLOTS]);

struct Stage<'a> {
    plan: Plan<'a>,
    socket: i32,
    proc: i32,
    slots: &'a mut Slots,
    mounts: Mounts,
    command: Command,
    /// A file with what a failed hook wrote.
    said: Option<i32>,
    /// `HOME=…`, if it was looked for.
    home: Buffer,
}

/// Reads the plan behind `fd` and does it; never comes back.
pub fn run(fd: i32) -> ! {
    let Some(plan) = map(fd) else { kernel::exit(254) };
    let header = plan.header();
    if header.ring >= 0 {
        kernel::record_into(header.ring);
    }
    // SAFETY: the stub has one thread, and this is the only use of the space.
    let slots = unsafe { &mut *(&raw mut SLOTS_SPACE) };
    for index in 0..header.inherited_len {
        if let Some((slot, fd)) = plan.inherited(index) {
            let _ = slots.set(slot, fd);
        }
    }
    let (socket, proc) = (header.socket, header.proc);
    let mut stage = Stage { plan, socket, proc, slots, mounts: Mounts::new(), command: Command::new(), said: None, home: Buffer::new() };
    for index in 0..header.steps {
        kernel::step(index);
        let outcome = match plan.step(index) {
            Some(step) => stage.perform(index, &step),
            None => fail(nr::read, EINVAL),
        };
        if let Err(failure) = outcome {
            stage.tell(message::FAILED, index, failure.number, failure.errno, stage.said);
            break;
        }
    }
    kernel::exit(255)
}

fn map(fd: i32) -> Option<Plan<'static>> {
    let mut buffer = [0u64; 18];
    const EMPTY_PATH: usize = 0x1000;
    // SAFETY: the kernel writes one struct stat; st_size stands at byte 48 on both architectures.
    unsafe {
        let empty = c"".as_ptr() as usize;
        kernel::call(nr::newfstatat, [fd as usize, empty, buffer.as_mut_ptr() as usize, EMPTY_PATH, 0, 0]).ok()?;
    }
    let size = buffer[6] as usize;
    const READ_PRIVATE: [usize; 2] = [1, 2];
    // SAFETY: a new private mapping of a sealed memfd, which stays until exec.
    let bytes = unsafe {
        let address = kernel::call(nr::mmap, [0, size, READ_PRIVATE[0], READ_PRIVATE[1], fd as usize, 0]).ok()?;
        core::slice::from_raw_parts(address as *const u8, size)
    };
    Plan::new(bytes)
}

impl Stage<'_> {
    fn text(&self, reference: u64) -> Outcome<&CStr> {
        self.plan.text(reference).ok_or(Failure { number: nr::read, errno: EINVAL })
    }

    fn data(&self, call: u32, reference: u64) -> Outcome<&[u8]> {
        self.plan.data(reference).ok_or(Failure { number: call, errno: EINVAL })
    }

    fn perform(&mut self, index: u32, step: &Step) -> Outcome {
        let args = step.args;
        let [a, b, c, d, e] = args;
        let Some(op) = Op::from_number(step.op) else { return fail(nr::read, EINVAL) };
        match op {
            Op::Join => {
                let fd = self.slots.get(step.slot)?;
                plain(nr::setns, [fd as usize, a as usize, 0, 0, 0, 0]).map(drop)
            }
            Op::Unshare => plain(nr::unshare, [a as usize, 0, 0, 0, 0, 0]).map(drop),
            Op::Write => kernel::write(self.slots.get(step.slot)?, self.text(a)?.to_bytes()),
            Op::WriteProc => mount::write_proc(self.proc, self.text(a)?, self.text(b)?.to_bytes()),
            Op::Propagation => attributes::propagation(a),
            Op::FsMount => self.mounts.make(&self.plan, step, self.slots),
            Op::OpenTree if c != 0 => {
                let place = path::find(self.mounts.root, self.text(a)?, true)?;
                let fd = kernel::open_tree(place, c"", b)?;
                kernel::close(place);
                self.slots.set(step.slot, fd)
            }
            Op::AskForIds => {
                let mount = self.slots.get(step.slot)?;
                self.tell(message::MAP_IDS, index, a as u32, 0, Some(mount));
                self.word()
            }
            Op::OpenTree => {
                let fd = kernel::open_tree(kernel::AT_FDCWD, self.text(a)?, b)?;
                self.slots.set(step.slot, fd)
            }
            Op::SetAttr => {
                let mount = self.slots.get(step.slot)?;
                const EMPTY_PATH: u64 = 0x1000;
                if e != NONE {
                    let userns = self.slots.get(e as u32)? as u64;
                    return kernel::mount_setattr(mount, c"", d | EMPTY_PATH, &[a, b, c, userns]);
                }
                let wanted = Attributes { set: a, clear: b, propagation: c, recursive: d & !MAY_BE_LOCKED != 0 };
                match attributes::change(mount, &wanted) {
                    Err(Failure { errno: EPERM, .. }) if d & MAY_BE_LOCKED != 0 => Ok(()),
                    other => other,
                }
            }
            Op::Attach => self.mounts.attach(self.slots.get(step.slot)?, self.text(a)?, b),
            Op::Root => {
                let path = self.plan.text(a).unwrap_or(c"/");
                self.mounts.attach_root(self.slots.get(step.slot)?, path)
            }
            Op::MakeDir => self.mounts.make_dir(self.text(a)?, b as u32, c as u32, d as u32, e != 0),
            Op::MakeNode => self.mounts.make_node(self.text(a)?, b as u32, c, d as u32, e as u32, self.proc),
            Op::MakeLink => self.mounts.make_link(self.text(a)?, self.text(b)?),
            Op::Mask => {
                let path = self.plan.text(a).ok_or(Failure { number: nr::read, errno: EINVAL })?;
                self.mounts.mask(path, b != 0, self.plan.text(c).zip(self.plan.text(d)))
            }
            Op::Label => mount::label(self.slots.get(step.slot)?, self.text(a)?),
            Op::ReadOnly => self.mounts.read_only(self.text(a)?, b != 0),
            Op::Pivot => self.mounts.pivot(),
            Op::Hostname | Op::Domainname => {
                let name = self.text(a)?;
                let number = if op == Op::Hostname { nr::sethostname } else { nr::setdomainname };
                kernel::with_text(number, name, [name.to_bytes().len(), 0, 0, 0]).map(drop)
            }
            Op::Rlimit => {
                let limit = [b, c];
                // SAFETY: the kernel reads one pair.
                unsafe { kernel::call(nr::prlimit64, [0, a as usize, limit.as_ptr() as usize, 0, 0, 0]) }.map(drop)
            }
            Op::Keyring => self.keyring(a),
            Op::Personality => plain(nr::personality, [a as usize, 0, 0, 0, 0, 0]).map(drop),
            Op::Umask => plain(nr::umask, [a as usize, 0, 0, 0, 0, 0]).map(drop),
            Op::Terminal => {
                let master = terminal::open(self.mounts.root, a as u32, b, c != 0, d)?;
                self.tell(message::TERMINAL, index, 0, 0, Some(master));
                kernel::close(master);
                Ok(())
            }
            Op::Session => {
                terminal::session();
                Ok(())
            }
            Op::Loopback => loopback(),
            Op::Cwd => mount::change_directory(self.text(a)?),
            Op::User => process::become_user(&self.plan, args),
            Op::Bounding => process::bounding(a),
            Op::Capabilities => process::capabilities(args),
            Op::NoNewPrivs => process::no_new_privs(),
            Op::Seccomp => {
                let program = self.plan.data(a).ok_or(Failure { number: nr::seccomp, errno: EINVAL })?;
                let listener = process::seccomp(program, b)?;
                if c != 0 {
                    self.tell(message::LISTENER, index, listener as u32, 0, None);
                    if self.answer()? == SEND {
                        self.tell(message::LISTENER, index, listener as u32, 0, Some(listener as i32));
                        self.word()?;
                    }
                    kernel::close(listener as i32);
                }
                Ok(())
            }
            Op::DeathSignal => {
                process::death_signal(a)?;
                self.parent_lives()
            }
            Op::Find => {
                let name = self.plan.entry(a, 0).and_then(|name| self.plan.text(name)).unwrap_or(c"");
                let search = self.plan.text(b).unwrap_or(c"");
                self.command.find(name, search, c != 0)
            }
            Op::Sync => self.sync(index, a),
            Op::Reap => reap::fork(self.socket),
            Op::Close => self.close_all(a as usize, self.slots.get(step.slot).ok()),
            Op::Exec => {
                self.tell(message::EXEC, index, 0, 0, None);
                self.command.execute(&self.plan, a, b, self.home())
            }
            Op::Gate => self.gate(step.slot),
            Op::Mortal => {
                process::die_of_signals();
                Ok(())
            }
            Op::Take => self.take(step.slot, a as usize),
            Op::Hide => process::hide(),
            Op::Here => self.mounts.here(),
            Op::Born => self.born(index, a),
            Op::Affinity if a == NONE => {
                process::all_cpus();
                Ok(())
            }
            Op::Affinity => process::affinity(self.data(nr::sched_setaffinity, a)?),
            Op::Scheduler => process::scheduler(self.data(nr::sched_setattr, a)?),
            Op::MemoryPolicy if b == NONE => process::memory_policy(a, &[]),
            Op::MemoryPolicy => process::memory_policy(a, self.data(nr::set_mempolicy, b)?),
            Op::Home => home::find(a as u32, &mut self.home),
            Op::Hook => {
                let mut said = None;
                let hook = Hook { plan: &self.plan, args, home: self.home() };
                let outcome = hook.run(|| self.close_all(3, None), &mut said);
                self.said = said;
                outcome
            }
            Op::CopyUp => copy_up::copy_up(self.mounts.root, self.text(a)?, self.slots.get(step.slot)?, b),
            Op::Show => {
                self.tell(message::SHOWN, index, 0, 0, Some(self.slots.get(step.slot)?));
                Ok(())
            }
            Op::Unmount => self.mounts.unmount(self.text(a)?, b, (c, d), self.proc),
            Op::IoPriority => {
                const WHO_PGRP: usize = 2;
                plain(nr::ioprio_set, [WHO_PGRP, 0, a as usize, 0, 0, 0]).map(drop)
            }
        }
    }

    fn home(&self) -> Option<&CStr> {
        Some(self.home.as_cstr()).filter(|home| !home.is_empty())
    }

    /// A session keyring of our own. Ordinary users have 200 keys: without one left we go on (keyrings(7)), and so
    /// where a filter around us refuses the call.
    fn keyring(&self, name: u64) -> Outcome {
        const JOIN_SESSION_KEYRING: usize = 1;
        let name = self.text(name)?.as_ptr() as usize;
        // SAFETY: the kernel reads the name.
        match unsafe { kernel::call(nr::keyctl, [JOIN_SESSION_KEYRING, name, 0, 0, 0, 0]) } {
            Err(Failure { errno: EDQUOT | EPERM | ENOSYS, .. }) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Returns in the child only, which waits until the parent knows it: what both say would else come in any order.
    fn born(&self, index: u32, namespaces: u64) -> Outcome {
        let child = reap::beside(namespaces as usize)?;
        if child == 0 {
            return self.word();
        }
        self.tell(message::BORN, index, child as u32, 0, None);
        kernel::exit(0)
    }

    fn sync(&self, index: u32, number: u64) -> Outcome {
        self.tell(message::SYNC, index, number as u32, 0, None);
        self.word()
    }

    /// Waits for one byte from the parent.
    fn word(&self) -> Outcome {
        self.answer().map(drop)
    }

    fn answer(&self) -> Outcome<u8> {
        let mut answer = [0u8; 1];
        // SAFETY: the kernel writes one byte.
        let read = unsafe {
            kernel::call(nr::read, [self.socket as usize, answer.as_mut_ptr() as usize, 1, 0, 0, 0])
        }?;
        if read == 1 { Ok(answer[0]) } else { kernel::exit(255) }
    }

    /// Waits for the parent to send `count` fds in one message. One who is gone has ended the start.
    fn take(&mut self, slot: u32, count: usize) -> Outcome {
        const CLOEXEC: usize = 0x4000_0000;
        let mut byte = 0u8;
        let part = [&raw mut byte as usize, 1];
        // struct cmsghdr: length, level and type, then the fds.
        let mut control = [0u64; 18];
        let space = size_of_val(&control);
        let mut header = [0, 0, part.as_ptr() as usize, 1, control.as_mut_ptr() as usize, space, 0];
        // SAFETY: the kernel writes byte, control and header, all alive here.
        let read = unsafe {
            kernel::call(nr::recvmsg, [self.socket as usize, header.as_mut_ptr() as usize, CLOEXEC, 0, 0, 0])
        }?;
        if read != 1 {
            kernel::exit(255);
        }
        let sent = (control[0] as usize).saturating_sub(16) / 4;
        if sent != count {
            // Less than was sent is what the limit on them leaves.
            return fail(nr::recvmsg, if sent < count { EMFILE } else { EINVAL });
        }
        for index in 0..count {
            let pair = control[2 + index / 2];
            self.slots.set(slot + index as u32, (pair >> (32 * (index % 2))) as i32)?;
        }
        Ok(())
    }

    /// Waits at the slot's listening socket for somebody who says go. He may be another process than our parent, who may be
    /// gone: what is told from here on goes to him. One who leaves without a word was no one.
    fn gate(&mut self, slot: u32) -> Outcome {
        const ECONNABORTED: i32 = 103;
        const CLOEXEC: usize = 0o2_000_000;
        let listener = self.slots.get(slot)?;
        loop {
            let peer = match plain(nr::accept4, [listener as usize, 0, 0, CLOEXEC, 0, 0]) {
                Err(Failure { errno: EINTR | ECONNABORTED, .. }) => continue,
                other => other? as i32,
            };
            let mut word = [0u8; 1];
            // SAFETY: the kernel writes one byte.
            let read = unsafe { kernel::call(nr::read, [peer as usize, word.as_mut_ptr() as usize, 1, 0, 0, 0]) };
            if read.is_ok_and(|length| length == 1) {
                kernel::close(listener);
                kernel::close(self.socket);
                self.socket = peer;
                return Ok(());
            }
            kernel::close(peer);
        }
    }

    /// The death signal comes only for a parent that dies after it was set: one that is gone has closed its socket.
    fn parent_lives(&self) -> Outcome {
        let mut byte = [0u8; 1];
        const PEEK_DONTWAIT: usize = 0x2 | 0x40;
        // SAFETY: the kernel writes at most one byte.
        let peeked = unsafe {
            kernel::call(nr::recvfrom, [self.socket as usize, byte.as_mut_ptr() as usize, 1, PEEK_DONTWAIT, 0, 0])
        };
        if peeked.is_ok_and(|length| length == 0) { kernel::exit(255) } else { Ok(()) }
    }

    /// Closes all fds from `first` on but the socket and one more, which close themselves at exec.
    fn close_all(&self, first: usize, kept: Option<i32>) -> Outcome {
        const CLOEXEC: usize = 1;
        const SETFD: usize = 2;
        let socket = self.socket as usize;
        let other = kept.map_or(socket, |fd| fd as usize);
        let spared = if socket < other { [socket, other] } else { [other, socket] };
        for fd in spared {
            plain(nr::fcntl, [fd, SETFD, CLOEXEC, 0, 0, 0])?;
        }
        let mut from = first;
        for fd in spared {
            if fd > from {
                match plain(nr::close_range, [from, fd - 1, 0, 0, 0, 0]) {
                    // Not the kernel, which has the call since Linux 5.9: a filter around us that does not know it.
                    Err(Failure { errno: ENOSYS | EPERM, .. }) => return self.close_each(first, spared),
                    other => drop(other?),
                }
            }
            from = from.max(fd + 1);
        }
        match plain(nr::close_range, [from, u32::MAX as usize, 0, 0, 0, 0]) {
            Err(Failure { errno: ENOSYS | EPERM, .. }) => self.close_each(first, spared),
            other => other.map(drop),
        }
    }

    /// The same without close_range(2): as procfs lists them, until it lists none.
    fn close_each(&self, first: usize, spared: [usize; 2]) -> Outcome {
        let list = kernel::openat2(self.proc, c"self/fd", kernel::O_DIRECTORY, 0, kernel::RESOLVE_BENEATH)?;
        let mut buffer = [0u64; 512];
        loop {
            // SAFETY: the kernel writes at most the buffer's length.
            let length = unsafe {
                let at = buffer.as_mut_ptr() as usize;
                kernel::call(nr::getdents64, [list as usize, at, size_of_val(&buffer), 0, 0, 0])
            }?;
            if length == 0 {
                break;
            }
            // SAFETY: the kernel has filled this many bytes of the buffer.
            let bytes = unsafe { core::slice::from_raw_parts(buffer.as_ptr().cast::<u8>(), length) };
            for name in copy_up::names(bytes) {
                let digits = name.to_bytes();
                let number = digits.iter().fold(0, |n, digit| n * 10 + usize::from(digit.wrapping_sub(b'0')));
                let ours = spared.contains(&number) || number == list as usize;
                if digits.iter().all(u8::is_ascii_digit) && number >= first && !ours {
                    kernel::close(number as i32);
                }
            }
        }
        kernel::close(list);
        Ok(())
    }

    /// Sends the parent a message, with an fd if there is one. A parent that is gone is not told.
    ///
    /// Without an fd by write(2): the container's filter is in force when the last messages are sent, and many deny
    /// the calls of sockets.
    fn tell(&self, kind: u32, step: u32, number: u32, errno: i32, fd: Option<i32>) {
        let op = self.plan.step(step).map_or(0, |step| step.op);
        let before = (0..step).filter(|at| self.plan.step(*at).is_some_and(|step| step.op == op)).count() as u32;
        let op = op | before << 16;
        let message = Message { kind, step, number, errno, op };
        if fd.is_none() {
            // SAFETY: the kernel reads the message, which is alive here. There are no signals yet: SIGPIPE is only for
            // a parent that is dead, and we should be, too.
            let _ = unsafe {
                let at = &raw const message as usize;
                kernel::call(nr::write, [self.socket as usize, at, size_of::<Message>(), 0, 0, 0])
            };
            return;
        }
        let part = [&raw const message as usize, size_of::<Message>()];
        // struct cmsghdr with one fd: length, level and type, fd, padding.
        const LENGTH: u64 = 20;
        const SOL_SOCKET_SCM_RIGHTS: u64 = 1 | 1 << 32;
        let control = [LENGTH, SOL_SOCKET_SCM_RIGHTS, fd.unwrap_or(0) as u32 as u64];
        let header = [0, 0, part.as_ptr() as usize, 1, control.as_ptr() as usize, 24, 0];
        const NOSIGNAL: usize = 0x4000;
        // SAFETY: the kernel reads header, part, message and control, all alive here.
        let _ = unsafe {
            kernel::call(nr::sendmsg, [self.socket as usize, header.as_ptr() as usize, NOSIGNAL, 0, 0, 0])
        };
    }
}

/// Sets `lo` up: two ioctls on any socket of the namespace (netdevice(7)).
fn loopback() -> Outcome {
    const SIOCSIFFLAGS: usize = 0x8914;
    const INET_DGRAM: [usize; 2] = [2, 2 | 0o2_000_000];
    let socket = plain(nr::socket, [INET_DGRAM[0], INET_DGRAM[1], 0, 0, 0, 0])? as i32;
    let mut request = [0u8; 40];
    request[0] = b'l';
    request[1] = b'o';
    const UP_RUNNING: u8 = 0x1 | 0x40;
    request[16] = UP_RUNNING;
    let result = kernel::ioctl(socket, SIOCSIFFLAGS, request.as_ptr() as usize).map(drop);
    kernel::close(socket);
    result
}
