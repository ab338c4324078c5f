//! What a cache counts and tells of its lookups.

use contexter_service::Event;

use crate::announce::Name;
use crate::sync::{AtomicU64, Ordering};

#[derive(Default)]
pub(super) struct Tally {
    pub(super) name: Name,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Tally {
    pub(super) fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
        self.name.tell(Event::CacheHit, |words| {
            tracing::debug!(
                name = words.name,
                mechanism = words.mechanism,
                event = words.event,
                "a cached response was served"
            );
        });
    }

    pub(super) fn miss(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
        self.name.tell(Event::CacheMiss, |words| {
            tracing::debug!(
                name = words.name,
                mechanism = words.mechanism,
                event = words.event,
                "no cached response was fresh"
            );
        });
    }

    pub(super) fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    pub(super) fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }
}
