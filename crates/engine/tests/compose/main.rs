//! What a request becomes, by what is asked and what the machine is like. The expected values are podman's and docker's
//! documented defaults, written down by hand.

mod facts;
mod files;
mod limits;
mod privileges;
mod process;
mod view;
