//! What all handles to one adaptive limit share, and the handles.

use std::sync::Arc;
use std::time::Instant;

use contexter_service::{Clock, Sample};

use super::estimator::Estimator;
use super::{AdaptiveConfig, AdaptiveLimit};
use crate::semaphore::{InRoom, Room};
use crate::sync::Mutex;

/// What all handles to one limit share.
#[derive(Debug)]
pub struct Shared<C> {
    pub(super) room: Room<C>,
    pub(super) estimator: Mutex<Estimator>,
}

impl<C: Clock> Shared<C> {
    /// The settings must be valid.
    pub(super) fn new(config: AdaptiveConfig, clock: C) -> Self {
        let estimator = Estimator::new(config);
        let limit = estimator.limit();
        Self {
            room: Room::new(limit, config.max_queue, config.max_wait, clock),
            estimator: Mutex::new(estimator),
        }
    }

    pub(crate) fn record(&self, started: Instant, sample: Sample) {
        let now = self.room.clock.now();
        match sample {
            Sample::Success => {
                let running = self.room.semaphore.running();
                self.teach(|estimator| estimator.succeeded(started, now, running));
            }
            Sample::Failure => self.teach(|estimator| estimator.failed(started, now)),
            Sample::Neutral => {}
        }
    }

    #[cold]
    pub(crate) fn abandon(&self, started: Instant) {
        let now = self.room.clock.now();
        self.teach(|estimator| estimator.abandoned(started, now));
    }

    /// Changes the estimate and what follows from it.
    pub(super) fn teach(&self, change: impl FnOnce(&mut Estimator)) {
        let grown = self.estimator.hold(|estimator| {
            let before = estimator.limit();
            change(estimator);
            let limit = estimator.limit();
            // Under the lock, so that the last estimate is the one that stays.
            limit != before && self.room.semaphore.store_limit(limit)
        });
        if grown {
            // Outside of it: this wakes who waits.
            self.room.semaphore.fill();
        }
    }
}

/// A handle to an adaptive limit, borrowed or owned.
pub trait Adapting: InRoom {
    /// Returns the state.
    fn shared(&self) -> &Shared<Self::Clock>;
}

impl<C: Clock> InRoom for Arc<Shared<C>> {
    type Clock = C;

    #[inline]
    fn room(&self) -> &Room<C> {
        &self.room
    }
}

impl<C: Clock> Adapting for Arc<Shared<C>> {
    #[inline]
    fn shared(&self) -> &Shared<C> {
        self
    }
}

impl<C: Clock, K> InRoom for AdaptiveLimit<C, K> {
    type Clock = C;

    #[inline]
    fn room(&self) -> &Room<C> {
        &self.shared.room
    }
}

impl<C: Clock, K> Adapting for AdaptiveLimit<C, K> {
    #[inline]
    fn shared(&self) -> &Shared<C> {
        &self.shared
    }
}

impl<C: Clock, K> InRoom for &AdaptiveLimit<C, K> {
    type Clock = C;

    #[inline]
    fn room(&self) -> &Room<C> {
        &self.shared.room
    }
}

impl<C: Clock, K> Adapting for &AdaptiveLimit<C, K> {
    #[inline]
    fn shared(&self) -> &Shared<C> {
        &self.shared
    }
}
