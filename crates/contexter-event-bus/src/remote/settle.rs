//! From the handlers back to the broker, and the leases meanwhile.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::future::join;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

use super::{BrokenOff, Remote};
use crate::transport::{DeadLetterId, DeliveryToken, Disposition, Settled};

/// How many errands may be under way at once.
const AT_ONCE: usize = 64;

/// Settles and renews, until nothing more comes.
pub(crate) async fn settle(remote: Arc<Remote>) {
    join(remote.settle_and_renew(), remote.run_errands()).await;
}

/// What is done apart from settling: it may take long, and leases are to be renewed meanwhile.
#[derive(Debug)]
pub(super) enum Errand {
    /// Breaks off what was begun, so that whoever gets the event next does not take it for being
    /// handled; then the message is settled, if it is one that is held.
    BreakOff(BrokenOff, Option<(Arc<str>, Disposition)>),
    /// Removes a dead letter that was handled again.
    Remove(DeadLetterId),
}

impl Remote {
    /// Settlements that come while others are on their way go together.
    async fn settle_and_renew(&self) {
        let pause = self.lease / 3;
        let mut renewal = Instant::now() + pause;
        loop {
            tokio::select! {
                () = self.settling.notified() => {}
                () = sleep_until(renewal) => {}
            }
            // All that has gathered, and what has gathered while that was on its way.
            loop {
                let waiting = self.take_waiting();
                if waiting.is_empty() {
                    break;
                }
                self.send(&waiting).await;
                // Also while there is always something to settle.
                if Instant::now() >= renewal {
                    self.renew().await;
                    renewal = Instant::now() + pause;
                }
            }
            if Instant::now() >= renewal {
                self.renew().await;
                self.remove_again();
                renewal = Instant::now() + pause;
            }
            if *self.closing.borrow() {
                self.leave_letters();
            }
            if self.is_through() {
                self.errands.notify_one();
                return;
            }
        }
    }

    async fn run_errands(&self) {
        let mut under_way = FuturesUnordered::new();
        while !self.is_through() {
            while under_way.len() < AT_ONCE
                && let Some(errand) = self.next_errand()
            {
                under_way.push(self.run(errand));
            }
            tokio::select! {
                () = self.errands.notified() => {}
                Some(()) = under_way.next() => {}
            }
        }
    }

    fn next_errand(&self) -> Option<Errand> {
        let mut held = self.held.lock();
        let errand = held.errands.pop_front()?;
        held.errands_under_way += 1;
        Some(errand)
    }

    async fn run(&self, errand: Errand) {
        match errand {
            Errand::BreakOff((key, by), settles) => {
                if let Err(error) = self.dedupe.release(&key, &by).await {
                    tracing::warn!(%error, "deduplication failed");
                }
                if let Some((id, disposition)) = settles {
                    self.let_go(self.held.lock(), &id, disposition, None);
                }
            }
            Errand::Remove(letter) => self.remove(letter).await,
        }
        self.held.lock().errands_under_way -= 1;
        self.settling.notify_one();
        self.flushed.notify_waiters();
        self.ledger.woke_idle();
    }

    async fn remove(&self, letter: DeadLetterId) {
        let removed = self.transport.remove_dead_letter(&letter).await;
        let mut held = self.held.lock();
        match removed {
            Err(error) if error.kind().is_transient() => {
                tracing::warn!(%letter, %error, "a dead letter is not removed yet that was handled again");
                held.to_remove.push(letter);
            }
            Err(error) => {
                tracing::warn!(%letter, %error, "a dead letter stays that was handled again");
                held.redriven.remove(&letter);
            }
            Ok(_was_there) => {
                held.redriven.remove(&letter);
            }
        }
    }

    /// Tries again to remove the dead letters that could not be.
    fn remove_again(&self) {
        let mut held = self.held.lock();
        let letters = std::mem::take(&mut held.to_remove);
        if !letters.is_empty() {
            held.errands.extend(letters.into_iter().map(Errand::Remove));
            self.errands.notify_one();
        }
    }

    /// Leaves the dead letters that could not be removed: there is no next time.
    fn leave_letters(&self) {
        let mut held = self.held.lock();
        for letter in std::mem::take(&mut held.to_remove) {
            tracing::warn!(%letter, "a dead letter stays that was handled again");
            held.redriven.remove(&letter);
        }
    }

    fn take_waiting(&self) -> Vec<(DeliveryToken, Disposition)> {
        let mut held = self.held.lock();
        held.under_way = held.waiting.len();
        std::mem::take(&mut held.waiting)
    }

    async fn send(&self, settlements: &[(DeliveryToken, Disposition)]) {
        let answers = match self.source.get() {
            Some(source) => source.settle(settlements).await,
            None => Vec::new(),
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
        self.held.lock().under_way = 0;
        self.flushed.notify_waiters();
        self.ledger.woke_idle();
    }

    /// Renews the lease of everything that is held, and lets go of what is held by others. That is also
    /// what has just come: a source may have read it ahead, and half of its lease may be over.
    async fn renew(&self) {
        let (ids, renewals): (Vec<Arc<str>>, Vec<(DeliveryToken, Disposition)>) = {
            let held = self.held.lock();
            held.items
                .iter()
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
                // Perhaps next time: what was renewed has at least one more before its lease runs out.
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
