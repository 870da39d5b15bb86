//! Quadlet: files beside systemd's own units that say in its language which containers are its services
//! (podman-systemd.unit(5)), and the services that they become.
//!
//! A file `web.container` becomes `web.service`, which runs `coracle run` in the foreground: systemd is who supervises it.
//! Everything here is text in and text out; who reads the directories and writes the services is the caller.

#![forbid(unsafe_code)]

mod container;
mod error;
mod image;
mod keys;
mod network;
mod service;
mod unit;
mod volume;
mod words;

pub use error::Error;
pub use service::{Service, Setting, service};
pub use unit::Unit;
pub use words::{quote, split};
