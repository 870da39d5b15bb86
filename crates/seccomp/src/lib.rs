//! OCI seccomp profile to BPF program.
