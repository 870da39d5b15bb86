//! Content digests: `sha256:` and 64 hexadecimal digits.
