//! The parent: makes the cgroups, the namespaces with the child in them, waits, removes the cgroups.

use crate::kernel::{self, AT_FDCWD, call, nr};
use crate::{Arguments, Text, devices};
use core::arch::asm;

const CLONE_VM: u64 = 0x100;
const CLONE_VFORK: u64 = 0x4000;
const CLONE_INTO_CGROUP: u64 = 1 << 33;
const SIGCHLD: u64 = 17;

/// Runs the container and exits with its code.
pub fn run(arguments: Arguments) -> ! {
    let mut lists = arguments.lists();
    let directories = lists;
    for directory in lists.by_ref() {
        call(nr::mkdirat, [AT_FDCWD, directory as usize, 0o755]);
    }
    while let Some(control) = lists.next() {
        let fd = kernel::open(control);
        for value in lists.by_ref() {
            kernel::write(fd, value);
        }
        call(nr::close, [fd]);
    }
    for _tasks in lists.by_ref() {}
    let v2 = lists.next().map(|path| call(nr::openat, [AT_FDCWD, path as usize, DIRECTORY]));
    if let (Some(directory), Some(_)) = (v2, lists.next()) {
        devices::attach(directory);
    }
    let pid = clone(arguments, v2);
    let mut status = 0_i32;
    const ALL: usize = 0x4000_0000;
    call(nr::wait4, [pid, (&raw mut status) as usize, ALL, 0]);
    for directory in directories {
        const REMOVEDIR: usize = 0x200;
        call(nr::unlinkat, [AT_FDCWD, directory as usize, REMOVEDIR]);
    }
    kernel::exit(if status & 0x7f == 0 { status >> 8 & 0xff } else { 128 })
}

/// The kernel's `struct clone_args` (Linux 5.7).
#[repr(C)]
struct CloneArgs([u64; 11]);

/// A directory, read and closed at exec; clone3(2) takes it as well as one opened as a path only, and bpf(2) nothing else.
const DIRECTORY: usize = 0o2_200_000;

const STACK: usize = 4096;

#[repr(align(16))]
struct Stack([u8; STACK]);

static mut CHILD_STACK: Stack = Stack([0; STACK]);

/// A child that shares our memory, and suspends us, until it executes the second stage.
fn clone(arguments: Arguments, into: Option<usize>) -> usize {
    let spec = arguments.spec();
    let flags = spec.namespaces | CLONE_VM | CLONE_VFORK | if into.is_some() { CLONE_INTO_CGROUP } else { 0 };
    let stack = (&raw mut CHILD_STACK) as u64;
    let cgroup = into.unwrap_or(0) as u64;
    let args = CloneArgs([flags, 0, 0, 0, SIGCHLD, stack, STACK as u64, 0, 0, 0, cgroup]);
    let (path, argv) = (arguments.own(), arguments.for_inside());
    let none: [Text; 1] = [core::ptr::null()];
    let result: isize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the child has a stack of its own and does nothing but execve(2) and exit(2), whose arguments live in
    // registers and in our memory, which stands still until then.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "mov eax, {execve}",
            "mov rdi, r12",
            "mov rsi, r13",
            "mov rdx, r14",
            "syscall",
            "mov eax, {exit}",
            "mov edi, 254",
            "syscall",
            "ud2",
            "2:",
            execve = const nr::execve,
            exit = const nr::exit_group,
            inlateout("rax") nr::clone3 as isize => result,
            in("rdi") &raw const args,
            in("rsi") size_of::<CloneArgs>(),
            in("r12") path,
            in("r13") argv,
            in("r14") &raw const none,
            lateout("rcx") _, lateout("r11") _,
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x8, {execve}",
            "mov x0, x20",
            "mov x1, x21",
            "mov x2, x22",
            "svc 0",
            "mov x8, {exit}",
            "mov x0, 254",
            "svc 0",
            "brk 1",
            "2:",
            execve = const nr::execve,
            exit = const nr::exit_group,
            in("x8") nr::clone3 as usize,
            inlateout("x0") &raw const args => result,
            in("x1") size_of::<CloneArgs>(),
            in("x20") path,
            in("x21") argv,
            in("x22") &raw const none,
        );
    }
    if result < 0 { kernel::exit(252) } else { result as usize }
}
