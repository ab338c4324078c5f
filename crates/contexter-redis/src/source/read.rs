//! The task that reads ahead.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use redis::{RedisError, Value};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::Consumer;
use super::group::millis;
use super::keep::Schedule;
use super::table::{Arrival, Content};
use crate::entry::{
    EntryId, Fields, Message, Wanted, entries, entry_id, list, number, size_of, wanted,
};
use crate::error::{describe, is_answer, is_no_group};
use crate::link::Live;
use crate::scripts::{self, eval};

/// How long a little room waits for more, so that entries are not read one by one.
const GATHERING: Duration = Duration::from_millis(2);

/// The pause after the server refused a read.
const PAUSE: Duration = Duration::from_millis(200);

/// How many entries are recovered at once.
const PAGE: usize = 200;

/// Reads ahead until the consumer is closed.
pub(super) async fn run(consumer: Arc<Consumer>) {
    let mut closing = consumer.closing.subscribe();
    tokio::select! {
        biased;
        _ = closing.wait_for(|closing| *closing) => {}
        () = consumer.read_on() => {}
    }
}

/// Room that is kept for a read; given back when the read is over or broken off.
struct Reserved<'c>(&'c Consumer);

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.0.table.lock().reserved = 0;
    }
}

impl Consumer {
    async fn read_on(&self) {
        let mut schedule = Schedule::new(self);
        let mut known: Option<Live> = None;
        while !self.link.is_closed() {
            self.look_after(&mut schedule).await;
            // Also while there is no room for anything new: a subscription that cannot be read would
            // wait for what it has lost, and so make no room.
            let live = pin!(self.link.live(None));
            let Ok(mut live) = self.meanwhile(live, &mut schedule).await else {
                return;
            };
            let again = known.as_ref().is_none_or(|known| !known.is(&live));
            if again && self.solo {
                // Before anything else, and before the other connection is there again.
                let shown = self.link.ask_on(&mut live, &self.sign_of_life()).await;
                self.note_life(&mut schedule, shown.is_ok());
            }
            if again || self.table.lock().is_incomplete() {
                if let Err(error) = self.recover(&mut live, known.as_ref()).await {
                    self.table.lock().misses();
                    self.after_error(&error).await;
                    continue;
                }
                known = Some(live.clone());
                self.at_risk.store(true, Ordering::Relaxed);
            }
            if self.free() == 0 {
                // Nothing is read before there is room, and who waits for what was lost makes none
                // for as long as the broker is said to be away.
                self.refused.store(false, Ordering::Relaxed);
            }
            let Some((count, reserved)) = self.reserve(&mut schedule).await else {
                continue;
            };
            let outcome = self.read_new(&mut live, count, &mut schedule).await;
            drop(reserved);
            match outcome {
                Ok((arrived, until)) => {
                    self.refused.store(false, Ordering::Relaxed);
                    self.admit(arrived, until).await;
                }
                Err(error) => {
                    // What it has leased is pending, and older than anything that comes now.
                    self.table.lock().misses();
                    self.after_error(&error).await;
                }
            }
        }
    }

    /// Waits for something, and meanwhile looks after the rest.
    async fn meanwhile<F>(&self, mut future: F, schedule: &mut Schedule) -> F::Output
    where
        F: Future + Unpin,
    {
        loop {
            tokio::select! {
                biased;
                output = &mut future => return output,
                () = sleep_until(schedule.next(self)) => self.look_after(schedule).await,
                () = self.sooner.notified() => {}
                () = self.room.notified(), if schedule.is_behind() => {}
            }
        }
    }

