//! Looking at what was published and what failed, and giving it to handlers again.

use std::sync::Arc;

use crate::bus::Bus;
use crate::dead_letter::{DeadLetter, DeadLetterId, RedriveError};
use crate::event_store::{EventFilter, History};
use crate::lanes::Item;
use crate::receipt::Acceptance;
use crate::subscription::Subscription;

impl Bus {
    /// Returns the stored events that `filter` wants, in the order of publishing.
    #[must_use]
    pub fn history(&self, filter: &EventFilter) -> History {
        self.inner.ledger.store.history(filter)
    }

    /// Gives stored events to one subscription, those that match its pattern, and returns how many
    /// it accepted.
    ///
    /// A late subscriber catches up this way. It may see an event twice that was published
    /// meanwhile.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped while it waits for room, the events so far are accepted.
    pub async fn replay(&self, history: &History, to: &Subscription) -> usize {
        let mut accepted = 0;
        for event in &history.events {
            if to.queue.pattern.matches(event.event_type()) {
                let item = Item::new(Arc::clone(event), None);
                accepted += usize::from(to.queue.push(item, None).await.is_accepted());
            }
        }
        accepted
    }

    /// Returns the dead letters, oldest first.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.inner.ledger.dead.all()
    }

    /// Gives a dead letter to its subscription again, with all attempts before it.
    ///
    /// If that subscription has ended, another of the same name takes it.
    ///
    /// # Errors
    ///
    /// Returns why it stays a dead letter.
    pub fn redrive(&self, id: DeadLetterId) -> Result<(), RedriveError> {
        let dead = &self.inner.ledger.dead;
        let letter = dead.remove(id).ok_or(RedriveError::NotFound { id })?;
        let queues = Arc::clone(&self.inner.routes.read().queues);
        let same = queues.iter().find(|queue| queue.id == letter.queue);
        let namesake = || {
            queues
                .iter()
                .find(|queue| queue.name == letter.subscription)
        };
        let subscription = Arc::clone(&letter.subscription);
        let Some(queue) = same.or_else(namesake) else {
            dead.put_back(letter);
            return Err(RedriveError::NoSubscription { subscription });
        };
        match queue.try_push(Item::new(Arc::clone(&letter.event), None)) {
            Ok(how) if how.is_accepted() => Ok(()),
            Ok(Acceptance::Closed) => {
                dead.put_back(letter);
                Err(RedriveError::NoSubscription { subscription })
            }
            _full => {
                dead.put_back(letter);
                Err(RedriveError::Full { subscription })
            }
        }
    }

    /// Forgets a dead letter and returns it.
    #[expect(clippy::must_use_candidate, reason = "forgetting is the purpose")]
    pub fn purge(&self, id: DeadLetterId) -> Option<DeadLetter> {
        self.inner.ledger.dead.remove(id)
    }

    /// Forgets all dead letters and returns how many there were.
    #[expect(clippy::must_use_candidate, reason = "forgetting is the purpose")]
    pub fn purge_all(&self) -> usize {
        self.inner.ledger.dead.purge()
    }
}
