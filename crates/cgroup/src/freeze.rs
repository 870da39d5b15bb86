//! Stopping all processes of a cgroup where they are, and letting them go on.
//!
//! The v2 directory is used where there is one: it wakes its waiter, and what is frozen in it can still be killed. The
//! v1 freezer can wedge (a process that waits for a frozen one in the kernel keeps the state at FREEZING), so it is let
//! go and tried again until the time is over, and never left half-way.

use crate::events::{Deadline, wait};
use crate::group::Branch;
use crate::{Cgroup, Controller, Error, Result, Version};
use std::time::Duration;

/// Looks at the v1 state before it is let go and tried again the first time; about 50 ms. Each time it is given longer, since
/// on a busy machine a process may take that long to get to where it stands still.
const LOOKS: u32 = 12;

impl Cgroup {
    /// Stops every process; returns when all stand still. When `limit` has passed first, they go on and it is an error.
    pub fn freeze(&self, limit: Duration) -> Result<()> {
        let branch = self.freezer()?;
        let mut deadline = Deadline::after(limit);
        let frozen = match branch.version {
            Version::V2 => {
                branch.write(Controller::Freezer, "cgroup.freeze", "1")?;
                wait(&branch.path, "frozen", 1, &deadline)?
            }
            Version::V1 => freeze_v1(branch, &mut deadline)?,
        };
        if frozen {
            return Ok(());
        }
        self.thaw()?;
        Err(Error::FreezeTimeout { path: branch.path.clone(), millis: limit.as_millis() })
    }

    /// Lets every process go on, by the v1 freezer as well where there are both: somebody else may have stopped them by
    /// it, such as a criu that was killed.
    pub fn thaw(&self) -> Result<()> {
        let branch = self.freezer()?;
        if let Version::V2 = branch.version {
            branch.write(Controller::Freezer, "cgroup.freeze", "0")?;
        }
        self.v1_freezer().map_or(Ok(()), |branch| branch.write(Controller::Freezer, "freezer.state", "THAWED"))
    }

    /// Is it frozen, or on the way there? A cgroup that cannot be frozen is not.
    pub fn is_frozen(&self) -> Result<bool> {
        if let Some(branch) = self.unified()
            && branch.read("cgroup.freeze")?.trim() == "1"
        {
            return Ok(true);
        }
        self.v1_freezer().map_or(Ok(false), |branch| Ok(branch.read("freezer.state")?.trim() != "THAWED"))
    }

    fn v1_freezer(&self) -> Option<&Branch> {
        self.find(Controller::Freezer).filter(|branch| branch.version == Version::V1)
    }

    pub(crate) fn freezer(&self) -> Result<&Branch> {
        self.unified().map_or_else(|| self.need(Controller::Freezer, "freezing"), Ok)
    }
}

fn freeze_v1(branch: &Branch, deadline: &mut Deadline) -> Result<bool> {
    let mut looks = LOOKS;
    loop {
        branch.write(Controller::Freezer, "freezer.state", "FROZEN")?;
        for _ in 0..looks {
            if branch.read("freezer.state")?.trim() == "FROZEN" {
                return Ok(true);
            }
            if !deadline.pause() {
                return Ok(false);
            }
        }
        branch.write(Controller::Freezer, "freezer.state", "THAWED")?;
        looks += LOOKS;
    }
}
