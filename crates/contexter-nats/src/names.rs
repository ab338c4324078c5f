//! The names of subjects, streams and consumers.

use contexter_event_bus::{Pattern, TransportError};
use uuid::Uuid;

use crate::config::NatsConfig;
use crate::error::refused;

/// Consumers of subscriptions without a group.
const SOLO: &str = "solo-";

#[derive(Clone, Debug)]
pub(crate) struct Names {
    prefix: String,
    pub(crate) stream: String,
    pub(crate) dead_stream: String,
}

impl Names {
    pub(crate) fn new(config: &NatsConfig) -> Self {
        Self {
            prefix: config.subject_prefix.clone(),
            stream: config.stream.clone(),
            dead_stream: format!("{}-dead", config.stream),
        }
    }

    /// The subject of all events.
    pub(crate) fn all(&self) -> String {
        format!("{}.>", self.prefix)
    }

    /// Returns whether a filter lets all events through.
    pub(crate) fn is_all(&self, filter: &str) -> bool {
        filter.strip_prefix(&self.prefix) == Some(".>")
    }

    /// The subject of an event, or of the events that a pattern matches: both have the same rules
    /// as subjects.
    pub(crate) fn event(&self, event_type: &str) -> Result<String, TransportError> {
        if is_subject(event_type) {
            return Ok(format!("{}.{event_type}", self.prefix));
        }
        let shown: String = event_type.chars().take(80).collect();
        Err(refused(format!(
            "event type {shown:?} must be non-empty tokens separated by dots, without white space, \
             `*` and `>`, and at most {MAX_TYPE_BYTES} bytes"
        )))
    }

    pub(crate) fn filter(&self, pattern: &Pattern) -> String {
        format!("{}.{pattern}", self.prefix)
    }

    pub(crate) fn dead(&self) -> String {
        format!("{}-dead.letter", self.prefix)
    }

    pub(crate) fn dead_all(&self) -> String {
        format!("{}-dead.>", self.prefix)
    }

    pub(crate) fn request(&self, event_type: &str) -> Result<String, TransportError> {
        self.event(event_type)
            .map(|_checked| format!("{}-request.{event_type}", self.prefix))
    }

    pub(crate) fn requests(&self, pattern: &Pattern) -> String {
        format!("{}-request.{pattern}", self.prefix)
    }

    /// The name of the consumer of a group for a pattern: readable, and told apart by a hash of what
    /// a name may not hold.
    pub(crate) fn consumer(&self, group: Option<&str>, pattern: &Pattern) -> String {
        let Some(group) = group else {
            return format!("{SOLO}{}", Uuid::new_v4().simple());
        };
        let hash = Uuid::new_v5(
            &Uuid::NAMESPACE_OID,
            format!("{}\0{group}\0{pattern}", self.prefix).as_bytes(),
        );
        format!("{}-{}", token(group), hash.simple())
    }
}

/// The server takes control lines of 4,096 bytes.
const MAX_TYPE_BYTES: usize = 1_024;

fn is_subject(text: &str) -> bool {
    let forbidden = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '*' | '>');
    let is_token = |token: &str| !token.is_empty() && !token.contains(forbidden);
    text.len() <= MAX_TYPE_BYTES && text.split('.').all(is_token)
}

/// What a name, of a group for example, looks like within a subject.
fn token(name: &str) -> String {
    name.chars()
        .take(40)
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::new(&NatsConfig::default())
    }

    #[test]
    fn subjects_of_events_dead_letters_and_requests_do_not_overlap() {
        let names = names();
        assert_eq!(names.event("a.b").unwrap(), "contexter.a.b");
        assert_eq!(names.request("a.b").unwrap(), "contexter-request.a.b");
        assert_eq!(names.dead(), "contexter-dead.letter");
        for bad in ["", "a..b", "a b", "a.*", ">", "a.\n"] {
            assert!(names.event(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn consumers_are_told_apart_by_group_and_pattern() {
        let names = names();
        let pattern = |text: &str| text.parse::<Pattern>().unwrap();
        let one = names.consumer(Some("a.b c"), &pattern("x.>"));
        assert!(one.starts_with("a_b_c-"), "{one}");
        assert_eq!(one, names.consumer(Some("a.b c"), &pattern("x.>")));
        assert_ne!(one, names.consumer(Some("a_b_c"), &pattern("x.>")));
        assert_ne!(one, names.consumer(Some("a.b c"), &pattern("x.*")));
        assert_ne!(
            names.consumer(None, &pattern(">")),
            names.consumer(None, &pattern(">"))
        );
    }
}
