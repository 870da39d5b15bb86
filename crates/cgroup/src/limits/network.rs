//! Packet classes and priorities, v1 only: v2 left both to nf_tables and BPF.

use crate::{Cgroup, Controller, Result};
use oci::runtime::Network;

pub(super) fn apply(cgroup: &Cgroup, limits: &Network) -> Result<()> {
    if let Some(class) = limits.class_id {
        let branch = cgroup.need(Controller::NetCls, "network.classID")?;
        branch.write(Controller::NetCls, "net_cls.classid", &class.to_string())?;
    }
    for priority in &limits.priorities {
        let branch = cgroup.need(Controller::NetPrio, "network.priorities")?;
        let value = format!("{} {}", priority.name, priority.priority);
        branch.write(Controller::NetPrio, "net_prio.ifpriomap", &value)?;
    }
    Ok(())
}
