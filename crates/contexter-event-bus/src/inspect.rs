//! Looking at what was published and what failed, and giving it to handlers again.

use std::sync::Arc;

use crate::bus::Bus;
use crate::dead_letter::{RedriveError, Redriving};
use crate::history::{EventFilter, History};
use crate::lanes::{Item, Owner};
use crate::queue::Queue;
use crate::receipt::Acceptance;
use crate::subscription::Subscription;
use crate::transport::{DeadLetter, DeadLetterId, DeadLetterQuery, TransportError};

impl Bus {
    /// Returns the stored events that `filter` wants, in the order of storing.
    ///
    /// # Errors
    ///
    /// In process never; on a broker, if it cannot be read or has no capability to replay.
    pub async fn history(&self, filter: &EventFilter) -> Result<History, TransportError> {
        match self.transport() {
            None => Ok(self.inner.ledger.store.history(filter)),
            Some(transport) => transport.replay(filter).await,
        }
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
                let item = Item::new(Arc::clone(event), Owner::Redriven);
                accepted += usize::from(to.queue.push(item, None).await.is_accepted());
            }
        }
        accepted
    }

    /// Returns the oldest 1,000 dead letters, oldest first.
    ///
    /// # Errors
    ///
    /// In process never; on a broker, if it cannot be read.
    pub async fn dead_letters(&self) -> Result<Vec<DeadLetter>, TransportError> {
        self.find_dead_letters(&DeadLetterQuery::all()).await
    }

    /// Returns the dead letters that `query` wants, oldest first.
    ///
    /// # Errors
    ///
    /// In process never; on a broker, if it cannot be read.
    pub async fn find_dead_letters(
        &self,
        query: &DeadLetterQuery,
    ) -> Result<Vec<DeadLetter>, TransportError> {
        match self.transport() {
            None => Ok(self.inner.ledger.dead.list(query)),
            Some(transport) => transport.dead_letters(query).await,
        }
    }

    /// Gives a dead letter to its subscription again, with all attempts before it, and forgets it.
    ///
    /// Only the group that failed gets it, and deduplication lets it through. On a broker, a
    /// subscription without a group gets it if it is one of this very bus, and the letter stays until
    /// that has settled it, since nothing else keeps it meanwhile; until then this bus does not
    /// redrive it again. If that subscription has ended or is ending, or is not one of this bus,
    /// another of its name without a group takes it, if there is exactly one; likewise in process.
    ///
    /// # Errors
    ///
    /// Returns why it stays a dead letter.
    ///
    /// # Cancel safety
    ///
    /// On a broker, a dropped future may leave the letter although its event was published again.
    pub async fn redrive(&self, id: &DeadLetterId) -> Result<(), RedriveError> {
        let Some(transport) = self.transport() else {
            return self.redrive_here(id);
        };
        // From before it is looked at: what somebody else has handled by now is not read as one
        // that is still there.
        let redriving = self.inner.ledger.redriven.begin(id)?;
        let letters = transport
            .dead_letters(&DeadLetterQuery::one(id.clone()))
            .await?;
        let none = || RedriveError::NotFound { id: id.clone() };
        let letter = letters.into_iter().next().ok_or_else(none)?;
        if letter.pattern.is_none() {
            return self.redrive_alone(&letter, redriving);
        }
        transport.redeliver(&letter).await?;
        transport.remove_dead_letter(id).await?;
        Ok(())
    }

    /// Gives a dead letter to the subscription without a group that it comes from. Nobody would
    /// keep it for one that is not there, nor while it is being handled: it is no group of the
    /// broker's.
    fn redrive_alone(&self, letter: &DeadLetter, redriving: Redriving) -> Result<(), RedriveError> {
        let subscription = Arc::clone(&letter.subscription);
        let none = || RedriveError::NoSubscription {
            subscription: Arc::clone(&subscription),
        };
        let event = letter.event().ok_or_else(none)?;
        let queue = {
            let routes = self.inner.routes.read();
            let alone = |queue: &&Arc<Queue>| queue.group.is_none() && queue.is_open();
            let open = || routes.queues().iter().filter(alone);
            let instance = letter.instance.as_ref();
            let same = |queue: &&Arc<Queue>| instance.is_some() && queue.instance() == instance;
            let namesakes = || open().filter(|queue| queue.name == subscription);
            let queue = match open().find(same) {
                Some(queue) => queue,
                None => only(namesakes(), &subscription)?,
            };
            Arc::clone(queue)
        };
        let remote = queue.remote.as_ref().ok_or_else(none)?;
        if !remote.redrive(&letter.id, redriving) {
            return Err(none());
        }
        let error = match queue.accept(event, Owner::Letter(letter.id.clone())) {
            Ok(how) if how.is_accepted() => return Ok(()),
            Ok(Acceptance::Closed) => none(),
            // By its policy, and it has kept the letter.
            Ok(Acceptance::Dropped) => return Err(RedriveError::Full { subscription }),
            _full => RedriveError::Full { subscription },
        };
        remote.keep(&letter.id, None);
        Err(error)
    }

    fn redrive_here(&self, id: &DeadLetterId) -> Result<(), RedriveError> {
        let dead = &self.inner.ledger.dead;
        let none = || RedriveError::NotFound { id: id.clone() };
        let kept = dead.remove(id).ok_or_else(none)?;
        let subscription = Arc::clone(&kept.letter.subscription);
        let routes = self.inner.routes.read();
        let queues = routes.queues();
        let same = |queue: &&Arc<Queue>| queue.id == kept.queue && queue.is_open();
        let same = queues.iter().find(same);
        let letter = &kept.letter;
        let namesake = |queue: &&Arc<Queue>| {
            queue.name == letter.subscription
                && *queue.group_name() == letter.group
                && queue.redrive_pattern() == letter.pattern
                && queue.is_open()
        };
        let found = match same {
            Some(queue) => Ok(queue),
            None => only(queues.iter().filter(namesake), &subscription),
        };
        let none = || RedriveError::NoSubscription {
            subscription: Arc::clone(&subscription),
        };
        let found = found.and_then(|queue| Ok((queue, letter.event().ok_or_else(none)?)));
        let (queue, event) = match found {
            Ok(found) => found,
            Err(error) => {
                dead.put_back(kept);
                return Err(error);
            }
        };
        match queue.accept(event, Owner::Redriven) {
            Ok(how) if how.is_accepted() => Ok(()),
            Ok(Acceptance::Closed) => {
                dead.put_back(kept);
                Err(RedriveError::NoSubscription { subscription })
            }
            _full => {
                dead.put_back(kept);
                Err(RedriveError::Full { subscription })
            }
        }
    }

    /// Forgets a dead letter, and returns whether it was there.
    ///
    /// # Errors
    ///
    /// In process never; on a broker, if it cannot be reached.
    pub async fn purge(&self, id: &DeadLetterId) -> Result<bool, TransportError> {
        match self.transport() {
            None => Ok(self.inner.ledger.dead.remove(id).is_some()),
            Some(transport) => transport.remove_dead_letter(id).await,
        }
    }

    /// Forgets all dead letters, and returns how many there were.
    ///
    /// # Errors
    ///
    /// In process never; on a broker, if it cannot be reached.
    pub async fn purge_all(&self) -> Result<u64, TransportError> {
        match self.transport() {
            None => Ok(u64::try_from(self.inner.ledger.dead.purge()).unwrap_or(u64::MAX)),
            Some(transport) => transport.purge_dead_letters().await,
        }
    }
}

/// Returns the one that can take the place of a subscription that has ended. Of several nobody knows
/// which has handled the event already.
fn only<'q>(
    mut namesakes: impl Iterator<Item = &'q Arc<Queue>>,
    subscription: &Arc<str>,
) -> Result<&'q Arc<Queue>, RedriveError> {
    let subscription = || Arc::clone(subscription);
    let none = || RedriveError::NoSubscription {
        subscription: subscription(),
    };
    let one = namesakes.next().ok_or_else(none)?;
    match namesakes.next() {
        None => Ok(one),
        Some(_) => Err(RedriveError::SeveralSubscriptions {
            subscription: subscription(),
        }),
    }
}
