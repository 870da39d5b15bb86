//! What the flags of `run` do with their words, where that is more than to keep one.

use super::given::{Given, MountWord, SdNotify, Stream};
use engine::config::{CapabilityChange, NetworkMode, OnFailure};
use engine::flags::{self, Invalid};
use flag::push_word;

pub fn stream(given: &mut Given, word: &str) -> Result<(), Invalid> {
    given.attach.push(match word.to_ascii_lowercase().as_str() {
        "stdin" => Stream::Input,
        "stdout" => Stream::Output,
        "stderr" => Stream::Error,
        _ => return Err(Invalid::new(word, "not a stream").hint("stdin, stdout or stderr")),
    });
    Ok(())
}

pub fn sdnotify(given: &mut Given, word: &str) -> Result<(), Invalid> {
    given.sdnotify = Some(match word {
        "ignore" => SdNotify::Ignore,
        "conmon" => SdNotify::Conmon,
        "container" => SdNotify::Container,
        _ => return Err(Invalid::new(word, "nobody who could say it").hint("ignore, conmon or container")),
    });
    Ok(())
}

pub fn io_weight(given: &mut Given, word: &str) -> Result<(), Invalid> {
    given.block_io.weight = flags::io_weight(word)?;
    Ok(())
}

/// Keeps what a function of `engine::flags` reads.
pub fn keep<V>(slot: &mut Option<V>, value: Result<V, Invalid>) -> Result<(), Invalid> {
    *slot = Some(value?);
    Ok(())
}

/// Adds what a function of `engine::flags` reads.
pub fn add<V>(list: &mut Vec<V>, value: Result<V, Invalid>) -> Result<(), Invalid> {
    list.push(value?);
    Ok(())
}

/// Reads capabilities to find mistakes, and keeps the words: several flags make one set.
pub fn capability(list: &mut Vec<String>, word: &str) -> Result<(), Invalid> {
    let _: CapabilityChange = flags::capabilities([word])?;
    push_word(list, word)
}

#[allow(clippy::unnecessary_wraps, reason = "the shape of a setter")]
pub fn mount(given: &mut Given, word: MountWord) -> Result<(), Invalid> {
    given.mounts.push(word);
    Ok(())
}

/// A text for the container's shell, or the very words as JSON; `none` for no checks at all.
pub fn health_command(health: &mut engine::config::Health, word: &str) -> Result<(), Invalid> {
    if word == "none" {
        health.off = true;
        return Ok(());
    }
    health.command = Some(if word.starts_with('[') {
        let wrong = |error: serde_json::Error| Invalid::new(word, error.to_string()).hint("[\"WORD\", ...]");
        serde_json::from_str(word).map_err(wrong)?
    } else {
        engine::health::shell(word)
    });
    Ok(())
}

/// A mode stands alone; networks add up.
pub fn network(given: &mut Given, word: &str) -> Result<(), Invalid> {
    match (&mut given.network, word.parse()?) {
        (Some(NetworkMode::Networks(all)), NetworkMode::Networks(more)) => all.extend(more),
        (Some(_), _) => return Err(Invalid::new(word, "stands beside another mode, and only networks add up")),
        (none, mode) => *none = Some(mode),
    }
    Ok(())
}

pub fn health_action(health: &mut engine::config::Health, word: &str) -> Result<(), Invalid> {
    health.on_failure = Some(match word {
        "none" => OnFailure::None,
        "kill" => OnFailure::Kill,
        "restart" => OnFailure::Restart,
        "stop" => OnFailure::Stop,
        _ => return Err(Invalid::new(word, "no such action").hint("none, kill, restart or stop")),
    });
    Ok(())
}
