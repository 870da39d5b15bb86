//! Turns recorded steps into what people read.
