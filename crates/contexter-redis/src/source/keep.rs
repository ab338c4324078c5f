//! What is to be done again and again: leases, what comes back, and what others left behind.

use std::sync::atomic::Ordering;
use std::time::Duration;

use contexter_event_bus::TransportError;
use contexter_event_bus::transport::TransportErrorKind;
use redis::{Cmd, Value};
use tokio::time::Instant;

use super::Consumer;
use super::group::millis;
use crate::entry::{EntryId, Fields, bytes, entry_id, fields, list, number};
use crate::error::unexpected;
use crate::scripts::{self, eval};

/// How many entries are taken over at once, and looked at for that.
const AT_ONCE: usize = 100;

/// How many steps a sweep makes at most; the next one goes on from there.
const STEPS: usize = 100;

/// When what is to be done next.
#[derive(Debug)]
pub(super) struct Schedule {
    poll: Instant,
    sweep: Instant,
    renewal: Instant,
    /// When life is to be shown; a consumer without a group must.
    life: Instant,
    /// Whether it could be shown the last time.
    shown: bool,
    tidying: Instant,
    /// When what was missed is looked for.
    look: Instant,
    /// Where the sweep goes on.
    cursor: String,
    /// The sweep has not come to its end, for want of room. What is left is older than anything
    /// new.
    behind: bool,
}

impl Schedule {
    pub(super) fn new(consumer: &Consumer) -> Self {
        let now = Instant::now();
        Self {
            poll: now,
            sweep: now,
            renewal: now + consumer.lease / 4,
            // It was when the group was made.
            life: now + consumer.inner.config.forget_after / 3,
            shown: true,
            tidying: now + consumer.inner.config.forget_after / 3,
            look: now,
            cursor: START.to_owned(),
            behind: false,
        }
    }

    /// Returns whether something is to be taken over before anything new is read.
    pub(super) fn is_behind(&self) -> bool {
        self.behind
    }

    /// Returns when something is to be done; without room, and before what is missing is recovered,
    /// nothing is taken.
    pub(super) fn next(&self, consumer: &Consumer) -> Instant {
        let mut next = self.renewal.min(self.tidying).min(self.look);
        if consumer.solo {
            next = next.min(self.life);
        }
        if consumer.free() == 0 || consumer.table.lock().is_incomplete() {
            return next;
        }
        let due = *consumer.next_due.lock();
        next.min(self.sweep)
            .min(due.map_or(self.poll, |due| due.min(self.poll)))
    }
}

const START: &str = "0-0";

/// The longest pause before life is shown again after that failed.
const SHOW_AGAIN: Duration = Duration::from_secs(1);

impl Consumer {
    /// Does whatever is to be done by now. What fails is done again later.
    pub(super) async fn look_after(&self, schedule: &mut Schedule) {
        let now = Instant::now();
        if self.solo && schedule.life <= now {
            // First of all: nothing else is worth anything to a group that is taken for dead.
            let shown = self.show_life(self.patience()).await;
            self.note_life(schedule, shown.is_ok());
            self.note("show life", shown);
        }
        if schedule.renewal <= now {
            schedule.renewal = now + self.lease / 4;
            self.note("renew leases", self.renew_waiting().await);
        }
        self.take_again(schedule, now).await;
        if schedule.look <= now {
            schedule.look = now + self.look_every();
            let patience = self.patience();
            self.inner.expire(patience).await;
            let looked = self.look_for_missed(patience).await;
            self.note("look for what was missed", looked);
        }
        if schedule.tidying <= now {
            schedule.tidying = now + self.inner.config.forget_after / 3;
            // Not by one that may be taken for dead itself: others are as likely to live.
            if schedule.shown {
                self.note("tidy up", self.tidy(self.patience()).await);
            }
        }
    }

    /// Takes what comes again.
    async fn take_again(&self, schedule: &mut Schedule, now: Instant) {
        if self.table.lock().is_incomplete() {
            // It would not be taken in, and would have been delivered in vain.
            return;
        }
        let due = self.next_due.lock().is_some_and(|due| due <= now);
        if (due || schedule.poll <= now) && self.free() > 0 {
            schedule.poll = now + self.inner.config.block_time;
            self.note("take what is due", self.take_due().await);
        }
        if schedule.sweep <= now && self.free() > 0 {
            schedule.sweep = now + self.lease / 3;
            let swept = self.sweep(schedule).await;
            schedule.behind = swept.is_ok() && schedule.cursor != START;
            if schedule.behind {
                // As soon as there is room.
                schedule.sweep = now;
            }
            self.note("take over what was left behind", swept);
        }
    }

    /// Knows whether life could be shown, and with that when it is to be shown again.
    pub(super) fn note_life(&self, schedule: &mut Schedule, shown: bool) {
        let forget_after = self.inner.config.forget_after;
        let pause = if shown {
            forget_after / 3
        } else {
            SHOW_AGAIN.min(forget_after / 10)
        };
        schedule.life = Instant::now() + pause;
        schedule.shown = shown;
    }

    fn note(&self, what: &str, outcome: Result<(), TransportError>) {
        if let Err(error) = outcome {
            tracing::debug!(group = self.group, what, %error, "to be done again");
        }
    }

    /// Not longer than the time between sweeps: a server that hangs must not stop the rest.
    fn patience(&self) -> Instant {
        let patience = (self.lease / 3).max(Duration::from_millis(100));
        self.inner.main.deadline().min(Instant::now() + patience)
    }

