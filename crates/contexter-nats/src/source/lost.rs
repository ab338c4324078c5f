//! What was on its way to this consumer when the connection broke.

use std::time::Duration;

use contexter_event_bus::TransportError;
use tokio::time::{Instant, sleep_until};

use super::Consumer;
use crate::link::Failed;

/// How much later than a lease runs out the server is sure to have noticed it; and after how long it
/// has read what was in the socket of a connection that is gone.
const NOTICED: Duration = Duration::from_millis(100);

/// How many leases are waited for at most.
const MOST: u32 = 2;

/// What a look at the consumer shows.
#[derive(Debug)]
struct Look {
    /// How many deliveries there were at the server.
    deliveries: u64,
    /// How many messages are unsettled there and not held here.
    lost: usize,
    /// Whether somebody asks for messages; nothing of here does.
    others: bool,
    /// Whether another member has made it again since this one knew it.
    made_again: bool,
    /// Which run of which server shows it, about: the connection may be a new one by then.
    server: String,
}

impl Consumer {
    /// Waits until the server gives again what was lost with a connection.
    ///
    /// The server does not know that it was lost before its lease is over, and meanwhile gives what
    /// is newer. So that the events of a key stay in order, nothing is asked for until then. The
    /// lease begins with the delivery, and a server that was stopped serves what it finds in the
    /// socket of a connection that is gone by then: so the wait begins when the server answers,
    /// and begins again when it has delivered something meanwhile, or was started again: then it
    /// looks for leases that are over only after some time.
    ///
    /// It is not waited for when others of the group are asking: among several there is no order.
    ///
    /// Returns how many the server has to give again by now.
    pub(super) async fn wait_for_lost(&self) -> Result<usize, TransportError> {
        let mut begun = Instant::now();
        let a_lease = self.lease_at_most();
        let mut until = begun + NOTICED;
        let mut before: Option<Look> = None;
        loop {
            let look = match self.look_for_lost().await {
                Ok(look) => look,
                // Reading tells it, too, and makes the consumer again.
                Err(failed) if failed.is_not_found() => return Ok(0),
                Err(failed) => return Err(failed.into()),
            };
            if look.made_again {
                self.rejoin(self.inner.link.deadline()).await?;
                before = None;
                continue;
            }
            let now = Instant::now();
            if before
                .as_ref()
                .is_some_and(|before| before.server != look.server)
            {
                before = None;
                begun = now;
                until = now + NOTICED;
            }
            let seen = before.as_ref();
            let was_lost = seen.is_some_and(|before| before.lost > 0);
            let delivered = seen.is_none_or(|before| before.deliveries != look.deliveries);
            match (look.lost > 0, was_lost) {
                (true, _) if delivered || !was_lost => {
                    tracing::debug!(
                        consumer = self.name,
                        lost = look.lost,
                        "waits for what was on its way"
                    );
                    until = (now + a_lease).min(begun + a_lease * MOST);
                }
                // By now it is settled.
                (false, true) => return Ok(0),
                _ => {}
            }
            // A connection that is gone may have been asking a moment ago.
            let settled = now >= begun + NOTICED;
            if settled && look.others {
                return Ok(0);
            }
            if now >= until {
                return Ok(look.lost);
            }
            before = Some(look);
            // What was read ahead stays ours meanwhile.
            self.renew_waiting().await;
            sleep_until(until.min(now + self.lease / 4)).await;
        }
    }

    /// Returns after how long the server is sure to have noticed that a lease is over.
    pub(super) fn lease_at_most(&self) -> Duration {
        let lease = self.server_lease();
        lease + lease / 20 + NOTICED
    }

    async fn look_for_lost(&self) -> Result<Look, Failed> {
        let info = self.info(self.inner.link.deadline()).await?;
        let deliveries = info.delivered.consumer_sequence;
        let made_again = self.made.lock().is_some_and(|made| made != info.created);
        let mut table = self.table.lock();
        // Whatever did not arrive was delivered after what did.
        let lost = if deliveries > table.last_delivery {
            info.num_ack_pending.saturating_sub(table.not_lost())
        } else {
            0
        };
        Ok(Look {
            deliveries,
            lost,
            others: info.num_waiting > 0,
            made_again,
            server: self.inner.link.client().server_info().server_id,
        })
    }
}
