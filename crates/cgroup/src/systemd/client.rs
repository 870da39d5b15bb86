//! systemd's own methods, as far as a container needs them (org.freedesktop.systemd1(5)).

use super::unit::Bus;
use crate::{Error, Result};
use dbus::{Address, Call, Connection, Value};
use std::cell::Cell;
use std::fmt::Write as _;
use std::time::Duration;

const NAME: &str = "org.freedesktop.systemd1";
const OBJECT: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
/// systemd's own socket, on which there is no bus between us and which is there when the bus is not.
const PRIVATE: &str = "/run/systemd/private";
const SYSTEM_BUS: &str = "/run/dbus/system_bus_socket";

/// A unit's property.
pub(super) type Property = (&'static str, Value);

/// A connection to a systemd.
pub(super) struct Client {
    connection: Connection,
    version: Cell<Option<u32>>,
}

impl Client {
    /// Connects. All that is asked over it must be answered within `limit`.
    pub fn open(bus: &Bus, limit: Duration) -> Result<Self> {
        let connection = match bus {
            Bus::System => Connection::peer(&Address::path(PRIVATE), limit)
                .or_else(|error| or_bus(error, &[Address::path(SYSTEM_BUS)], limit)),
            Bus::User { runtime, address } => {
                let mut buses = match address {
                    Some(address) => Address::parse_list(address).map_err(ask)?,
                    None => Vec::new(),
                };
                buses.extend(runtime.iter().map(|runtime| Address::path(format!("{runtime}/bus"))));
                let private = runtime.as_ref().map(|runtime| Address::path(format!("{runtime}/systemd/private")));
                match private.map(|private| Connection::peer(&private, limit)) {
                    Some(Err(error)) => or_bus(error, &buses, limit),
                    Some(connection) => connection,
                    None if buses.is_empty() => return Err(Error::NoUserBus),
                    None => first(&buses, limit),
                }
            }
        };
        Ok(Self { connection: connection.map_err(ask)?, version: Cell::default() })
    }

    fn call(&mut self, member: &'static str, body: Vec<Value>) -> dbus::Result<Vec<Value>> {
        self.connection.call(&Call { destination: NAME, path: OBJECT, interface: MANAGER, member, body })
    }

    fn property(&mut self, path: &str, interface: &str, name: &str) -> Result<Value> {
        let body = vec![interface.into(), name.into()];
        let interface = "org.freedesktop.DBus.Properties";
        let values = self.connection.call(&Call { destination: NAME, path, interface, member: "Get", body });
        match values.map_err(ask)?.pop() {
            Some(Value::Variant(value)) => Ok(*value),
            _ => Err(ask(dbus::Error::Protocol("a property has no value"))),
        }
    }

    fn text(&mut self, path: &str, interface: &str, name: &str) -> Result<String> {
        let value = self.property(path, interface, name)?;
        value.as_str().map(str::to_owned).ok_or_else(|| ask(dbus::Error::Protocol("a property is no text")))
    }

    /// What a unit has for these properties now, to be set again. An empty list clears, and says so again.
    pub fn values(&mut self, unit: &str, properties: &[Property]) -> Result<Vec<Property>> {
        let kind = unit.strip_suffix(".slice").map_or("Scope", |_| "Slice");
        let interface = format!("{NAME}.{kind}");
        let mut now = |(name, value): &Property| match value {
            Value::Array(_, entries) if entries.is_empty() => Ok((*name, value.clone())),
            _ => self.property(&object(unit), &interface, name).map(|value| (*name, value)),
        };
        properties.iter().map(&mut now).collect()
    }

    /// systemd's version, asked for once.
    pub fn version(&mut self) -> Result<u32> {
        if let Some(version) = self.version.get() {
            return Ok(version);
        }
        let version = number(&self.text(OBJECT, MANAGER, "Version")?);
        self.version.set(Some(version));
        Ok(version)
    }

    /// Makes a unit, and returns when it is there. One that failed and has the same name is forgotten.
    pub fn start(&mut self, unit: &str, properties: &[Property]) -> Result<()> {
        self.watch_jobs()?;
        let extra = Value::Array("(sa(sv))".to_owned(), Vec::new());
        let body = vec![unit.into(), "replace".into(), list(properties), extra];
        let mut answer = self.call("StartTransientUnit", body.clone());
        if answer.as_ref().is_err_and(exists) {
            let _ = self.call("ResetFailedUnit", vec![unit.into()]);
            answer = self.call("StartTransientUnit", body);
        }
        let answer = match answer {
            Err(error) if exists(&error) => return Err(Error::UnitExists { unit: unit.to_owned() }),
            other => other.map_err(ask)?,
        };
        let result = self.job(&answer)?;
        if result != "done" {
            let _ = self.call("ResetFailedUnit", vec![unit.into()]);
            return Err(Error::Job { unit: unit.to_owned(), result });
        }
        Ok(())
    }

    /// Ends a unit and forgets it. One that has gone is fine.
    pub fn stop(&mut self, unit: &str) -> Result<()> {
        self.watch_jobs()?;
        let stopped = match self.call("StopUnit", vec![unit.into(), "replace".into()]) {
            Err(error) if gone(&error) => return Ok(()),
            Err(error) => Err(ask(error)),
            Ok(answer) => self.job(&answer).map(drop),
        };
        // One that failed is kept for people to look at, until it is forgotten.
        match self.call("ResetFailedUnit", vec![unit.into()]) {
            Err(error) if !gone(&error) => stopped.and(Err(ask(error))),
            _ => stopped,
        }
    }

    /// Changes a unit's properties, until the next boot.
    pub fn set(&mut self, unit: &str, properties: &[Property]) -> Result<()> {
        let body = vec![unit.into(), true.into(), list(properties)];
        self.call("SetUnitProperties", body).map(drop).map_err(ask)
    }

    /// Moves processes into a unit, or into a cgroup below it.
    pub fn attach(&mut self, unit: &str, below: &str, pids: &[u32]) -> Result<()> {
        let pids = Value::Array("u".to_owned(), pids.iter().copied().map(Value::Uint32).collect());
        self.call("AttachProcessesToUnit", vec![unit.into(), below.into(), pids]).map(drop).map_err(ask)
    }

    /// The cgroup of a slice, from the root of the hierarchy on.
    pub fn slice_cgroup(&mut self, unit: &str) -> Result<String> {
        self.text(&object(unit), "org.freedesktop.systemd1.Slice", "ControlGroup")
    }

    fn watch_jobs(&mut self) -> Result<()> {
        self.connection.watch(NAME, MANAGER, "JobRemoved").map_err(ask)?;
        if !self.connection.is_peer() {
            let call =
                Call { destination: NAME, path: OBJECT, interface: MANAGER, member: "Subscribe", body: Vec::new() };
            self.connection.tell(&call).map_err(ask)?;
        }
        Ok(())
    }

    /// Waits for a job to be over; tells how it ended.
    fn job(&mut self, answer: &[Value]) -> Result<String> {
        let Some(Value::Path(job)) = answer.first() else {
            return Err(ask(dbus::Error::Protocol("an answer names no job")));
        };
        let of_job = |message: &dbus::Message| matches!(message.body.get(1), Some(Value::Path(path)) if path == job);
        let removed = self.connection.signal("the job of the unit", of_job).map_err(ask)?;
        Ok(removed.body.get(3).and_then(Value::as_str).unwrap_or_default().to_owned())
    }
}

/// The first of some buses that answers; where there is no other way, why the first way was closed.
fn or_bus(error: dbus::Error, buses: &[Address], limit: Duration) -> dbus::Result<Connection> {
    match error {
        // What hangs, hangs on the bus too.
        dbus::Error::Timeout { .. } => Err(error),
        _ if buses.is_empty() => Err(error),
        _ => first(buses, limit),
    }
}

fn first(buses: &[Address], limit: Duration) -> dbus::Result<Connection> {
    let mut result = Err(dbus::Error::Closed);
    for address in buses {
        result = Connection::bus(address, limit);
        if result.is_ok() {
            break;
        }
    }
    result
}

fn list(properties: &[Property]) -> Value {
    let pair = |(name, value): &Property| Value::Struct(vec![(*name).into(), Value::Variant(Box::new(value.clone()))]);
    Value::Array("(sv)".to_owned(), properties.iter().map(pair).collect())
}

fn exists(error: &dbus::Error) -> bool {
    error.is("org.freedesktop.systemd1.UnitExists")
}

fn gone(error: &dbus::Error) -> bool {
    error.is("org.freedesktop.systemd1.NoSuchUnit")
}

fn ask(source: dbus::Error) -> Error {
    Error::Systemd(Box::new(source))
}

/// `252.39-1~deb12u2`, `v245`: the first number.
fn number(version: &str) -> u32 {
    let digits = version.trim_start_matches(|c: char| !c.is_ascii_digit());
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().unwrap_or(0)
}

/// A unit's object: its name with all but letters and digits as `_` and two hexadecimal digits (sd_bus_path_encode(3)).
fn object(unit: &str) -> String {
    let mut path = format!("{OBJECT}/unit/");
    for (at, byte) in unit.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || at > 0 && byte.is_ascii_digit() {
            path.push(char::from(byte));
        } else {
            let _ = write!(path, "_{byte:02x}");
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_distributions_write_them() {
        assert_eq!(["252.39-1~deb12u2", "v245.4-1.fc32", "245", "v261~rc1", ""].map(number), [252, 245, 245, 261, 0]);
    }

    #[test]
    fn objects_are_named_as_systemd_names_them() {
        // As `busctl tree org.freedesktop.systemd1` shows them.
        assert_eq!(object("-.slice"), "/org/freedesktop/systemd1/unit/_2d_2eslice");
        assert_eq!(object("system.slice"), "/org/freedesktop/systemd1/unit/system_2eslice");
    }
}
