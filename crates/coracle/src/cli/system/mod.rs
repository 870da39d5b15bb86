//! `coracle system …`: what the engine keeps, as a whole.

pub mod check;
pub mod df;
pub mod generator;
pub mod prune;
pub mod start_all;
