//! `/bin/true` of the containers under test: static, without a libc, so that what is measured is the runtime's work.

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
        // SAFETY: ends the process.
        let _ = unsafe { raw::syscall(nr::exit_group, [0; 6]) };
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
