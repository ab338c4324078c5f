//! What was trimmed before the group had read it.
//!
//! The server knows how many entries were ever added, and how many of them the group has passed; how
//! many are gone follows from that, and a look counts what is gone and was not passed, once for all
//! members. But when the group reads on, it has passed the gap as if it had read it. So there is a
//! look now and then, and one just before each read while the group may be overtaken before the next
//! one: when it is so far behind that the stream may come to its limit meanwhile.

use std::sync::atomic::Ordering;
use std::time::Duration;

use contexter_event_bus::TransportError;
use redis::{Cmd, RedisError, Value};
use tokio::join;
use tokio::time::Instant;

use super::Consumer;
use crate::entry::{entry_id, list};
use crate::link::Live;
use crate::scripts::{self, eval};

/// The longest time between looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// More events than any server stores between two looks.
const HEADROOM: u64 = 100_000;

impl Consumer {
    /// How long after a look the next one is due.
    pub(super) fn look_every(&self) -> Duration {
        let age = self.inner.config.max_age.unwrap_or(Duration::MAX);
        LOOK_EVERY.min(age / 4)
    }

    /// Counts what the group has missed by now.
    pub(super) async fn look_for_missed(&self, deadline: Instant) -> Result<(), TransportError> {
        let answer = self.inner.main.ask(self.missed(), deadline).await?;
        self.note_missed(answer);
        Ok(())
    }

    /// Reads, after a look if the group may be overtaken. They go together, so that nothing is
    /// trimmed between them.
    pub(super) async fn read_knowing(
        &self,
        live: &mut Live,
        read: &Cmd,
    ) -> Result<Value, RedisError> {
        if !self.at_risk.load(Ordering::Relaxed) {
            return self.link.ask_on(live, read).await;
        }
        let (mut same, look) = (live.clone(), self.missed());
        let (looked, answer) = join!(
            self.link.ask_on(&mut same, &look),
            self.link.ask_on(live, read)
        );
        match looked {
            Ok(looked) => self.note_missed(looked),
            Err(error) => tracing::debug!(group = self.group, %error, "cannot look for a gap"),
        }
        answer
    }

    fn missed(&self) -> Cmd {
        let mut cmd = eval(scripts::MISSED, &[&self.inner.keys.events]);
        cmd.arg(&self.group);
        cmd
    }

    fn note_missed(&self, answer: Value) {
        let parts = list(answer).unwrap_or_default();
        let [
            Value::Int(missed),
            Value::Int(left),
            Value::Int(stored),
            Value::Int(age),
            last,
            first,
        ] = &*parts
        else {
            return;
        };
        self.at_risk
            .store(self.is_at_risk(*left, *stored, *age), Ordering::Relaxed);
        let missed = u64::try_from(*missed).unwrap_or(0);
        if missed > 0 {
            let [after, before] = [last, first].map(|id| entry_id(id).unwrap_or_default());
            tracing::warn!(
                group = self.group,
                missed,
                %after,
                %before,
                "events were trimmed before the group had read them"
            );
            self.trimmed.fetch_add(missed, Ordering::Relaxed);
        }
    }

    /// Whether what is left to read may be trimmed before the next look.
    fn is_at_risk(&self, left: i64, stored: i64, age: i64) -> bool {
        // Of a place that is not known, nothing can be counted.
        let (Ok(left), Ok(stored)) = (u64::try_from(left), u64::try_from(stored)) else {
            return false;
        };
        let config = &self.inner.config;
        let age = Duration::from_millis(u64::try_from(age).unwrap_or(0));
        config
            .max_events
            .is_some_and(|most| left.saturating_add(HEADROOM) > most.max(stored))
            || (left > 0 && config.max_age.is_some_and(|most| age > most / 2))
    }
}
