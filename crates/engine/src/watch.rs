//! How far a pull or a push has come, for whoever shows it. The engine prints nothing.

use oci::image::Descriptor;

/// Is told how far the layers of an image have come; by several threads.
pub trait Watch: Sync {
    /// These layers will come, or go.
    fn layers(&self, layers: &[Descriptor]);
    /// So many bytes of a layer are done.
    fn moved(&self, layer: usize, bytes: u64);
    /// A layer is where it has to be.
    fn ended(&self, layer: usize, how: Moved);
}

/// How a layer came to be where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// Its bytes went over the network.
    Sent,
    /// It was there.
    Existed,
    /// The registry had it in another repository.
    Mounted,
}

/// Nobody wants to know.
impl Watch for () {
    fn layers(&self, _: &[Descriptor]) {}
    fn moved(&self, _: usize, _: u64) {}
    fn ended(&self, _: usize, _: Moved) {}
}
