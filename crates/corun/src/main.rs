//! The OCI runtime's command line.

fn main() {}
