//! System calls as the kernel sees them: a number and up to six registers.
//!
//! This file knows only `core`: the crate `init`, which has no allocator and no standard library, compiles the very
//! same text into its stub, so that parent and stub call the kernel in one way. The surprising thing is what is *not*
//! here: no `errno` variable and no cancellation points; a result in −4095..0 is the error.

/// A failed call's error number, positive.
pub type RawErrno = i32;

/// Calls the kernel.
///
/// # Errors
/// The kernel's error number.
///
/// # Safety
/// The call must be sound for these arguments: pointers valid for what the kernel reads or writes through them, and
/// the call must not break what the rest of the program relies on (its memory, its file descriptors).
#[inline]
pub unsafe fn syscall(number: u32, args: [usize; 6]) -> Result<usize, RawErrno> {
    let result: isize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller vouches for the call; the x86-64 ABI clobbers rcx and r11 only.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") number as usize as isize => result,
            in("rdi") args[0], in("rsi") args[1], in("rdx") args[2],
            in("r10") args[3], in("r8") args[4], in("r9") args[5],
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the caller vouches for the call; the arm64 ABI clobbers nothing else.
    unsafe {
        core::arch::asm!(
            "svc 0",
            in("x8") number as usize,
            inlateout("x0") args[0] as isize => result,
            in("x1") args[1], in("x2") args[2], in("x3") args[3], in("x4") args[4], in("x5") args[5],
            options(nostack),
        );
    }
    if (-4095..0).contains(&result) { Err((-result) as RawErrno) } else { Ok(result as usize) }
}
