//! What travels with a call through the mechanisms.

use std::time::Instant;

/// The context of one call: small, `Copy`, and without a clock.
///
/// | field | default | meaning |
/// |---|---|---|
/// | attempt | 1 | which attempt of the logical call this is |
/// | deadline | none | when the whole call must be over |
/// | weight | 1 | how much of a quota the call takes |
/// | idempotent | `true` | whether sending it twice does no harm |
/// | budgeted | `false` | whether the call has already been counted in a retry budget |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cx {
    attempt: u32,
    weight: u32,
    deadline: Option<Instant>,
    idempotent: bool,
    budgeted: bool,
}

impl Default for Cx {
    fn default() -> Self {
        Self::new()
    }
}

impl Cx {
    /// Creates the context of a first attempt with the defaults above.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            attempt: 1,
            weight: 1,
            deadline: None,
            idempotent: true,
            budgeted: false,
        }
    }

    /// Returns which attempt this is, counted from 1.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Returns when the whole call must be over.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Returns how much of a quota the call takes.
    #[must_use]
    pub const fn weight(&self) -> u32 {
        self.weight
    }

    /// Returns whether sending the call twice does no harm.
    #[must_use]
    pub const fn is_idempotent(&self) -> bool {
        self.idempotent
    }

    /// Returns whether an outer mechanism has already counted the call in a retry budget, so that
    /// its repeats do not earn further ones.
    #[must_use]
    pub const fn is_budgeted(&self) -> bool {
        self.budgeted
    }

    /// Sets the attempt number.
    #[must_use]
    pub const fn with_attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// Moves the deadline earlier; an earlier one that is already set stays.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(self.deadline.map_or(deadline, |set| set.min(deadline)));
        self
    }

    /// Takes the deadline away: for work that several callers share, so that the end of one's time
    /// does not end it for the others.
    #[must_use]
    pub const fn without_deadline(mut self) -> Self {
        self.deadline = None;
        self
    }

    /// Sets how much of a quota the call takes.
    #[must_use]
    pub const fn with_weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }

    /// Says whether sending the call twice does no harm.
    #[must_use]
    pub const fn with_idempotent(mut self, idempotent: bool) -> Self {
        self.idempotent = idempotent;
        self
    }

    /// Says whether the call has been counted in a retry budget.
    #[must_use]
    pub const fn with_budgeted(mut self, budgeted: bool) -> Self {
        self.budgeted = budgeted;
        self
    }
}
