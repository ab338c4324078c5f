//! Dead letters as people read them.

use std::fmt::Write as _;

use contexter_event_bus::{DeadLetter, DeadMessage};

/// One line for a list.
pub(crate) fn line(letter: &DeadLetter) -> String {
    let event = letter.event();
    let kind = event.map_or("(undecodable)", |event| event.event_type());
    let subject = event.and_then(|event| event.subject()).unwrap_or("-");
    format!(
        "{}  {kind}  {subject}  group {}  {} attempts  {:?}  {}  {}",
        letter.id, letter.group, letter.attempts, letter.kind, letter.last_failed, letter.error
    )
}

/// Everything about a letter.
pub(crate) fn full(letter: &DeadLetter) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: &str| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<16}{value}");
    };
    row("id", letter.id.as_str());
    row("subscription", &letter.subscription);
    row("group", &letter.group);
    row("origin", letter.origin.as_deref().unwrap_or("-"));
    row("attempts", &letter.attempts.to_string());
    row("failure", &format!("{:?}", letter.kind));
    row("error", &letter.error);
    row("first failed", &letter.first_failed.to_string());
    row("last failed", &letter.last_failed.to_string());
    match &letter.message {
        DeadMessage::Event(event) => {
            row("event id", event.id());
            row("event type", event.event_type());
            row("source", event.source());
            let time = event.time().map(|time| time.to_string());
            for (name, value) in [
                ("subject", event.subject()),
                ("time", time.as_deref()),
                ("key", event.partition_key()),
                ("correlation", event.correlation_id()),
                ("causation", event.causation_id()),
                ("data ref", event.data_ref()),
                ("trace parent", event.trace_parent()),
            ] {
                row(name, value.unwrap_or("-"));
            }
            let data = serde_json::to_string_pretty(event.data()).unwrap_or_default();
            row("data", &data);
        }
        DeadMessage::Raw(raw) => {
            for (name, value) in &raw.headers {
                row(name, &String::from_utf8_lossy(value));
            }
            row("bytes", &raw.body.len().to_string());
            row("data", &String::from_utf8_lossy(&raw.body));
        }
        _ => row("message", "of a kind that this version does not know"),
    }
    text.truncate(text.trim_end().len());
    text
}
