//! Events on their way to whoever listens.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use contexter_service::Event;

/// The name under which an instance's events appear; the first one given stays.
#[derive(Debug, Default)]
pub(crate) struct Name(OnceLock<Arc<str>>);

impl Name {
    pub(crate) fn set(&self, name: Arc<str>) {
        // The first name stays, so that the events of one instance never change theirs.
        let _already_named = self.0.set(name);
    }

    pub(crate) fn get(&self) -> Option<&str> {
        self.0.get().map(|name| &**name)
    }

    /// Counts the event, then hands its words and the name to `emit`. A listener that panics must
    /// not take the outcome of a call with it; the panic hook has reported it.
    pub(crate) fn tell(&self, event: Event, emit: impl FnOnce(Words<'_>)) {
        let told = catch_unwind(AssertUnwindSafe(|| {
            event.count(self.0.get());
            emit(Words {
                name: self.get(),
                mechanism: event.mechanism(),
                event: event.as_str(),
            });
        }));
        drop(told);
    }
}

/// The fields that every event has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) mechanism: &'static str,
    pub(crate) event: &'static str,
}
