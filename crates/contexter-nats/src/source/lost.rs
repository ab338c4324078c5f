//! What was on its way to this consumer when the connection broke.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::Consumer;

/// How much later than a lease runs out the server is sure to have noticed it.
const NOTICED: Duration = Duration::from_millis(50);

impl Consumer {
    /// Waits, at most a lease, until the server gives again what was lost with a connection.
    ///
    /// The server does not know that it was lost before its lease is over, and meanwhile gives what
    /// is newer. So that the events of a key stay in order, nothing is asked for until then. It is
    /// not waited for when others of the group are asking: among several there is no order.
    pub(super) async fn wait_for_lost(&self, broken: Instant) {
        let Ok(info) = self.info(self.inner.link.deadline()).await else {
            // The connection broke again, or the server has lost the consumer: the next look tells.
            return;
        };
        let held = self.table.lock().used();
        if info.num_ack_pending <= held || info.num_waiting > 0 {
            return;
        }
        let lost = info.num_ack_pending - held;
        let until = broken + self.lease + self.lease / 20 + NOTICED;
        tracing::debug!(consumer = self.name, lost, "waits for what was on its way");
        loop {
            // What was read ahead stays ours meanwhile.
            self.renew_waiting().await;
            let now = Instant::now();
            if now >= until {
                return;
            }
            sleep_until(until.min(now + self.lease / 4)).await;
        }
    }
}
