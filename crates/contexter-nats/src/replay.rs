//! Reading stored events again.

use std::ops::ControlFlow;
use std::time::Duration;

use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::stream::Info;
use contexter_event_bus::{EventFilter, Gap, History, TransportError};

use crate::message::{decode, redrive_group};
use crate::source::from_time;
use crate::transport::Inner;

/// How much later than it was stored an event may say that it happened. Reading by time begins so
/// much earlier.
const SKEW: Duration = Duration::from_hours(1);

impl Inner {
    pub(crate) async fn history(&self, filter: &EventFilter) -> Result<History, TransportError> {
        let stream = &self.names.stream;
        let subject = format!("STREAM.INFO.{stream}");
        let info: Info = self.link.ask(&subject, &(), self.link.deadline()).await?;
        let state = &info.state;
        // The place of another store says nothing about this one: everything is after it.
        let after = filter
            .wanted_after()
            .map(|place| place.parse::<u64>().unwrap_or_default());
        let from = match (after, filter.wanted_since()) {
            (Some(after), _) => DeliverPolicy::ByStartSequence {
                start_sequence: after.saturating_add(1),
            },
            (None, Some(since)) => match since.checked_sub(SKEW) {
                Ok(early) => from_time(early)?,
                Err(_before_all_time) => DeliverPolicy::All,
            },
            (None, None) => DeliverPolicy::All,
        };
        let evicted = state.first_sequence.saturating_sub(1);
        let oldest = (state.messages > 0).then(|| state.first_sequence.to_string());
        let gap = if let Some(after) = after {
            let missing = evicted.saturating_sub(after);
            (missing > 0).then(|| Gap::new(Some(missing), oldest))
        } else {
            let reaches = filter.wanted_since().is_none_or(|since| {
                state.messages > 0
                    && state.first_timestamp.unix_timestamp_nanos() <= since.as_nanosecond()
            });
            (evicted > 0 && !reaches).then(|| Gap::new(None, oldest))
        };
        let mut events = Vec::new();
        let mut last = None;
        let mut undecodable = 0;
        let limit = filter.wanted_limit();
        if limit > 0 {
            let subject = match filter.wanted_pattern() {
                Some(pattern) => self.names.filter(pattern),
                None => self.names.all(),
            };
            self.read(stream, subject, from, |sequence, message| {
                last = Some(sequence);
                let Some(message) = message else {
                    undecodable += 1;
                    return ControlFlow::Continue(());
                };
                // The second coming of a dead letter is no event of its own.
                if redrive_group(&message).is_none() {
                    match decode(message).event {
                        Ok(event) if filter.wants(&event) => events.push(event),
                        Ok(_unwanted) => {}
                        Err(_undecodable) => undecodable += 1,
                    }
                }
                if events.len() >= limit {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            })
            .await?;
        }
        let last = last.map(|sequence| sequence.to_string());
        Ok(History::new(events)
            .with_gap(gap)
            .with_last(last.or_else(|| filter.wanted_after().map(str::to_owned)))
            .with_counts(evicted, undecodable))
    }
}
