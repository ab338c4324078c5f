//! From the handlers back to the broker, and the leases meanwhile.

use std::sync::Arc;

use futures_util::future::join_all;
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
            // Also while there is always something to settle.
            if Instant::now() >= renewal {
                remote.renew().await;
                renewal = Instant::now() + pause;
            }
        }
        if Instant::now() >= renewal {
            remote.renew().await;
            renewal = Instant::now() + pause;
        }
        if remote.is_through() {
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
        let (mut broken_off, mut letters) = (Vec::new(), Vec::new());
        for one in waiting {
            settlements.extend(one.settlement);
            broken_off.extend(one.broken_off);
            letters.extend(one.letter);
        }
        // Together, because each may be a round trip; and first, so that whoever gets the event
        // next does not take it for being handled.
        let releases = broken_off
            .iter()
            .map(|(key, by)| self.dedupe.release(key, by));
        for answer in join_all(releases).await {
            if let Err(error) = answer {
                tracing::warn!(%error, "deduplication failed");
            }
        }
        let answers = match self.source.get() {
            Some(source) if !settlements.is_empty() => source.settle(&settlements).await,
            _ => Vec::new(),
        };
        let refused = answers
            .iter()
            .filter(|answer| matches!(answer, Ok(Settled::Refused)))
            .count();
        if refused > 0 {
            tracing::warn!(
                refused,
                "events had gone to another consumer before they were settled"
            );
            self.tally.past.lock().fenced += u64::try_from(refused).unwrap_or(u64::MAX);
        }
        if let Some(error) = answers.iter().find_map(|answer| answer.as_ref().err()) {
            tracing::warn!(%error, "events could not be settled and will be delivered again");
        }
        for letter in &letters {
            if let Err(error) = self.transport.remove_dead_letter(letter).await {
                tracing::warn!(%letter, %error, "a dead letter stays that was handled again");
            }
        }
        {
            let mut held = self.held.lock();
            held.under_way = 0;
            held.redriven.retain(|letter| !letters.contains(letter));
        }
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
                    held.remove(id);
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
