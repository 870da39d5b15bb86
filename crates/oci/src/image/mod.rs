//! The image specification: index, manifest, descriptor, configuration.
