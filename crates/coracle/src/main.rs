//! The container engine's command line.

fn main() {}
