//! The floor: the least work that makes a container.

fn main() {}
