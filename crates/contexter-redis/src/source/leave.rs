//! Ending a consumer in good order.

use std::time::Duration;

use contexter_event_bus::TransportError;
use tokio::time::{Instant, timeout};

use super::Consumer;
use super::read::pending_row;
use crate::entry::list;
use crate::scripts::{self, eval};

/// How long the task may take to see that it is over.
const END_WITHIN: Duration = Duration::from_secs(1);

/// How many entries are given back at once.
const PAGE: usize = 200;

impl Consumer {
    /// Reads no more, and gives back what was read ahead. What was given out can still be settled.
    ///
    /// Whoever calls it while another call is at it waits for that. A server that is away is hardly
    /// waited for, because leases end by themselves.
    pub(crate) async fn close(&self) {
        self.closed.get_or_init(|| self.end()).await;
    }

    /// May be broken off and begun anew.
    async fn end(&self) {
        self.closing.send_replace(true);
        let task = self.task.lock().take();
        if let Some(mut task) = task
            && timeout(END_WITHIN, &mut task).await.is_err()
        {
            task.abort();
        }
        // Now the server leases nothing more to this consumer.
        self.link.close();
        let deadline = self.inner.main.last_deadline();
        if !self.solo
            && let Err(error) = self.give_back(deadline).await
        {
            tracing::debug!(%error, "what was read ahead goes back when its lease is over");
            return;
        }
        if self.table.lock().is_empty() {
            self.leave(deadline).await;
        }
    }

    /// Gives back what belongs to this consumer and was never given out, which therefore does not
    /// count as a delivery.
    async fn give_back(&self, deadline: Instant) -> Result<(), TransportError> {
        let keys = &self.inner.keys;
        self.table.lock().clear_ready();
        let mut from = "-".to_owned();
        loop {
            let mut pending = redis::cmd("XPENDING");
            pending.arg(&keys.events).arg(&self.group);
            pending.arg(&from).arg("+").arg(PAGE).arg(&self.name);
            let rows = list(self.inner.main.ask(pending, deadline).await?).unwrap_or_default();
            let full = rows.len() >= PAGE;
            let ids: Vec<_> = rows.into_iter().filter_map(pending_row).collect();
            let Some((last, _)) = ids.last().copied() else {
                return Ok(());
            };
            let mut nack = eval(scripts::NACK, &[&keys.events, &self.delayed]);
            nack.arg(&self.group).arg(&self.name);
            let mut some = false;
            for (id, _) in ids {
                if !self.table.lock().holds(id) {
                    some = true;
                    nack.arg(id.to_string()).arg(0).arg(-1);
                }
            }
            if some {
                self.inner.main.ask(nack, deadline).await?;
            }
            if !full {
                return Ok(());
            }
            from = format!("({last}");
        }
    }

    /// Has the server forget the consumer, now that it holds nothing.
    pub(super) async fn leave(&self, deadline: Instant) {
        let keys = &self.inner.keys;
        let main = &self.inner.main;
        let mut cmds = redis::Pipeline::with_capacity(2);
        if self.solo {
            let mut destroy = redis::cmd("XGROUP");
            destroy.arg("DESTROY").arg(&keys.events).arg(&self.group);
            let mut delete = redis::cmd("DEL");
            delete.arg(keys.alive(&self.group)).arg(&self.delayed);
            cmds.add_command(destroy).add_command(delete);
        } else {
            let mut leave = eval(scripts::LEAVE, &[&keys.events]);
            leave.arg(&self.group).arg(&self.name);
            cmds.add_command(leave);
        }
        if let Err(error) = main.send(&cmds, deadline).await {
            tracing::debug!(%error, "the consumer is forgotten later");
        }
    }
}
