//! Requests and replies, over lists.
//!
//! The responders of one group share a list of requests, and each asking process has a list of
//! replies. Both live only as long as something waits in them. Who answers what is in a sorted set,
//! scored by the time until which that holds: so a request that nobody answers fails at once.

mod ask;
mod respond;

use std::time::Duration;

use redis::{Cmd, Value};

pub(crate) use ask::Asker;
pub(crate) use respond::RedisResponder;

use crate::entry::{bytes, list};

/// How long a responder is taken to be there after its last sign of life.
const PRESENCE: Duration = Duration::from_secs(5);

/// How long a reply waits for its asker, whose connection may be broken.
const REPLY_WAITS: Duration = Duration::from_mins(1);

/// Waits for items of a list, and takes up to `many` of them.
fn take(key: &str, many: usize, wait: Duration) -> Cmd {
    let mut cmd = redis::cmd("BLMPOP");
    cmd.arg(wait.as_secs_f64().max(0.001))
        .arg(1)
        .arg(key)
        .arg("LEFT")
        .arg("COUNT")
        .arg(many.max(1));
    cmd
}

/// Reads what was taken.
fn taken(answer: Value) -> Vec<Vec<u8>> {
    let items = list(answer).and_then(|parts| parts.into_iter().nth(1).and_then(list));
    let items = items.unwrap_or_default();
    items.into_iter().filter_map(bytes).collect()
}

/// Splits off the first line.
fn first_line(item: &[u8]) -> Option<(&str, &[u8])> {
    let end = item.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = item.split_at_checked(end)?;
    Some((std::str::from_utf8(line).ok()?, rest.get(1..)?))
}

/// Who answers which requests, as it is stored.
struct Presence {
    responder: String,
    pattern: String,
    group: String,
}

impl Presence {
    fn encode(&self) -> String {
        // The group last: only its name may hold anything.
        format!("{}\n{}\n{}", self.responder, self.pattern, self.group)
    }

    fn decode(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '\n').map(str::to_owned);
        Some(Self {
            responder: parts.next()?,
            pattern: parts.next()?,
            group: parts.next()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_off_one_by_one() {
        let (first, rest) = first_line(b"12\nkey 7\n{}\n").unwrap();
        assert_eq!(first, "12");
        assert_eq!(first_line(rest).unwrap(), ("key 7", &b"{}\n"[..]));
        assert!(first_line(b"no end").is_none());
    }

    #[test]
    fn a_presence_comes_back_as_it_was() {
        let presence = Presence {
            responder: "1".to_owned(),
            pattern: "a.*".to_owned(),
            group: "group:b\nc".to_owned(),
        };
        let again = Presence::decode(&presence.encode()).unwrap();
        assert_eq!(again.group, presence.group);
        assert_eq!(again.pattern, presence.pattern);
        assert!(Presence::decode("1\n2").is_none());
    }
}
