//! Media types of the image specification and of docker's schema 2, and what they say.

/// A manifest of OCI.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An index of OCI.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// An image configuration of OCI.
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// A layer as a plain tar.
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// A layer as a tar compressed with gzip.
pub const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// A layer as a tar compressed with zstd.
pub const LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
/// A manifest of docker.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// A manifest list of docker.
pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// An image configuration of docker.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// A layer of docker, compressed with gzip.
pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// A layer of docker as a plain tar.
pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
/// A layer of docker, compressed with zstd.
pub const DOCKER_LAYER_ZSTD: &str = "application/vnd.docker.image.rootfs.diff.tar.zstd";

/// Layers that may not be distributed freely (deprecated); their bytes are those of the others.
const NONDISTRIBUTABLE: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar";
const DOCKER_FOREIGN: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar";

/// Whether it is a manifest, OCI's or docker's.
pub fn is_manifest(media_type: &str) -> bool {
    matches!(media_type, MANIFEST | DOCKER_MANIFEST)
}

/// Whether it is an index, OCI's or docker's.
pub fn is_index(media_type: &str) -> bool {
    matches!(media_type, INDEX | DOCKER_INDEX)
}

/// Whether it is an image's configuration, OCI's or docker's.
pub fn is_config(media_type: &str) -> bool {
    matches!(media_type, CONFIG | DOCKER_CONFIG)
}

/// Whether it is a layer that is a tar, compressed or not. What compression it is the bytes say.
pub fn is_layer(media_type: &str) -> bool {
    [LAYER, DOCKER_LAYER, NONDISTRIBUTABLE, DOCKER_FOREIGN].into_iter().any(|plain| {
        media_type
            .strip_prefix(plain)
            .is_some_and(|suffix| matches!(suffix, "" | "+gzip" | "+zstd" | ".gzip" | ".zstd"))
    })
}

/// Whether it is one of docker's.
pub fn is_docker(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.docker.")
}

/// Whether it is a layer that is not compressed.
pub fn is_plain_layer(media_type: &str) -> bool {
    is_layer(media_type) && media_type.ends_with("tar")
}

/// Docker's name for a layer compressed as this one is.
pub fn docker_layer(media_type: &str) -> &'static str {
    match media_type.rsplit(['+', '.']).next() {
        Some("gzip") => DOCKER_LAYER_GZIP,
        Some("zstd") => DOCKER_LAYER_ZSTD,
        _ => DOCKER_LAYER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_of_both_worlds_are_known() {
        for layer in [LAYER, LAYER_GZIP, LAYER_ZSTD, DOCKER_LAYER, DOCKER_LAYER_GZIP, DOCKER_LAYER_ZSTD] {
            assert!(is_layer(layer), "{layer}");
        }
        assert!(!is_layer(CONFIG) && !is_layer("application/vnd.oci.image.layer.v1.tar+encrypted"));
    }
}
