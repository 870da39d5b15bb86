//! RDMA handles and objects by device.

use crate::{Cgroup, Controller, Result};
use oci::runtime::Rdma;
use std::collections::BTreeMap;

pub(super) fn apply(cgroup: &Cgroup, limits: &BTreeMap<String, Rdma>) -> Result<()> {
    for (device, limit) in limits {
        let branch = cgroup.need(Controller::Rdma, "rdma")?;
        let fields = [("hca_handle", limit.hca_handles), ("hca_object", limit.hca_objects)];
        let fields: Vec<_> = fields.iter().filter_map(|(key, value)| Some(format!(" {key}={}", (*value)?))).collect();
        if !fields.is_empty() {
            branch.write(Controller::Rdma, "rdma.max", &format!("{device}{}", fields.concat()))?;
        }
    }
    Ok(())
}
