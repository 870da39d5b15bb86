//! The project's own tasks: gate, arrows, guest, benchmarks.

fn main() {}
