//! Profiles in Docker's own format, as `--security-opt seccomp=FILE` names them.
//!
//! It is the specification's, plus rules that depend on the container's capabilities, the machine and the kernel, plus
//! a table of architectures per machine instead of a list. containers/common (Podman) writes the same format and adds
//! error names beside the numbers. A plain `linux.seccomp` object is a profile of this format that uses none of that.

use oci::runtime::{Action, Arch, Arg, Seccomp, SyscallRule};
use serde::Deserialize;

use crate::abi::{Abi, Machine};

/// Why a profile file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not JSON, or not of this form; the source has line and column.
    #[error("not a seccomp profile")]
    Json(#[source] serde_json::Error),
    /// Docker takes a profile without `defaultAction` as "no seccomp"; here that has to be said as `unconfined`.
    #[error("the profile has no defaultAction")]
    NoDefaultAction,
    /// Either says which architectures there are.
    #[error("the profile has both architectures and archMap")]
    TwoArchitectures,
    /// Either says which calls a rule is for.
    #[error("a rule has both name and names ({0})")]
    TwoNames(String),
    /// Should be two numbers: `"4.8"`.
    #[error("minKernel {0:?} is not a version such as \"4.8\"")]
    Kernel(String),
    /// An error name without the number beside it.
    #[error("{place} has errno {name:?} without errnoRet")]
    ErrnoName {
        /// The default action, or the names of the rule.
        place: String,
        /// As the profile has it.
        name: String,
    },
}

/// Reads a profile and resolves its conditions for this machine.
///
/// `capabilities` is the container's bounding set (`CAP_…`), `kernel` the first two numbers of the running kernel's
/// release.
pub fn from_json(json: &[u8], capabilities: &[impl AsRef<str>], kernel: (u32, u32)) -> Result<Seccomp, Error> {
    from_json_for(json, capabilities, kernel, Machine::NATIVE)
}

/// As [`from_json`], for a machine.
pub fn from_json_for(
    json: &[u8],
    capabilities: &[impl AsRef<str>],
    kernel: (u32, u32),
    machine: Machine,
) -> Result<Seccomp, Error> {
    let profile: Profile = serde_json::from_slice(json).map_err(Error::Json)?;
    let place = Place { has: &|name| capabilities.iter().any(|held| held.as_ref() == name), kernel, machine };
    profile.resolve(&place)
}

/// Where a profile is to be used.
struct Place<'a> {
    has: &'a dyn Fn(&str) -> bool,
    kernel: (u32, u32),
    machine: Machine,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    default_action: Option<Action>,
    default_errno_ret: Option<u32>,
    default_errno: Option<String>,
    architectures: Option<Vec<Arch>>,
    arch_map: Option<Vec<Family>>,
    flags: Option<Vec<String>>,
    listener_path: Option<String>,
    listener_metadata: Option<String>,
    syscalls: Option<Vec<Rule>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Family {
    architecture: Arch,
    sub_architectures: Option<Vec<Arch>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    /// The form of before 2017: one rule a call.
    name: Option<String>,
    names: Option<Vec<String>>,
    action: Action,
    errno_ret: Option<u32>,
    errno: Option<String>,
    args: Option<Vec<Arg>>,
    #[serde(default)]
    includes: Option<Condition>,
    #[serde(default)]
    excludes: Option<Condition>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    caps: Option<Vec<String>>,
    arches: Option<Vec<String>>,
    min_kernel: Option<String>,
}

impl Profile {
    fn resolve(self, place: &Place) -> Result<Seccomp, Error> {
        let mut architectures = self.architectures.unwrap_or_default();
        if let Some(map) = self.arch_map.filter(|map| !map.is_empty()) {
            if !architectures.is_empty() {
                return Err(Error::TwoArchitectures);
            }
            let own = |family: &Family| Abi::of(family.architecture) == Some(place.machine.abi());
            if let Some(family) = map.into_iter().find(own) {
                architectures.push(family.architecture);
                architectures.extend(family.sub_architectures.unwrap_or_default());
            }
        }
        let mut syscalls = Vec::new();
        for rule in self.syscalls.unwrap_or_default() {
            if rule.applies(place)? {
                syscalls.push(rule.resolve()?);
            }
        }
        Ok(Seccomp {
            default_action: self.default_action.ok_or(Error::NoDefaultAction)?,
            default_errno_ret: errno(self.default_errno_ret, self.default_errno, || "the default action".into())?,
            architectures,
            flags: self.flags,
            listener_path: self.listener_path,
            listener_metadata: self.listener_metadata,
            syscalls,
        })
    }
}

impl Rule {
    fn applies(&self, place: &Place) -> Result<bool, Error> {
        if let Some(condition) = &self.excludes
            && condition.any(place)?
        {
            return Ok(false);
        }
        self.includes.as_ref().map_or(Ok(true), |condition| condition.all(place))
    }

    fn resolve(self) -> Result<SyscallRule, Error> {
        let names = match (self.name.filter(|name| !name.is_empty()), self.names.unwrap_or_default()) {
            (None, names) => names,
            (Some(name), names) if names.is_empty() => vec![name],
            (Some(name), _) => return Err(Error::TwoNames(name)),
        };
        let errno_ret = errno(self.errno_ret, self.errno, || format!("the rule for {}", names.join(", ")))?;
        Ok(SyscallRule { names, action: self.action, errno_ret, args: self.args.unwrap_or_default() })
    }
}

impl Condition {
    /// How `excludes` is read: one listed capability, the machine, or the kernel is enough.
    fn any(&self, place: &Place) -> Result<bool, Error> {
        let caps = self.caps.iter().flatten().any(|name| (place.has)(name));
        let arches = self.arches.iter().flatten().any(|name| name == place.machine.go_name());
        Ok(caps || arches || self.kernel_reached(place)? == Some(true))
    }

    /// How `includes` is read: all of the capabilities, one of the machines, and the kernel.
    fn all(&self, place: &Place) -> Result<bool, Error> {
        let caps = self.caps.iter().flatten().all(|name| (place.has)(name));
        let arches = self.arches.as_deref().unwrap_or_default();
        let arch = arches.is_empty() || arches.iter().any(|name| name == place.machine.go_name());
        Ok(caps && arch && self.kernel_reached(place)? != Some(false))
    }

    fn kernel_reached(&self, place: &Place) -> Result<Option<bool>, Error> {
        let Some(text) = self.min_kernel.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
        let version =
            text.split_once('.').and_then(|(kernel, major)| Some((kernel.parse().ok()?, major.parse().ok()?)));
        let version: (u32, u32) = version.ok_or_else(|| Error::Kernel(text.into()))?;
        Ok(Some(place.kernel >= version))
    }
}

/// The number decides; a name is only allowed beside it, and only for people to read.
fn errno(number: Option<u32>, name: Option<String>, place: impl Fn() -> String) -> Result<Option<u32>, Error> {
    match (number, name.filter(|name| !name.is_empty())) {
        (None, Some(name)) => Err(Error::ErrnoName { place: place(), name }),
        (number, _) => Ok(number),
    }
}
