//! Raw v2 files by name, for what the specification has no field for. A value of several lines is written line by
//! line, since the kernel takes one a write (`io.max`, `rdma.max`).

use super::invalid;
use crate::{Cgroup, Controller, Error, Result, Version, file};
use rustix::io::Errno;
use std::collections::BTreeMap;

pub(super) fn apply(cgroup: &Cgroup, files: &BTreeMap<String, String>) -> Result<()> {
    for (name, value) in files {
        let mut field = format!("unified.{name}");
        if name.contains('/') || !name.contains('.') || name.starts_with('.') {
            return Err(invalid("unified", name, "is no name of a control file, such as memory.high"));
        }
        let prefix = name.split('.').next().unwrap_or_default();
        let controller = Controller::from_name(prefix, Version::V2);
        let Some(branch) = cgroup.unified() else {
            let reason = "this container has no cgroup v2 directory".to_owned();
            return Err(match controller.map(|controller| (controller, cgroup.need(controller, &field))) {
                Some((_, Err(denied @ Error::Denied { .. }))) => denied,
                Some((controller, _)) => Error::Missing { controller, field, reason },
                None => invalid("unified", name, reason),
            });
        };
        let path = branch.file(name);
        for line in value.lines() {
            match (file::write(&path, line), controller) {
                (Ok(()), _) => {}
                (Err(error), Some(controller)) if error.errno == Errno::NOENT => {
                    // Absent because the controller is: say why.
                    let reason = match cgroup.need(controller, &field) {
                        Err(error) => return Err(error),
                        Ok(owner) if owner.version == Version::V1 => {
                            field.insert_str(0, "invalid configuration: ");
                            format!("the {controller} controller belongs to cgroup v1 on this machine")
                        }
                        Ok(_) => format!("this kernel has no {name}"),
                    };
                    return Err(Error::Missing { controller, field, reason });
                }
                (Err(error), controller) => {
                    return Err(file::explain(controller, &path, line, error));
                }
            }
        }
    }
    Ok(())
}
