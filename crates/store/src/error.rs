//! What can go wrong in the store, told so that a user can act on it.

use oci::digest::{DiffId, Digest, DigestError};
use oci::image::DocumentError;
use oci::reference::{Reference, ReferenceError};
use std::path::PathBuf;

/// What the store's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call that changes something failed.
    #[error(transparent)]
    Sys(#[from] sys::Error),
    /// Reading or writing a file failed; what it was is said.
    #[error("{what}")]
    Io {
        /// What was being done to which file.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The store was made by a newer version of this program.
    #[error("the store {path} has format {found}; this version knows format {known}")]
    Format {
        /// The store's directory.
        path: PathBuf,
        /// The format found.
        found: u32,
        /// The newest known.
        known: u32,
    },
    /// The layers of this store were unpacked with other user ids, or another kind of overlay attributes.
    #[error("the layers of the store {path} were unpacked for {stored}, but this process has {current}")]
    Mode {
        /// The store's directory.
        path: PathBuf,
        /// How the layers were written.
        stored: String,
        /// What this process could write.
        current: String,
    },
    /// Layers belong to root, of the machine or of a user namespace.
    #[error("layers can only be unpacked by root of the machine or of a user namespace")]
    NotRoot,
    /// No manifest list has this name.
    #[error("no manifest list {0}")]
    NoSuchList(String),
    /// Something cannot be had from where it is.
    #[error("cannot fetch {what}")]
    Fetch {
        /// What.
        what: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No EROFS image can be mounted here.
    #[error("the store {path} cannot have the driver erofs: no EROFS image can be mounted from a file in it")]
    NoImages {
        /// The store's directory.
        path: PathBuf,
    },
    /// A record or document of the store's own cannot be understood.
    #[error("{path} is damaged")]
    Damaged {
        /// The file, relative to the store.
        path: String,
        /// Why.
        source: serde_json::Error,
    },
    /// No image has that name, id or digest.
    #[error("no image {0:?} in the store")]
    NoSuchImage(String),
    /// Several images' ids start with these digits.
    #[error("image id {prefix:?} is ambiguous: {}", candidates.join(", "))]
    AmbiguousImage {
        /// What was asked for.
        prefix: String,
        /// The ids that fit.
        candidates: Vec<String>,
    },
    /// A container was made from the image.
    #[error("image {image} is used by container {}", containers.join(", "))]
    ImageInUse {
        /// The image.
        image: String,
        /// The containers' names.
        containers: Vec<String>,
    },
    /// The image has more names than the one that its id was given for.
    #[error("image {id} has several names: {}", shown(names))]
    SeveralNames {
        /// The image's id.
        id: String,
        /// All its names.
        names: Vec<Reference>,
    },
    /// A container's files cannot be read, or packed.
    #[error("the files of a root")]
    Tree(#[source] layer::Error),
    /// A form that holds one image only.
    #[error("docker-dir holds one image; save others to directories of their own, or use oci-dir")]
    OneImage,
    /// A name that is to be given cannot have a digest: that the image has by itself.
    #[error("the name {} has a digest, which only an image's content can give it", .0.familiar())]
    DigestAsName(Box<Reference>),
    /// A name that is to be taken from an image is none of its own.
    #[error("{name:?} is no name of the image; it has {}", shown(names))]
    NotItsName {
        /// The name.
        name: String,
        /// The image's names.
        names: Vec<Reference>,
    },
    /// No container has that name or id.
    #[error("no container {0:?}")]
    NoSuchContainer(String),
    /// Not the name of a network.
    #[error("{0:?} is not a name for a network: letters and digits, then also _ . and -")]
    NetworkName(String),
    /// No secret has that name or id, or several ids start so.
    #[error("no secret {0:?}")]
    NoSuchSecret(String),
    /// A secret has that name.
    #[error("a secret {0:?} is there already")]
    SecretTaken(String),
    /// Not the name of a secret.
    #[error("{0:?} is not a name for a secret: letters and digits, then also _ . and -")]
    SecretName(String),
    /// A secret that holds nothing, or too much.
    #[error("secret {name:?}: {size} bytes are not between 1 and 512000")]
    SecretSize {
        /// Its name.
        name: String,
        /// How many it would hold.
        size: usize,
    },
    /// Several containers' ids start with these digits.
    #[error("container id {prefix:?} is ambiguous: {}", candidates.join(", "))]
    AmbiguousContainer {
        /// What was asked for.
        prefix: String,
        /// The ids that fit.
        candidates: Vec<String>,
    },
    /// Another container has the name.
    #[error("the name {name:?} is taken by container {holder}")]
    NameTaken {
        /// The name.
        name: String,
        /// The id of the container that has it.
        holder: String,
    },
    /// A text is not a container's name.
    #[error("container name {0:?} is invalid: letters, digits, and after the first also _ . -")]
    ContainerName(String),
    /// No volume has that name.
    #[error("no volume {0:?}")]
    NoSuchVolume(String),
    /// Another volume has the name.
    #[error("there is a volume {0:?} already")]
    VolumeExists(String),
    /// Containers have it mounted, or would when they are started.
    #[error("volume {volume} is used by container {}", containers.join(", "))]
    VolumeInUse {
        /// The volume.
        volume: String,
        /// The containers' names.
        containers: Vec<String>,
    },
    /// A volume does not get what an image has for it.
    #[error("cannot copy what is to be in volume {volume}")]
    Fill {
        /// The volume.
        volume: String,
        /// Why.
        source: layer::Error,
    },
    /// A volume whose files are elsewhere.
    #[error("volume {0} is what its driver mounts in a container; it has no files here")]
    VolumeElsewhere(String),
    /// A text is not a volume's name.
    #[error("volume name {0:?} is invalid: letters, digits, and after the first also _ . -; at least two")]
    VolumeName(String),
    /// A text is not a container's id.
    #[error("{0:?} is not a container id")]
    ContainerId(String),
    /// A reference that cannot be parsed.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// A digest that cannot be parsed.
    #[error("{what}")]
    Digest {
        /// Where it stood.
        what: String,
        /// What is wrong with it.
        source: DigestError,
    },
    /// A manifest or index that is not one.
    #[error("{what}")]
    Document {
        /// Which.
        what: String,
        /// What is wrong with it.
        source: DocumentError,
    },
    /// A JSON document of an image that cannot be read.
    #[error("{what} is not valid")]
    Json {
        /// Which.
        what: String,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A blob's content is not what its descriptor says.
    #[error("{what} should have digest {expected}, but has {found}")]
    DigestMismatch {
        /// Which blob.
        what: String,
        /// The digest promised.
        expected: Box<Digest>,
        /// The digest of the content.
        found: Box<Digest>,
    },
    /// A blob's length is not what its descriptor says.
    #[error("{what} should have {expected} bytes, but has {found}")]
    SizeMismatch {
        /// Which blob.
        what: String,
        /// The length promised.
        expected: u64,
        /// The length found; for a longer one, of what was read before giving up.
        found: u64,
    },
    /// A blob that a manifest names is not there.
    #[error("{what} is missing")]
    MissingBlob {
        /// Which.
        what: String,
    },
    /// Unpacking a layer failed.
    #[error("layer {layer}")]
    Layer {
        /// Its diff ID, or its place in the archive.
        layer: String,
        /// Why.
        source: layer::Error,
    },
    /// A layer's tar is not the one that the configuration names.
    #[error("layer {layer} should have diff id {expected}, but has {found}")]
    DiffIdMismatch {
        /// The layer's blob.
        layer: Box<Digest>,
        /// The diff ID promised.
        expected: Box<DiffId>,
        /// That of the content.
        found: Box<DiffId>,
    },
    /// An image that does not hang together.
    #[error("image {image}: {reason}")]
    Image {
        /// Which.
        image: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An archive that is none of the known kinds, or damaged.
    #[error("{archive}: {reason}")]
    Archive {
        /// Its path, or what else it is.
        archive: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Reading an archive failed.
    #[error("cannot read {archive}")]
    ArchiveTar {
        /// Its path, or what else it is.
        archive: String,
        /// Why.
        source: layer::Error,
    },
    /// A change of `import` that is not one.
    #[error("change {change:?}: {reason}")]
    Change {
        /// The change as given.
        change: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Error {
    /// Content of another digest than was promised.
    pub(crate) fn digest(what: impl Into<String>, expected: Digest, found: Digest) -> Self {
        Self::DigestMismatch { what: what.into(), expected: expected.into(), found: found.into() }
    }

    /// A layer with another tar than was promised.
    pub(crate) fn diff_id(layer: Digest, expected: DiffId, found: DiffId) -> Self {
        Self::DiffIdMismatch { layer: layer.into(), expected: expected.into(), found: found.into() }
    }

    /// A failed reading or writing, for `map_err`.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// A failed reading call of rustix, for `map_err`.
    pub(crate) fn errno(what: impl Into<String>) -> impl FnOnce(rustix::io::Errno) -> Self {
        let what = what.into();
        move |errno| Self::Io { what, source: errno.into() }
    }

    /// Whether it is the system call's `ENOENT`.
    pub(crate) fn is_absent(&self) -> bool {
        match self {
            Self::Sys(error) => error.errno == sys::Errno::NOENT,
            Self::Io { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
            _ => false,
        }
    }
}

fn shown(names: &[Reference]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().map(Reference::familiar).collect::<Vec<_>>().join(", ")
}
