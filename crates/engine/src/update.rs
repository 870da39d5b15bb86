//! Changing a container that is there: its limits, at once if it runs; its policy and its checks from the next time on.

use crate::config::{Health, LimitsConfig, Policy, PortRequest, Protocol};
use crate::create::durability;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::exec::Running;
use crate::record::Record;
use crate::spec::{self, There};
use crate::{gather, health, publishing, supervised};
use cgroup::{Cgroup, Controller, Layout};
use monitor::RunDir;
use oci::runtime::{Memory, Resources};
use store::{Container, ContainerId};

/// What is changed.
#[derive(Debug, Clone, Default)]
pub struct Update {
    /// All limits, with those that stay as they are.
    pub limits: Option<LimitsConfig>,
    /// When it is started again.
    pub restart: Option<Policy>,
    /// What is checked: what is left open stays as it is.
    pub health: Health,
    /// Ports that are published from now on.
    pub publish: Vec<PortRequest>,
    /// The container's ports that are published no more.
    pub withdraw: Vec<(u16, Protocol)>,
}

impl Engine {
    /// Changes a container, or nothing of it.
    pub fn update(&self, text: &str, update: &Update) -> Result<ContainerId> {
        let id = self.find(text)?;
        let mut container = self.store()?.container(&id)?;
        container.lock()?;
        let mut record: Container<Record> = container.read()?;
        let config = &mut record.config.config;
        if let Some(policy) = update.restart {
            if config.remove && policy != Policy::No {
                return Err(Error::Ephemeral(text.to_owned()));
            }
            config.restart = policy;
        }
        let running = match self.find_running(id.as_str()) {
            Ok(running) => Some(running),
            Err(Error::NotRunning(_)) => None,
            Err(error) => return Err(error),
        };
        if let Some(limits) = &update.limits {
            if let Some(running) = &running {
                self.limit(running, &config.limits, limits)?;
            }
            config.limits = limits.clone();
        }
        if !update.publish.is_empty() || !update.withdraw.is_empty() {
            let view = &mut config.view;
            let goes = |port: &PortRequest| update.withdraw.contains(&(port.inside, port.protocol));
            view.ports.retain(|port| !goes(port));
            view.ports.extend(update.publish.iter().cloned());
            if running.is_some() {
                publishing::republish(self, &record, update)?;
            }
        }
        record.config.health = health::changed(record.config.health.take(), &update.health);
        container.write(&record, durability(&record.config.config))?;
        if let Ok(run_dir) = RunDir::open(&self.run_dir(id.as_str())) {
            supervised::reorder(&run_dir, &record)?;
        }
        self.tell_of(&record, "update", &[]);
        Ok(id)
    }

    /// Sets those limits that are others now. If one cannot be, all are as before.
    fn limit(&self, running: &Running, old: &LimitsConfig, new: &LimitsConfig) -> Result<()> {
        let cgroup = &running.handle.cgroup;
        let (cpus, mems) =
            (gather::list("/sys/devices/system/cpu/online"), gather::list("/sys/devices/system/node/online"));
        let there = There {
            controllers: had(cgroup, gather::controllers(&Layout::detect()?, Some(cgroup))),
            cpus: &cpus,
            mems: &mems,
            rootless: !self.caller().is_root(),
        };
        let resources = |limits| Ok::<_, Error>(spec::limits(limits, &there)?);
        let new = resources(new)?;
        let old = resources(old).unwrap_or_default();
        let checked = |memory: Memory| Memory { check_before_update: Some(true), ..memory };
        let changed = Resources {
            memory: new.memory.filter(|memory| old.memory.as_ref() != Some(memory)).map(checked),
            cpu: new.cpu.filter(|cpu| old.cpu.as_ref() != Some(cpu)),
            pids: new.pids.filter(|pids| old.pids != Some(*pids)),
            block_io: new.block_io.filter(|block_io| old.block_io.as_ref() != Some(block_io)),
            ..Resources::default()
        };
        cgroup.apply(&changed).map_err(|error| {
            // The first error is the one to tell.
            let _ = cgroup.apply(&old);
            error.into()
        })
    }
}

/// Those controllers whose files the container's cgroup has: an ordinary user may not have got all.
pub(crate) fn had(cgroup: &Cgroup, all: spec::Controllers) -> spec::Controllers {
    let has =
        |controller, names: [&str; 2]| names.iter().any(|name| matches!(cgroup.text(controller, name), Ok(Some(_))));
    spec::Controllers {
        memory: all.memory && has(Controller::Memory, ["memory.max", "memory.limit_in_bytes"]),
        cpu: all.cpu && has(Controller::Cpu, ["cpu.max", "cpu.shares"]),
        cpuset: all.cpuset && has(Controller::Cpuset, ["cpuset.cpus", "cpuset.mems"]),
        pids: all.pids && has(Controller::Pids, ["pids.max", "pids.max"]),
        ..all
    }
}
