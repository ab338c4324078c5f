//! Asking for what was lost, before anything else.

use std::time::Duration;

use contexter_event_bus::TransportError;
use tokio::time::Instant;

use super::Consumer;
use super::pull::Session;

/// How long the server takes at most to give what it has to give again.
const COMES_WITHIN: Duration = Duration::from_millis(500);

/// How often it is asked. It may give some of it to somebody who is gone, or keep it for another
/// lease: nats-server 2.9 does so with the first message that it has to give again when the inbox of
/// the next pull is gone.
const ROUNDS: u32 = 3;

/// What was lost, and is asked for again.
#[derive(Debug)]
pub(super) struct Again {
    /// How many were missing when this round began.
    missing: usize,
    /// How many of them are still to be asked for.
    ask: usize,
    round: u32,
    begins: Instant,
    /// When nothing more comes in this round.
    over: Instant,
}

impl Again {
    pub(super) fn new(lost: usize) -> Self {
        let now = Instant::now();
        Self {
            missing: lost,
            ask: lost,
            round: 1,
            begins: now,
            over: now,
        }
    }

    /// Returns when it is to be looked at, if nothing comes meanwhile.
    pub(super) fn next(&self) -> Instant {
        if self.begins > Instant::now() {
            self.begins
        } else {
            self.over
        }
    }
}

impl Consumer {
    /// Asks for what is still missing, when it is time, and gives up waiting for it when it does not
    /// come.
    ///
    /// New messages come in the place of what the server does not give yet. So it is asked for no
    /// more than is missing, and again only after another lease.
    pub(super) async fn ask_again(
        &self,
        session: &mut Session,
        again: &mut Again,
    ) -> Result<(), TransportError> {
        let now = Instant::now();
        if now < again.begins {
            return Ok(());
        }
        let (missing, open, free) = {
            let table = self.table.lock();
            let free = table.free_for_missing(&self.most);
            (table.missing(), table.outstanding, free)
        };
        let many = again.ask.min(free);
        if many > 0 && (open == 0 || many >= self.most.worth_it().min(again.ask)) {
            again.ask -= many;
            again.over = now + COMES_WITHIN;
            return self.pull(session, many).await;
        }
        if open > 0 && now < again.over {
            return Ok(());
        }
        if again.ask > 0 && open == 0 {
            tracing::warn!(
                consumer = self.name,
                missing,
                "more was lost than may be held"
            );
            self.miss(0);
            return Ok(());
        }
        // All that was asked for is here, or the rest does not come.
        let info = self.info(self.inner.link.deadline()).await?;
        let held = self.table.lock().not_lost();
        let still = missing.min(info.num_ack_pending.saturating_sub(held));
        // If none came, it is somebody else who holds them. Among several there is no order.
        let others = info.num_waiting > session.pulls.len() || missing == again.missing;
        if still == 0 || others || again.round == ROUNDS {
            tracing::debug!(consumer = self.name, still, "goes on");
            self.miss(0);
            return Ok(());
        }
        tracing::debug!(consumer = self.name, still, "asks again for what was lost");
        self.miss(still);
        let begins = Instant::now() + self.lease_at_most();
        *again = Again {
            missing: still,
            ask: still.saturating_sub(open),
            round: again.round + 1,
            begins,
            over: begins + COMES_WITHIN,
        };
        Ok(())
    }

    /// Waits for so many to come again.
    pub(super) fn miss(&self, many: usize) {
        self.table.lock().miss(many);
        self.arrived.notify_one();
    }
}