    /// Waits for room, and keeps most of it for a read; what is left is for what comes again, which
    /// must not wait until what is newer has made room. None if there is something else to do first.
    async fn reserve(&self, schedule: &mut Schedule) -> Option<(usize, Reserved<'_>)> {
        let worth_it = self.prefetch.div_ceil(4);
        let patience = Instant::now() + GATHERING;
        loop {
            let room = self.room.notified();
            let free = self.free();
            if (schedule.is_behind() && free > 0) || self.table.lock().is_incomplete() {
                return None;
            }
            let kept = (free / 8).max(usize::from(self.prefetch >= 8));
            let count = match free.saturating_sub(kept) {
                // Of a size of which no two fit; and nothing is held that could come again.
                0 if self.table.lock().is_empty() => free,
                count => count,
            };
            let enough = free >= worth_it || Instant::now() >= patience;
            if count > 0 && enough {
                self.table.lock().reserved = count;
                return Some((count, Reserved(self)));
            }
            if count > 0 {
                let _more_or_late = timeout_at(patience, room).await;
            } else {
                tokio::select! {
                    () = room => {}
                    () = sleep_until(schedule.next(self)) => return None,
                }
            }
        }
    }

    /// Reads what nobody has read yet, and meanwhile looks after the rest. Returns it with the end
    /// of its lease.
    async fn read_new(
        &self,
        live: &mut Live,
        count: usize,
        schedule: &mut Schedule,
    ) -> Result<(Vec<(EntryId, u64, Fields)>, Instant), RedisError> {
        let block = self.block_time();
        let mut cmd = redis::cmd("XREADGROUP");
        cmd.arg("GROUP").arg(&self.group).arg(&self.name);
        cmd.arg("COUNT").arg(count).arg("BLOCK").arg(millis(block));
        cmd.arg("STREAMS").arg(&self.inner.keys.events).arg(">");
        let sent = Instant::now();
        let read = pin!(self.read_knowing(live, &cmd));
        let answer = self.meanwhile(read, schedule).await?;
        let streams = list(answer).unwrap_or_default();
        let of_one = streams
            .into_iter()
            .next()
            .and_then(list)
            .unwrap_or_default();
        let read = of_one.into_iter().nth(1).map(entries).unwrap_or_default();
        let arrived = read.into_iter().map(|entry| (entry.id, 1, entry.fields));
        // The server leased them at some time since it was asked, which is not known from here.
        Ok((arrived.collect(), sent + self.own_lease()))
    }

    /// Never zero, which the server would take for ever.
    fn block_time(&self) -> Duration {
        let block = self.inner.config.block_time.min(self.lease / 3);
        let due = *self.next_due.lock();
        let block = match due {
            Some(due) => block.min(due.saturating_duration_since(Instant::now())),
            None => block,
        };
        block.max(Duration::from_millis(1))
    }

    /// Fetches what was given to this consumer in an answer that never came: on a connection that
    /// broke, or one that was given up.
    ///
    /// It has not been delivered, so that is not counted as a delivery; and it goes before what is
    /// new, so that the order holds.
    async fn recover(&self, live: &mut Live, old: Option<&Live>) -> Result<(), RedisError> {
        if let Some(old) = old.filter(|old| !old.is(live) && old.client_id != 0) {
            // The server may not have noticed that it is gone, and would still give it entries.
            let mut kill = redis::cmd("CLIENT");
            kill.arg("KILL").arg("ID").arg(old.client_id);
            match self.link.ask_on(live, &kill).await {
                Err(error) if !is_answer(&error) => return Err(error),
                _ => {}
            }
        }
        if self.to_restore.load(Ordering::Relaxed) {
            self.restore(live).await?;
            self.to_restore.store(false, Ordering::Relaxed);
        }
        // What is settled meanwhile is not missing either.
        let held = self.table.lock().begin_recovery();
        let mut from = "-".to_owned();
        let mut all = HashSet::new();
        loop {
            let mut cmd = redis::cmd("XPENDING");
            cmd.arg(&self.inner.keys.events).arg(&self.group);
            cmd.arg(&from).arg("+").arg(PAGE).arg(&self.name);
            let pending = list(self.link.ask_on(live, &cmd).await?).unwrap_or_default();
            let full = pending.len() >= PAGE;
            let rows: Vec<_> = pending.into_iter().filter_map(pending_row).collect();
            let last = rows.last().map(|(id, _)| *id);
            if self.solo {
                all.extend(rows.iter().map(|(id, _)| *id));
            }
            let missing = rows.into_iter().filter(|(id, _)| !held.contains(id));
            let missing: Vec<_> = missing.collect();
            // Not more in one answer than is read at once.
            let fit = self.table.lock().expected.fit(self.prefetch_bytes);
            for part in missing.chunks(fit.max(1)) {
                self.reclaim(live, part).await?;
            }
            match last {
                Some(last) if full => from = format!("({last}"),
                _ => break,
            }
        }
        self.table.lock().keep_pending(all);
        Ok(())
    }

