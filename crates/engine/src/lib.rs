//! Containers and images as their users know them.
//!
//! The values that a container is described by ([`config`]), how they are read ([`flags`]), and how they become an
//! OCI runtime specification ([`spec`]).

#![forbid(unsafe_code)]

pub mod config;
pub mod flags;
pub mod spec;
