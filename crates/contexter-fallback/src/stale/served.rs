//! What a caller is served, and whether it is stale.

use std::time::Duration;

/// A value, and whether it stands in for an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served<V, E> {
    /// The value is what the far side gave, now or within its freshness.
    Fresh(V),
    /// The far side failed, and the last good value stands in.
    Stale {
        /// The last good value.
        value: V,
        /// How long ago it was stored.
        age: Duration,
        /// The error that it stands in for.
        error: E,
    },
}

impl<V, E> Served<V, E> {
    /// Returns the value, fresh or stale.
    #[must_use]
    pub const fn value(&self) -> &V {
        match self {
            Self::Fresh(value) | Self::Stale { value, .. } => value,
        }
    }

    /// Gives the value, fresh or stale.
    #[must_use]
    pub fn into_value(self) -> V {
        match self {
            Self::Fresh(value) | Self::Stale { value, .. } => value,
        }
    }

    /// Returns whether the value stands in for an error.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        matches!(self, Self::Stale { .. })
    }

    /// Returns the error that the value stands in for.
    #[must_use]
    pub const fn error(&self) -> Option<&E> {
        match self {
            Self::Fresh(_) => None,
            Self::Stale { error, .. } => Some(error),
        }
    }
}
