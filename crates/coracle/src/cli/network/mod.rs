//! `coracle network`: what containers are joined to, so that they reach each other and everybody else.

pub mod connect;
pub mod create;
pub mod disconnect;
pub mod exists;
pub mod inspect;
pub mod list;
pub mod prune;
pub mod reload;
pub mod remove;
