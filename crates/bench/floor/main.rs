//! The floor's root: where the kernel enters it, and its arguments.
//!
//! The least work that makes the container of a specification under test: bare system calls in the cheapest order that
//! we know, no allocation, no parsing, no error handling but an exit code that names the call. What the specification
//! says is compiled in (`spec`); what the machine says (paths) stands in the arguments, ready to be passed on as it is:
//!
//! ```text
//! floor SELF SPEC ROOT FILES [CGROUP…] "" [CONTROL VALUE… ""]… "" [TASKS…] "" [V2-CGROUP [DEVICES]] "" [AT TYPE OPTIONS]…
//! ```
//!
//! It runs twice, as a runtime does that executes nothing of itself inside: once as the parent, and once, executed anew
//! in the new namespaces, as the stage that builds the view and then executes `/bin/true`.

#![no_std]
#![no_main]

#[allow(dead_code)]
#[path = "../../sys/src/nr.rs"]
mod nr;
#[path = "../../sys/src/raw.rs"]
mod raw;

#[allow(dead_code)]
#[path = "../src/capabilities.rs"]
mod capabilities;
mod devices;
mod inside;
mod kernel;
mod outside;
mod spec;

use core::arch::global_asm;

#[cfg(target_arch = "x86_64")]
global_asm!(".globl _start", "_start:", "xor ebp, ebp", "mov rdi, rsp", "and rsp, -16", "call {main}", "ud2", main = sym main);
#[cfg(target_arch = "aarch64")]
global_asm!(".globl _start", "_start:", "mov x29, 0", "mov x0, sp", "bl {main}", "brk 1", main = sym main);

/// A text that the kernel or this program's own bytes hold, with its zero.
pub type Text = *const u8;

/// The arguments, where the kernel left them.
#[derive(Clone, Copy)]
pub struct Arguments(*mut Text);

impl Arguments {
    /// The executable itself, for the second stage.
    pub fn own(self) -> Text {
        self.at(1)
    }

    /// Which specification.
    pub fn spec(self) -> &'static spec::Spec {
        // SAFETY: the harness gives a text that is not empty.
        if unsafe { *self.at(2) } == b'p' { &spec::PODMAN } else { &spec::EMPTY }
    }

    /// The root file system.
    pub fn root(self) -> Text {
        self.at(3)
    }

    /// The directory with the files that are bound.
    pub fn files(self) -> Text {
        self.at(4)
    }

    /// The lists that follow.
    pub fn lists(self) -> List {
        // SAFETY: the harness gives all of them.
        List(unsafe { self.0.add(5) })
    }

    /// As the second stage gets them: the same, but for the first.
    pub fn for_inside(self) -> *const Text {
        // SAFETY: the array is ours to write (execve(2)).
        unsafe { self.0.write(c"inside".as_ptr().cast()) };
        self.0
    }

    fn at(self, index: usize) -> Text {
        // SAFETY: the harness gives all of them.
        unsafe { *self.0.add(index) }
    }
}

/// A list of texts up to an empty one, or to the end of the arguments.
#[derive(Clone, Copy)]
pub struct List(*const Text);

impl Iterator for List {
    type Item = Text;

    /// The end is passed over, so that the next call begins the next list.
    fn next(&mut self) -> Option<Text> {
        // SAFETY: the arguments end with a null pointer, over which we never go.
        unsafe {
            let text = *self.0;
            if text.is_null() {
                return None;
            }
            self.0 = self.0.add(1);
            (*text != 0).then_some(text)
        }
    }
}

/// Called by `_start` with the stack as the kernel left it: argc, argv.
unsafe extern "C" fn main(stack: *mut usize) -> ! {
    // SAFETY: the kernel puts the arguments there (execve(2)), at least the program's name.
    let arguments = Arguments(unsafe { stack.add(1) }.cast());
    // SAFETY: as above.
    match unsafe { *arguments.at(0) } {
        b'i' => inside::run(arguments),
        _ => outside::run(arguments),
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    kernel::exit(253)
}
