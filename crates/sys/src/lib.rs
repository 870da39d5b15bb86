//! Typed wrappers of the system calls that change state, and the recorder of what they did.
