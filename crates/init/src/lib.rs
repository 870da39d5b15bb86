//! The only code of ours that runs inside a container: a static stub that executes a plan.