    /// Holds what is pending for this consumer and not here, with the number of its deliveries.
    async fn reclaim(&self, live: &mut Live, missing: &[(EntryId, u64)]) -> Result<(), RedisError> {
        if missing.is_empty() {
            return Ok(());
        }
        let mut cmd = eval(scripts::RECLAIM, &[&self.inner.keys.events]);
        cmd.arg(&self.group).arg(&self.name);
        for (id, count) in missing {
            cmd.arg(id.to_string()).arg(count);
        }
        let sent = Instant::now();
        let claimed = list(self.link.ask_on(live, &cmd).await?).unwrap_or_default();
        let (mut arrived, mut trimmed) = (Vec::with_capacity(missing.len()), Vec::new());
        for (&(id, count), claimed) in missing.iter().zip(claimed) {
            match entries(claimed).pop() {
                Some(entry) => arrived.push((id, count, entry.fields)),
                None => trimmed.push(id),
            }
        }
        self.count_trimmed(trimmed);
        self.admit(arrived, sent + self.own_lease()).await;
        Ok(())
    }

    /// Holds what is wanted, and acknowledges what is not.
    pub(super) async fn admit(&self, arrived: Vec<(EntryId, u64, Fields)>, until: Instant) {
        if arrived.is_empty() {
            return;
        }
        let mut arrivals = Vec::with_capacity(arrived.len());
        let mut foreign = Vec::new();
        let (many, mut bytes) = (arrived.len(), 0);
        for (id, delivery_count, fields) in arrived {
            let size = size_of(&fields);
            bytes += size;
            let content = match wanted(&fields, &self.pattern) {
                Wanted::Yes => Content::Stored(fields),
                Wanted::No => {
                    foreign.push(id);
                    continue;
                }
                Wanted::Perhaps => {
                    let message = Message::read(fields);
                    if !message.is_wanted(&self.pattern) {
                        foreign.push(id);
                        continue;
                    }
                    Content::Read(message)
                }
            };
            arrivals.push(Arrival {
                id,
                delivery_count,
                size,
                content,
            });
        }
        {
            let mut table = self.table.lock();
            table.expected.saw(many, bytes);
            if let Some(last) = foreign.last()
                && !table.is_incomplete()
            {
                table.position = table.position.max(*last);
            }
            table.take_in(arrivals, until);
            if table.has_ready() {
                self.arrived.notify_one();
            }
        }
        if foreign.is_empty() {
            return;
        }
        let mut ack = redis::cmd("XACK");
        ack.arg(&self.inner.keys.events).arg(&self.group);
        for id in foreign {
            ack.arg(id.to_string());
        }
        let main = &self.inner.main;
        if let Err(error) = main.ask(ack, main.deadline()).await {
            // They come again when their lease is over, and are acknowledged then.
            tracing::debug!(%error, "what others want could not be acknowledged");
        }
    }

    /// A broken connection is made again by the next read; what the server refuses takes a pause.
    async fn after_error(&self, error: &RedisError) {
        if !is_answer(error) {
            return;
        }
        let error = if is_no_group(error) {
            match self.rejoin().await {
                Ok(()) => return,
                Err(error) => error.to_string(),
            }
        } else {
            describe(error)
        };
        if !self.refused.swap(true, Ordering::Relaxed) {
            tracing::warn!(group = self.group, error, "redis refuses to be read");
        }
        self.link.note(error);
        sleep(PAUSE).await;
    }
}

/// Reads a line of the pending list: id, consumer, idle time, deliveries.
pub(super) fn pending_row(row: Value) -> Option<(EntryId, u64)> {
    let row = list(row)?;
    Some((entry_id(row.first()?)?, number(row.get(3)?)?))
}
