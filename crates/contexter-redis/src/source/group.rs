//! The group at the server.

use std::sync::atomic::Ordering;

use contexter_event_bus::TransportError;
use contexter_event_bus::transport::Start;
use redis::{Cmd, RedisError, Value};
use tokio::time::Instant;

use super::Consumer;
use super::keep::delay_millis;
use crate::entry::{EntryId, bytes, entry_id, list, number};
use crate::error::unexpected;
use crate::keys::{SOLO, start_id};
use crate::link::Live;
use crate::scripts::{self, eval};

/// How many entries are restored at once.
const PAGE: usize = 500;

impl Consumer {
    /// Makes the group unless there is one, and remembers where it is.
    pub(super) async fn join(&self, start: Start) -> Result<(), TransportError> {
        let main = &self.inner.main;
        let deadline = Instant::now() + self.inner.config.publish_timeout;
        if self.solo {
            // First, so that nobody takes the new group for a forgotten one.
            self.show_life(deadline).await?;
        }
        let mut create = eval(scripts::JOIN, &[&self.inner.keys.events]);
        create.arg(&self.group).arg(start_id(start));
        match main.ask_until(&create, deadline).await {
            Ok(_) => {}
            Err(error) if error.to_string().contains("BUSYGROUP") => {}
            Err(error) => return Err(error),
        }
        let mut info = redis::cmd("XINFO");
        info.arg("GROUPS").arg(&self.inner.keys.events);
        let groups = list(main.ask_until(&info, deadline).await?).unwrap_or_default();
        let position = groups.into_iter().find_map(|group| self.position_in(group));
        self.table.lock().position =
            position.ok_or_else(|| unexpected("the group is gone at once"))?;
        if let Err(error) = self.tidy(deadline).await {
            tracing::debug!(%error, "forgotten consumers could not be looked for");
        }
        Ok(())
    }

    /// Reads where the group is from what the server says about a group, if it is this one.
    fn position_in(&self, group: Value) -> Option<EntryId> {
        let mut name = None;
        let mut position = None;
        let mut values = list(group)?.into_iter();
        while let (Some(key), Some(value)) = (values.next(), values.next()) {
            match bytes(key).as_deref() {
                Some(b"name") => name = bytes(value),
                Some(b"last-delivered-id") => position = entry_id(&value),
                _ => {}
            }
        }
        position.filter(|_| name.as_deref() == Some(self.group.as_bytes()))
    }

    /// Makes the group again: the server has lost it, and with it what was pending. Members of a group
    /// cannot tell what of that another one has settled meanwhile; who is alone can, and restores it.
    pub(super) async fn rejoin(&self) -> Result<(), TransportError> {
        let position = self.table.lock().position;
        tracing::warn!(
            group = self.group,
            %position,
            "the group is gone at the server and is made again"
        );
        let deadline = self.inner.main.deadline();
        if self.solo {
            self.show_life(deadline).await?;
            self.to_restore.store(true, Ordering::Relaxed);
        }
        let mut cmd = eval(scripts::REGROUP, &[&self.inner.keys.events]);
        cmd.arg(&self.group).arg(position.to_string());
        let from = match self.inner.main.ask_until(&cmd, deadline).await {
            Ok(from) => entry_id(&from).unwrap_or_default(),
            // An answer may have been lost.
            Err(error) if error.to_string().contains("BUSYGROUP") => position,
            Err(error) => return Err(error),
        };
        if from < position
            && let Some(unsettled) = &mut self.table.lock().unsettled
        {
            // It is another stream, and is read from its beginning.
            unsettled.clear();
        }
        self.table.lock().misses();
        Ok(())
    }

    /// Gives the group back what was pending and what was given back when the server lost it.
    pub(super) async fn restore(&self, live: &mut Live) -> Result<(), RedisError> {
        let all = match &self.table.lock().unsettled {
            Some(unsettled) => unsettled.all(),
            None => Vec::new(),
        };
        if !all.is_empty() {
            let many = all.len();
            tracing::warn!(group = self.group, many, "what was not settled is restored");
        }
        for page in all.chunks(PAGE) {
            let keys = &self.inner.keys;
            let mut cmd = eval(scripts::RESTORE, &[&keys.events, &self.delayed]);
            cmd.arg(&self.group).arg(&self.name);
            for (id, known) in page {
                cmd.arg(id.to_string()).arg(known.deliveries);
                match known.due {
                    Some(due) => {
                        let wait = due.saturating_duration_since(Instant::now());
                        cmd.arg(delay_millis(wait));
                        self.is_due_at(due);
                    }
                    None => {
                        cmd.arg(-1);
                    }
                }
            }
            let there = list(self.link.ask_on(live, &cmd).await?).unwrap_or_default();
            let gone = page.iter().zip(&there);
            let gone = gone.filter(|(_, there)| number(there) == Some(0));
            self.count_trimmed(gone.map(|((id, _), _)| *id).collect());
        }
        Ok(())
    }

    /// Says that the consumer of a group of its own lives.
    pub(super) async fn show_life(&self, deadline: Instant) -> Result<(), TransportError> {
        let sign = self.sign_of_life();
        self.inner.main.ask_until(&sign, deadline).await.map(|_| ())
    }

    pub(super) fn sign_of_life(&self) -> Cmd {
        let mut cmd = redis::cmd("SET");
        cmd.arg(self.inner.keys.alive(&self.group)).arg(1).arg("PX");
        cmd.arg(millis(self.inner.config.forget_after));
        cmd
    }

    /// Deletes what gave no sign of life.
    pub(super) async fn tidy(&self, deadline: Instant) -> Result<(), TransportError> {
        let keys = &self.inner.keys;
        let mut cmd = eval(scripts::TIDY, &[&keys.events]);
        cmd.arg(SOLO)
            .arg(keys.alive_prefix())
            .arg(keys.delayed_prefix())
            .arg(millis(self.inner.config.forget_after))
            .arg(&self.group);
        self.inner.main.ask_until(&cmd, deadline).await.map(|_| ())
    }
}

/// A duration as the server counts, never nothing.
pub(crate) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis())
        .unwrap_or(u64::MAX)
        .max(1)
}
