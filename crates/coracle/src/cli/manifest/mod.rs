//! `coracle manifest`: lists of images for several machines under one name.

pub mod add;
pub mod annotate;
pub mod create;
pub mod exists;
pub mod inspect;
mod note;
pub mod push;
pub mod remove;
pub mod rm;
