//! Dead letters as people read them.

use std::fmt::Write as _;

use contexter_event_bus::{DeadLetter, DeadMessage};

use crate::text::{below, one_line};

/// Where the values of rows begin.
const COLUMN: usize = 16;

/// One line for a list.
pub(crate) fn line(letter: &DeadLetter) -> String {
    let event = letter.event();
    let kind = event.map_or("(undecodable)", |event| event.event_type());
    let subject = event.and_then(|event| event.subject()).unwrap_or("-");
    one_line(&format!(
        "{}  {kind}  {subject}  group {}  {} attempts  {:?}  {}  {}",
        letter.id, letter.group, letter.attempts, letter.kind, letter.last_failed, letter.error
    ))
}

/// Everything about a letter.
pub(crate) fn full(letter: &DeadLetter) -> String {
    let mut text = String::new();
    // The names are ours; what comes from elsewhere is a value.
    let mut row = |name: &'static str, value: &str| {
        let value = below(value, COLUMN);
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<COLUMN$}{value}");
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
                let value = String::from_utf8_lossy(value);
                row("header", &format!("{name}: {value}"));
            }
            row("bytes", &raw.body.len().to_string());
            row("data", &String::from_utf8_lossy(&raw.body));
        }
        _ => row("message", "of a kind that this version does not know"),
    }
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn letter(message: &Value) -> DeadLetter {
        let letter = json!({
            "id": "7", "message": message, "subscription": "s", "group": "workers",
            "origin": null, "attempts": 3, "kind": "permanent", "error": "no\nid              9",
            "first_failed": "2026-11-23T10:00:00Z", "last_failed": "2026-11-23T10:00:00Z",
        });
        serde_json::from_value(letter).unwrap()
    }

    fn raw(headers: &[(&str, &str)], body: &str) -> DeadLetter {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| json!([name, value.as_bytes()]))
            .collect();
        letter(&json!({ "raw": { "headers": headers, "body": body.as_bytes() } }))
    }

    #[test]
    fn a_message_neither_steers_the_terminal_nor_forges_a_row() {
        let letter = raw(
            &[
                ("group", "admins"),
                ("", "nameless"),
                ("x\u{1b}]0;t\u{7}", "a\nid              9"),
            ],
            "first\nid              9\n\u{1b}[2J\r\u{9b}31mlast",
        );
        let shown = full(&letter);
        assert!(
            !shown.chars().any(|c| c != '\n' && c.is_control()),
            "{shown:?}"
        );
        let rows = |name: &str| {
            let rows = shown.lines().filter(|line| line.starts_with(name));
            rows.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(rows("id"), ["id              7"]);
        assert_eq!(rows("group"), ["group           workers"]);
        assert_eq!(
            rows("header"),
            [
                "header          group: admins",
                "header          : nameless",
                "header          x\\u{1b}]0;t\\u{7}: a",
            ]
        );
        assert!(
            shown.ends_with(
                "\ndata            first\n                id              9\n                \
                 \\u{1b}[2J\\r\\u{9b}31mlast"
            ),
            "{shown:?}"
        );
        assert_eq!(line(&letter).lines().count(), 1);
    }

    #[test]
    fn the_data_of_an_event_steers_nothing() {
        let event = json!({
            "specversion": "1.0", "id": "1", "source": "/s", "type": "a.b", "subject": "\u{202e}x",
            "data": { "text": "\u{9b}2J" },
        });
        let letter = letter(&json!({ "event": event }));
        let shown = full(&letter);
        assert!(shown.contains("\\u{9b}2J"), "{shown:?}");
        assert!(shown.contains("subject         \\u{202e}x"), "{shown:?}");
        assert!(line(&letter).contains("\\u{202e}x"));
    }
}
