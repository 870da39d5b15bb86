//! Layers that were unpacked into directories reach the disk after the command that unpacked them has ended.

use crate::engine::Engine;
use store::Store;

impl Engine {
    /// Leaves it to a child that nobody waits for to put new layers on disk. It ends by itself; if it is killed, the next
    /// command that unpacks something makes another. Until then a layer is known to be whole for this boot only.
    pub(crate) fn settle_later(&self) {
        let wanted = || Ok::<_, crate::Error>(self.store()?.is_unsettled()?);
        // Whether or not it can be had, the layers are good, and who asked for them is not to hear of it.
        if matches!(wanted(), Ok(true)) && sys::process::single_threaded() {
            let root = self.locations().root.clone();
            let _ = sys::detached::spawn(|| {
                // A store that somebody has removed meanwhile is not made anew.
                let _ = Store::open_if_there(&root).and_then(|store| store.map_or(Ok(()), |store| store.settle()));
            });
        }
    }
}
