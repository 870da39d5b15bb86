//! Layer tars in: applied inside their directory, verified, hostile or not.
