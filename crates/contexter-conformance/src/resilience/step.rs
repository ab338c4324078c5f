//! How scripted runs go.

use std::time::Duration;

use contexter_service::{Again, Sample};

/// How one run of an operation goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(super) after: Duration,
    pub(super) end: End,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Value,
    Fault {
        sample: Sample,
        again: Again,
        sent: bool,
    },
    Panic,
    Never,
}

impl Step {
    const fn at_once(end: End) -> Self {
        Self {
            after: Duration::ZERO,
            end,
        }
    }

    /// Succeeds.
    pub(crate) const fn ok() -> Self {
        Self::at_once(End::Value)
    }

    /// Fails; the far side does not work, and another attempt may help.
    pub(crate) const fn fail() -> Self {
        Self::at_once(End::Fault {
            sample: Sample::Failure,
            again: Again::Yes { after: None },
            sent: true,
        })
    }

    /// Fails in a way that says nothing about the far side and that no attempt can help.
    pub(crate) const fn neutral() -> Self {
        Self::at_once(End::Fault {
            sample: Sample::Neutral,
            again: Again::No,
            sent: true,
        })
    }

    /// Panics.
    pub(crate) const fn panic() -> Self {
        Self::at_once(End::Panic)
    }

    /// Does not end by itself.
    pub(crate) const fn hang() -> Self {
        Self::at_once(End::Never)
    }

    /// Takes its time.
    pub(crate) const fn after(mut self, after: Duration) -> Self {
        self.after = after;
        self
    }

    /// The far side names the wait before another attempt.
    pub(crate) const fn retry_after(mut self, wait: Duration) -> Self {
        if let End::Fault { again, .. } = &mut self.end {
            *again = Again::Yes { after: Some(wait) };
        }
        self
    }

    /// No attempt can help.
    pub(crate) const fn lasting(mut self) -> Self {
        if let End::Fault { again, .. } = &mut self.end {
            *again = Again::No;
        }
        self
    }

    /// The request surely never reached the far side.
    pub(crate) const fn not_sent(mut self) -> Self {
        if let End::Fault { sent, .. } = &mut self.end {
            *sent = false;
        }
        self
    }
}
