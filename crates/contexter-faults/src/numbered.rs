//! The events: numbers, each with a key whose events are to stay in order.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use contexter_protocol::IntegrationEvent;
use serde_json::json;

/// The type of all of them.
pub(crate) const TYPE: &str = "numbered.event";
/// Their source.
pub(crate) const SOURCE: &str = "faults";
/// How many keys there are.
pub(crate) const KEYS: u64 = 64;
/// Some words, so that an event is about as long as those of a service.
const FILLING: &str =
    "the quick brown fox jumps over the lazy dog, and so do the other twelve foxes";

/// Returns the key of a number.
pub(crate) fn key_of(number: u64) -> u64 {
    number % KEYS
}

/// Makes the event of a number. Whoever makes it again makes the same one.
pub(crate) fn event(number: u64) -> Result<Arc<IntegrationEvent>> {
    let event = IntegrationEvent::builder(SOURCE, TYPE)
        .id(number.to_string())
        .partition_key(format!("key-{}", key_of(number)))
        .data(json!({ "number": number, "text": FILLING }))
        .build()?;
    Ok(Arc::new(event))
}

/// Reads the number of an event.
pub(crate) fn number_of(event: &IntegrationEvent) -> Result<u64> {
    event.id().parse().context("an event without a number")
}

/// What the control sends: the number and the same words.
pub(crate) fn plain(number: u64) -> Vec<u8> {
    json!({ "number": number, "text": FILLING })
        .to_string()
        .into_bytes()
}

/// Reads the number of what the control has sent.
pub(crate) fn plain_number(bytes: &[u8]) -> Option<u64> {
    let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    value.get("number")?.as_u64()
}

/// The numbers that one of `tasks` publishers has, in order: whole keys, so that nobody else
/// publishes events of the same key.
pub(crate) fn share(events: u64, task: u64, tasks: u64) -> impl Iterator<Item = u64> {
    (0..events).filter(move |number| key_of(*number) % tasks == task)
}
