//! The steps of a start as JSON, for programs.

use engine::explanation::{Call, Explanation, Step};
use serde_json::{Value, json};

/// One object: `version` of this shape, `duration` of the whole, and the `steps`, each with its `heading` (`null` for what
/// prepares), `intent`, `effect`, `origin` (the flag, `default` or `image` that asked for it, or `null`), `start`, `duration` and
/// `calls`. Times are in nanoseconds since the first call. A call that failed has an `error`.
pub fn json(explanation: &Explanation) -> String {
    let steps: Vec<Value> = explanation.steps.iter().map(step).collect();
    let whole = json!({"version": 1, "duration": explanation.duration(), "steps": steps});
    format!("{whole:#}\n")
}

fn step(step: &Step) -> Value {
    json!({
        "heading": step.heading.map(runtime::Heading::title),
        "intent": step.intent,
        "effect": step.effect,
        "origin": step.origin.as_ref().map(ToString::to_string),
        "start": step.start,
        "duration": step.duration,
        "calls": step.calls.iter().map(|call| of(call, step.side())).collect::<Vec<_>>(),
    })
}

fn of(call: &Call, side: &str) -> Value {
    json!({
        "name": call.name(),
        "call": crate::call(call),
        "result": call.result,
        "error": call.error().map(|error| error.to_string()),
        "start": call.start,
        "duration": call.duration,
        "side": side,
    })
}
