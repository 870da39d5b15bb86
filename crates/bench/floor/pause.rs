//! `/bin/pause` of the containers under test: static, without a libc, and there until it is killed.

#![no_std]
#![no_main]

#[allow(dead_code)]
#[path = "../../sys/src/nr.rs"]
mod nr;
#[path = "../../sys/src/raw.rs"]
mod raw;

/// The kernel enters here; nothing of the stack is used.
#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    loop {
        // SAFETY: no fd is looked at, and no pointer is followed.
        let _ = unsafe { raw::syscall(nr::ppoll, [0; 6]) };
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
