//! Reading stored events again.

use std::time::Duration;

use contexter_event_bus::transport::REDRIVE_GROUP;
use contexter_event_bus::{EventFilter, Gap, History, TransportError};
use redis::Value;

use crate::entry::{EntryId, Message, Wanted, bytes, entries, entry_id, list, number, wanted};
use crate::transport::Inner;

/// How many entries are read at once.
const PAGE: usize = 500;

/// How much later than it was stored an event may say that it happened. Reading by time begins so
/// much earlier.
const SKEW: Duration = Duration::from_hours(1);

/// What the server says about a stream.
#[derive(Default)]
struct Facts {
    length: u64,
    added: u64,
    oldest: Option<EntryId>,
}

impl Inner {
    pub(crate) async fn history(&self, filter: &EventFilter) -> Result<History, TransportError> {
        let facts = self.facts().await?;
        let evicted = facts.added.saturating_sub(facts.length);
        // The place of another store says nothing about this one: everything is after it.
        let after = filter
            .wanted_after()
            .map(|place| place.parse::<EntryId>().unwrap_or_default());
        let mut from = match (after, filter.wanted_since()) {
            (Some(after), _) => format!("({after}"),
            (None, Some(since)) => {
                let early = since
                    .as_millisecond()
                    .saturating_sub(i64::try_from(SKEW.as_millis()).unwrap_or_default());
                EntryId::at(u64::try_from(early).unwrap_or_default()).to_string()
            }
            (None, None) => "-".to_owned(),
        };
        let mut events = Vec::new();
        let mut last = None;
        let mut undecodable = 0;
        'pages: while events.len() < filter.wanted_limit() {
            let mut cmd = redis::cmd("XRANGE");
            cmd.arg(&self.keys.events).arg(&from).arg("+");
            cmd.arg("COUNT").arg(PAGE);
            let page = entries(self.main.ask_until(&cmd, self.main.deadline()).await?);
            let full = page.len() >= PAGE;
            for entry in page {
                if events.len() >= filter.wanted_limit() {
                    break 'pages;
                }
                last = Some(entry.id);
                // The second coming of a dead letter is no event of its own.
                let again = |(name, _): &(Vec<u8>, Vec<u8>)| name == REDRIVE_GROUP.as_bytes();
                if entry.fields.iter().any(again) {
                    continue;
                }
                let other = |pattern| wanted(&entry.fields, pattern) == Wanted::No;
                if filter.wanted_pattern().is_some_and(other) {
                    continue;
                }
                match Message::read(entry.fields).event {
                    Ok(event) if filter.wants(&event) => events.push(event),
                    Ok(_unwanted) => {}
                    Err(_undecodable) => undecodable += 1,
                }
            }
            match last {
                Some(last) if full => from = format!("({last}"),
                _ => break,
            }
        }
        let gap = gap(after, filter, &facts, evicted);
        let last = last.map(|id| id.to_string());
        Ok(History::new(events)
            .with_gap(gap)
            .with_last(last.or_else(|| filter.wanted_after().map(str::to_owned)))
            .with_counts(evicted, undecodable))
    }

    async fn facts(&self) -> Result<Facts, TransportError> {
        let mut cmd = redis::cmd("XINFO");
        cmd.arg("STREAM").arg(&self.keys.events);
        let answer = match self.main.ask_until(&cmd, self.main.deadline()).await {
            Ok(answer) => answer,
            // Nothing was ever published.
            Err(error) if error.to_string().contains("no such key") => return Ok(Facts::default()),
            Err(error) => return Err(error),
        };
        let mut facts = Facts::default();
        let mut values = list(answer).unwrap_or_default().into_iter();
        while let (Some(name), Some(value)) = (values.next(), values.next()) {
            match bytes(name).as_deref() {
                Some(b"length") => facts.length = number(&value).unwrap_or_default(),
                Some(b"entries-added") => facts.added = number(&value).unwrap_or_default(),
                Some(b"first-entry") => facts.oldest = first_id(value),
                _ => {}
            }
        }
        Ok(facts)
    }
}

fn first_id(entry: Value) -> Option<EntryId> {
    entry_id(list(entry)?.first()?)
}

/// Says what is missing between what was asked for and the oldest entry.
fn gap(after: Option<EntryId>, filter: &EventFilter, facts: &Facts, evicted: u64) -> Option<Gap> {
    if evicted == 0 {
        return None;
    }
    let oldest = facts.oldest.map(|id| id.to_string());
    if let Some(after) = after {
        // Whether anything was between this place and the oldest entry, the server cannot tell.
        let reaches = facts.oldest.is_some_and(|oldest| oldest <= after);
        let missing = (after == EntryId::default()).then_some(evicted);
        return (!reaches).then(|| Gap::new(missing, oldest));
    }
    let since = u64::try_from(filter.wanted_since()?.as_millisecond()).unwrap_or_default();
    let reaches = facts.oldest.is_some_and(|oldest| oldest.millis <= since);
    (!reaches).then(|| Gap::new(None, oldest))
}
