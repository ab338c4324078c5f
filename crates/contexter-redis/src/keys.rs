//! The names of what a bus keeps at the server.

use contexter_event_bus::{Pattern, Start};
use uuid::Uuid;

/// The keys of one bus. The braces keep all of them in one slot of a cluster, as scripts need it.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    prefix: String,
    /// The stream of all events.
    pub(crate) events: String,
    /// The stream of dead letters.
    pub(crate) dead: String,
    /// Who answers requests, by how long that is known to hold.
    pub(crate) responders: String,
}

impl Keys {
    pub(crate) fn new(name: &str) -> Self {
        let prefix = format!("{{{name}}}:");
        Self {
            events: format!("{prefix}events"),
            dead: format!("{prefix}dead"),
            responders: format!("{prefix}responders"),
            prefix,
        }
    }

    /// What a group of the stream has given back, by when it is due.
    pub(crate) fn delayed(&self, group: &str) -> String {
        format!("{}delayed:{group}", self.prefix)
    }

    /// The beginning of [`delayed`](Self::delayed).
    pub(crate) fn delayed_prefix(&self) -> String {
        self.delayed("")
    }

    /// The sign of life of a subscription without a group.
    pub(crate) fn alive(&self, group: &str) -> String {
        format!("{}alive:{group}", self.prefix)
    }

    /// The beginning of [`alive`](Self::alive).
    pub(crate) fn alive_prefix(&self) -> String {
        self.alive("")
    }

    /// What is known of an event that a group has handled or is handling.
    pub(crate) fn handled(&self, event: &str) -> String {
        format!("{}handled:{event}", self.prefix)
    }

    /// The requests that wait for the responders of a group.
    pub(crate) fn requests(&self, group: &str) -> String {
        format!("{}requests:{group}", self.prefix)
    }

    /// The replies to one process.
    pub(crate) fn replies(&self, asker: &str) -> String {
        format!("{}replies:{asker}", self.prefix)
    }

    /// Returns whether a key is one for replies, so that a forged request cannot name another.
    pub(crate) fn is_replies(&self, key: &str) -> bool {
        key.strip_prefix(&self.replies(""))
            .is_some_and(|asker| Uuid::try_parse(asker).is_ok())
    }
}

/// With this begins the name of a group that belongs to one consumer alone.
pub(crate) const SOLO: &str = "solo:";

/// Returns the name of a group of the stream.
///
/// Members of one group with different patterns must not take each other's events, so the pattern
/// is part of the name: what comes after the last colon. Where it has one itself, the length of the
/// group tells them apart.
pub(crate) fn group_name(group: Option<&str>, pattern: &Pattern) -> String {
    match group {
        Some(group) if pattern.as_str().contains(':') => {
            format!("groups:{}:{group}:{pattern}", group.len())
        }
        Some(group) => format!("group:{group}:{pattern}"),
        None => format!("{SOLO}{}", Uuid::now_v7()),
    }
}

/// Returns a name that no other consumer has, in this process or another.
pub(crate) fn consumer_name() -> String {
    format!("{}-{}", std::process::id(), Uuid::now_v7())
}

/// Returns the entry after which a new group begins.
pub(crate) fn start_id(start: Start) -> String {
    match start {
        Start::Earliest => "0-0".to_owned(),
        Start::At(time) => match u64::try_from(time.as_millisecond()) {
            Ok(millis @ 1..) => format!("{}-{}", millis - 1, u64::MAX),
            _ => "0-0".to_owned(),
        },
        // What the future adds begins with what is new.
        _ => "$".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_groups_have_one_name() {
        let name = |group: &str, pattern: &str| group_name(Some(group), &pattern.parse().unwrap());
        assert_eq!(name("g", "order.*"), "group:g:order.*");
        // Stored under this name before.
        assert_eq!(name("team:g", "order.*"), "group:team:g:order.*");
        let names = [
            name("a:b", "c"),
            name("a", "b:c"),
            name("1:a:b", "c"),
            name("a:b", "c:d"),
            name("a", "b:c:d"),
            name("a:b:c", "d"),
        ];
        let different: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(different.len(), names.len(), "{names:?}");
    }
}
