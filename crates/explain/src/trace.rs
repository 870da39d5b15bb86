//! The steps of a start as a trace that <https://ui.perfetto.dev> and chrome://tracing open: the Trace Event Format, in
//! which times are in microseconds.

use engine::explanation::{Call, Explanation, Step};
use serde_json::{Value, json};

/// Two rows, of the engine and of what it does inside; in each the steps, and below them their calls.
pub fn trace(explanation: &Explanation) -> String {
    let named =
        |row: u32, name: &str| json!({"ph": "M", "name": "thread_name", "pid": 1, "tid": row, "args": {"name": name}});
    let mut events = vec![
        json!({"ph": "M", "name": "process_name", "pid": 1, "args": {"name": "the start of a container"}}),
        named(ENGINE, "engine"),
        named(INSIDE, "inside"),
    ];
    for step in explanation.steps.iter().filter(|step| !step.calls.is_empty()) {
        events.push(slice(step));
        events.extend(step.calls.iter().map(|call| below(call, step.inside)));
    }
    format!("{}\n", json!({"displayTimeUnit": "ns", "traceEvents": events}))
}

const ENGINE: u32 = 1;
const INSIDE: u32 = 2;

fn row(inside: bool) -> u32 {
    if inside { INSIDE } else { ENGINE }
}

fn micros(nanoseconds: u64) -> f64 {
    std::time::Duration::from_nanos(nanoseconds).as_secs_f64() * 1e6
}

fn slice(step: &Step) -> Value {
    json!({
        "ph": "X", "pid": 1, "tid": row(step.inside),
        "name": step.intent,
        "cat": step.heading.map_or("prepares", runtime::Heading::title),
        "ts": micros(step.start), "dur": micros(step.duration),
        "args": {"effect": step.effect, "asked for by": step.origin.as_ref().map(ToString::to_string)},
    })
}

fn below(call: &Call, inside: bool) -> Value {
    json!({
        "ph": "X", "pid": 1, "tid": row(inside),
        "name": call.name(), "cat": "system call",
        "ts": micros(call.start), "dur": micros(call.duration),
        "args": {"call": crate::call(call), "result": call.result, "error": call.error().map(|error| error.to_string())},
    })
}
