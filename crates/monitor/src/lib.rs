//! Holds a running container: stdio, signals, exit, teardown.
