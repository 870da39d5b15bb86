//! Whether what the engine keeps is whole.

use crate::engine::Engine;
use crate::error::Result;
use store::{Checked, Depth, Repair};

impl Engine {
    /// Looks at all that is kept, and mends what can be. An ordinary user becomes root of his ids for it.
    pub fn check(&self, depth: Depth, repair: Repair) -> Result<Checked> {
        self.clean_up();
        self.enter()?;
        let store = self.store()?;
        let running = self.containers()?.into_iter().flatten();
        let running = running.filter(|listed| listed.status.is_alive());
        let in_use = running.flat_map(|listed| listed.container.layers).collect();
        let checked = store.check(depth, repair, &in_use)?;
        self.settle_later();
        Ok(checked)
    }
}
