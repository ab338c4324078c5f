//! From the handlers back to the broker, and the leases meanwhile.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};

use super::{Remote, Waiting};
use crate::transport::{DeliveryToken, Disposition, Settled};

/// Settles and renews, until nothing more comes.
///
/// Settlements that come while others are on their way go together.
pub(crate) async fn settle(remote: Arc<Remote>) {
    let pause = remote.lease / 3;
    let mut renewal = Instant::now() + pause;
    loop {
        tokio::select! {
            () = remote.settling.notified() => {}
            () = sleep_until(renewal) => {}
        }
        // All that has gathered, and what has gathered while that was on its way.
        loop {
            let waiting = remote.take_waiting();
            if waiting.is_empty() {
                break;
            }
            remote.send(waiting).await;
        }
        if Instant::now() >= renewal {
            remote.renew().await;
            renewal = Instant::now() + pause;
        }
        if *remote.closing.borrow() && remote.held.lock().items.is_empty() && remote.is_flushed() {
            return;
        }
    }
}

impl Remote {
    fn take_waiting(&self) -> Vec<Waiting> {
        let mut held = self.held.lock();
        held.under_way = held.waiting.len();
        std::mem::take(&mut held.waiting)
    }

    async fn send(&self, waiting: Vec<Waiting>) {
        let mut settlements = Vec::with_capacity(waiting.len());
        for Waiting {
            token,
            disposition,
            broken_off,
        } in waiting
        {
            if let Some(key) = broken_off
                && let Err(error) = self.dedupe.release(&key).await
            {
                tracing::warn!(%error, "deduplication failed");
            }
            settlements.push((token, disposition));
        }
        let Some(source) = self.source.get() else {
            return;
        };
        let answers = source.settle(&settlements).await;
        let refused = answers
            .iter()
            .filter(|answer| matches!(answer, Ok(Settled::Refused)))
            .count();
        if refused > 0 {
            tracing::warn!(
                refused,
                "events had gone to another consumer before they were settled"
            );
            self.ledger.past.lock().fenced += u64::try_from(refused).unwrap_or(u64::MAX);
        }
        if let Some(error) = answers.iter().find_map(|answer| answer.as_ref().err()) {
            tracing::warn!(%error, "events could not be settled and will be delivered again");
        }
        self.held.lock().under_way = 0;
        self.flushed.notify_waiters();
        self.ledger.woke_idle();
    }

    /// Renews the lease of everything that is held, and lets go of what is held by others.
    async fn renew(&self) {
        let (ids, renewals): (Vec<Arc<str>>, Vec<(DeliveryToken, Disposition)>) = {
            let held = self.held.lock();
            held.items
                .iter()
                .filter(|(_, hold)| hold.renewed.elapsed() >= self.lease / 4)
                .map(|(id, hold)| (Arc::clone(id), (hold.token, Disposition::InProgress)))
                .unzip()
        };
        if renewals.is_empty() {
            return;
        }
        let Some(source) = self.source.get() else {
            return;
        };
        let answers = source.settle(&renewals).await;
        let now = Instant::now();
        let mut lost = 0_usize;
        let mut held = self.held.lock();
        for ((id, (token, _)), answer) in ids.iter().zip(&renewals).zip(&answers) {
            // Another token means that it was delivered again meanwhile, and is held by that.
            let same = |hold: &&mut super::Hold| hold.token == *token;
            let Some(one) = held.items.get_mut(id).filter(same) else {
                continue;
            };
            match answer {
                Ok(Settled::Done) => one.renewed = now,
                Ok(Settled::Refused) => {
                    held.items.remove(id);
                    held.lost
                        .insert(Arc::clone(id), self.keeps_its_place_until());
                    lost += 1;
                }
                // Perhaps next time: there are two more before the lease runs out.
                Err(_error) => {}
            }
        }
        drop(held);
        if lost > 0 {
            tracing::warn!(lost, "events went to another consumer while they were held");
            self.room.notify_one();
        }
    }
}
