//! OCI runtime spec in, running container out.