    /// Runs a script that takes entries. If its answer is lost, they are looked for.
    async fn take(&self, cmd: Cmd) -> Result<Value, TransportError> {
        let answer = self.inner.main.ask(cmd, self.patience()).await;
        if let Err(error) = &answer
            && error.kind() == TransportErrorKind::Unconfirmed
        {
            self.table.lock().misses();
        }
        answer
    }

    /// Keeps the lease of what was read ahead.
    async fn renew_waiting(&self) -> Result<(), TransportError> {
        let sent = Instant::now();
        let waiting = self.table.lock().waiting(sent + self.own_lease() * 4 / 5);
        if waiting.is_empty() {
            return Ok(());
        }
        let mut cmd = eval(scripts::RENEW, &[&self.inner.keys.events]);
        cmd.arg(&self.group).arg(&self.name);
        for (_, id) in &waiting {
            cmd.arg(id.to_string());
        }
        let answers = list(self.take(cmd).await?).unwrap_or_default();
        let until = sent + self.own_lease();
        let mut table = self.table.lock();
        for ((token, _), answer) in waiting.into_iter().zip(&answers) {
            if number(answer) == Some(1) {
                table.still_waiting(token, until);
            }
        }
        Ok(())
    }

    /// Takes what was given back, by this consumer or another, and is due.
    async fn take_due(&self) -> Result<(), TransportError> {
        let asked = Instant::now();
        let mut cmd = eval(scripts::TAKE_DUE, &[&self.inner.keys.events, &self.delayed]);
        cmd.arg(&self.group)
            .arg(&self.name)
            .arg(self.free().min(AT_ONCE));
        // Before the answer: what is given back meanwhile must not be forgotten.
        *self.next_due.lock() = None;
        let mut parts = list(self.take(cmd).await?).unwrap_or_default().into_iter();
        let taken = parts.next().and_then(list);
        let taken = taken.ok_or_else(|| unexpected("no list of what is due"))?;
        if let Some(wait) = parts.next().as_ref().and_then(number) {
            self.is_due_at(Instant::now() + Duration::from_millis(wait));
        }
        self.admit_counted(taken, asked).await;
        Ok(())
    }

    /// Remembers that something is due at a time.
    pub(super) fn is_due_at(&self, time: Instant) {
        let mut due = self.next_due.lock();
        *due = Some(due.map_or(time, |known| known.min(time)));
        drop(due);
        self.sooner.notify_one();
    }

    /// Takes over what nobody has settled for a lease.
    async fn sweep(&self, schedule: &mut Schedule) -> Result<(), TransportError> {
        for _ in 0..STEPS {
            let room = self.free().min(AT_ONCE);
            if room == 0 {
                return Ok(());
            }
            let asked = Instant::now();
            let mut cmd = eval(scripts::SWEEP, &[&self.inner.keys.events]);
            cmd.arg(&self.group)
                .arg(&self.name)
                .arg(millis(self.lease))
                .arg(&schedule.cursor)
                .arg(room)
                .arg(AT_ONCE);
            let mut parts = list(self.take(cmd).await?).unwrap_or_default().into_iter();
            let cursor = parts.next().and_then(bytes);
            let cursor = cursor.and_then(|cursor| String::from_utf8(cursor).ok());
            schedule.cursor = cursor.ok_or_else(|| unexpected("no cursor"))?;
            let taken = parts.next().and_then(list).unwrap_or_default();
            let trimmed = parts.next().and_then(list).unwrap_or_default();
            self.count_trimmed(trimmed.iter().filter_map(entry_id).collect());
            self.admit_counted(taken, asked).await;
            if schedule.cursor == START {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Holds entries that come with the number of their deliveries; those without fields are gone.
    async fn admit_counted(&self, taken: Vec<Value>, asked: Instant) {
        let mut arrived = Vec::with_capacity(taken.len());
        let mut trimmed = Vec::new();
        for (id, count, fields) in taken.into_iter().filter_map(counted) {
            match fields {
                Some(fields) => arrived.push((id, count, fields)),
                None => trimmed.push(id),
            }
        }
        self.count_trimmed(trimmed);
        self.admit(arrived, asked + self.own_lease()).await;
    }

    pub(super) fn count_trimmed(&self, gone: Vec<EntryId>) {
        let many = gone.len();
        if many > 0 {
            let mut table = self.table.lock();
            for id in gone {
                table.ended(id);
            }
            drop(table);
            tracing::warn!(
                group = self.group,
                many,
                "entries were trimmed before they could be delivered again"
            );
            let many = u64::try_from(many).unwrap_or(u64::MAX);
            self.trimmed.fetch_add(many, Ordering::Relaxed);
        }
    }
}

fn counted(value: Value) -> Option<(EntryId, u64, Option<Fields>)> {
    let mut parts = list(value)?.into_iter();
    let id = entry_id(&parts.next()?)?;
    let count = number(&parts.next()?)?;
    Some((id, count, fields(parts.next()?)))
}

/// A delay as the server counts: never shorter than asked, though the server's own time is rounded
/// down.
pub(super) fn delay_millis(after: Duration) -> u64 {
    if after.is_zero() {
        return 0;
    }
    millis(after).saturating_add(2)
}
