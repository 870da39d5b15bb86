//! Blobs: content-addressed files of the image layout.
