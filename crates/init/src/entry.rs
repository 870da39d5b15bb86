//! The stub's root: where the kernel enters it, and what the compiler expects of a program without libc.
//!
//! Runs as the clone's child, in its new namespaces, with nothing but the plan's fd in `argv[1]`. May not allocate,
//! may not panic in earnest (a panic ends it with a failure), and leaves by exec or `exit_group`.

#![no_std]
#![no_main]

#[path = "../../sys/src/capture.rs"]
#[allow(dead_code)]
mod capture;
#[path = "../../sys/src/nr.rs"]
#[allow(dead_code)]
mod nr;
#[path = "../../sys/src/raw.rs"]
mod raw;
#[path = "../../sys/src/record.rs"]
#[allow(dead_code)]
mod record;

mod attributes;
mod copy_up;
mod home;
mod hook;
mod kernel;
mod mount;
mod path;
#[allow(dead_code)]
mod plan;
mod process;
mod reap;
mod stage;
mod terminal;

use core::arch::{asm, global_asm};

#[cfg(target_arch = "x86_64")]
global_asm!(".globl _start", "_start:", "xor ebp, ebp", "mov rdi, rsp", "and rsp, -16", "call {main}", "ud2", main = sym main);
#[cfg(target_arch = "aarch64")]
global_asm!(".globl _start", "_start:", "mov x29, 0", "mov x0, sp", "bl {main}", "brk 1", main = sym main);

/// Called by `_start` with the stack as the kernel left it: argc, argv, 0, envp, 0, auxv.
unsafe extern "C" fn main(stack: *const usize) -> ! {
    // SAFETY: the kernel puts argc and argv there (execve(2)); argv[1] is the parent's, a C string.
    let argument = unsafe { if *stack < 2 { core::ptr::null() } else { *stack.add(2) as *const u8 } };
    stage::run(if argument.is_null() {
        -1
    } else {
        // SAFETY: as above.
        number(unsafe { core::ffi::CStr::from_ptr(argument.cast()) })
    })
}

/// The number that a text is; −1 for any other. A container that makes the kernel execute us (`#!/proc/self/exe`) puts
/// a path here, and gets nothing.
fn number(text: &core::ffi::CStr) -> i32 {
    let digits = text.to_bytes();
    if digits.is_empty() || digits.len() > 9 || !digits.iter().all(u8::is_ascii_digit) {
        return -1;
    }
    digits.iter().fold(0, |number, digit| number * 10 + i32::from(digit - b'0'))
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    kernel::exit(253)
}

/// memcpy(3), which the compiler calls for copies.
///
/// # Safety
/// As C's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller vouches for both ranges.
    unsafe {
        asm!("rep movsb", inout("rcx") length => _, inout("rdi") to => _, inout("rsi") from => _, options(nostack));
    }
    #[cfg(not(target_arch = "x86_64"))]
    // SAFETY: the caller vouches for both ranges; volatile, lest the loop become a call of this very function.
    unsafe {
        for i in 0..length {
            to.add(i).write_volatile(*from.add(i));
        }
        asm!("");
    }
    to
}

/// memmove(3).
///
/// # Safety
/// As C's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
    if (to as usize).wrapping_sub(from as usize) >= length {
        // SAFETY: copying forwards never overwrites what is still to be read.
        return unsafe { memcpy(to, from, length) };
    }
    for i in (0..length).rev() {
        // SAFETY: the caller vouches for both ranges; volatile, lest the loop become a call of this very function.
        unsafe { to.add(i).write_volatile(from.add(i).read_volatile()) };
    }
    to
}

/// memset(3).
///
/// # Safety
/// As C's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memset(to: *mut u8, byte: i32, length: usize) -> *mut u8 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller vouches for the range.
    unsafe {
        asm!("rep stosb", inout("rcx") length => _, inout("rdi") to => _, in("al") byte as u8, options(nostack));
    }
    #[cfg(not(target_arch = "x86_64"))]
    for i in 0..length {
        // SAFETY: the caller vouches for the range.
        unsafe { to.add(i).write_volatile(byte as u8) };
    }
    to
}

/// memcmp(3).
///
/// # Safety
/// As C's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, length: usize) -> i32 {
    for i in 0..length {
        // SAFETY: the caller vouches for both ranges.
        let (x, y) = unsafe { (a.add(i).read_volatile(), b.add(i).read_volatile()) };
        if x != y {
            return i32::from(x) - i32::from(y);
        }
    }
    0
}

/// bcmp(3).
///
/// # Safety
/// As C's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, length: usize) -> i32 {
    // SAFETY: the same contract.
    unsafe { memcmp(a, b, length) }
}

/// strlen(3).
///
/// # Safety
/// As C's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn strlen(text: *const u8) -> usize {
    let mut length = 0;
    // SAFETY: the caller's string ends with a zero byte.
    while unsafe { text.add(length).read_volatile() } != 0 {
        length += 1;
    }
    length
}
