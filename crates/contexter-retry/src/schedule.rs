//! Delays of one's own.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The delays of one call.
pub(crate) type CustomDelays = Box<dyn Iterator<Item = Duration> + Send + Sync>;

/// Makes the delays of each call anew. The box is made when a call has failed, not before.
#[derive(Clone)]
pub(crate) struct Schedule {
    make: Arc<dyn Fn() -> CustomDelays + Send + Sync>,
}

impl Schedule {
    pub(crate) fn new<F, I>(make: F) -> Self
    where
        F: Fn() -> I + Send + Sync + 'static,
        I: IntoIterator<Item = Duration>,
        I::IntoIter: Send + Sync + 'static,
    {
        Self {
            make: Arc::new(move || Box::new(make().into_iter())),
        }
    }

    pub(crate) fn delays(&self) -> CustomDelays {
        (self.make)()
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schedule").finish_non_exhaustive()
    }
}
