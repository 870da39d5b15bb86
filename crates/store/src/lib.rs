//! Blobs, images, layers and container records on disk.
