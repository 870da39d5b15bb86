//! `coracle secret`: what containers may know and images must not.

pub mod create;
pub mod exists;
pub mod inspect;
pub mod list;
pub mod remove;
