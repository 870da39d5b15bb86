//! Real cgroups on this machine: made below names of our own, filled with real processes, and removed.
//!
//! The same tests run three times on a hybrid machine: as it is, on a pure v1 view and on a pure v2 view of it (see
//! [`views`]); on a pure v2 machine they run once.

mod creating;
mod devices;
mod lab;
mod lifecycle;
mod limits;
mod rootless;
mod systemd;
mod user_systemd;
mod views;
