//! How long the next break is.

use std::time::Duration;

use contexter_service::Delays;

use crate::Config;

/// The lengths of breaks from one closing to the next.
#[derive(Debug)]
pub(crate) struct Growth {
    /// `None` if all breaks are alike. Boxed, because few breakers have it and many are kept.
    delays: Option<Box<Delays>>,
    begun: bool,
    /// The length of the next break, once it has been asked for.
    drawn: Option<Duration>,
}

impl Growth {
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            delays: config.growth().map(|backoff| Box::new(backoff.delays())),
            begun: false,
            drawn: None,
        }
    }

    /// Returns how long the next break is: the same until one has [begun](Self::spend).
    pub(crate) fn peek(&mut self, config: &Config) -> Duration {
        self.begun = true;
        if self.drawn.is_none() {
            self.drawn = self.delays.as_mut().and_then(Iterator::next);
        }
        self.drawn.unwrap_or(config.recovery_timeout)
    }

    /// A break of the length that was asked for has begun.
    pub(crate) fn spend(&mut self) {
        self.drawn = None;
    }

    /// Starts over with the shortest break.
    pub(crate) fn reset(&mut self, config: &Config) {
        if self.begun {
            *self = Self::of(config);
        }
    }

    /// Takes new settings: breaks go on growing unless what they grow by has changed.
    pub(crate) fn reconfigure(&mut self, old: &Config, new: &Config) {
        if old.growth() != new.growth() {
            *self = Self::of(new);
        }
    }
}
