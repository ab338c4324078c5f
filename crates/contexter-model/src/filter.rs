//! Which points of a collection a call is about.

use serde::{Deserialize, Serialize};

/// One condition on the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// The field, one of [`CollectionSpec::keyword_fields`](crate::CollectionSpec::keyword_fields).
    pub field: String,
    /// The field must hold one of these values.
    pub any_of: Vec<String>,
}

/// Which points a call is about: all conditions hold. No condition: all points.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// The conditions.
    pub must: Vec<Condition>,
}

impl Filter {
    /// Returns a filter that lets every point pass.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Adds the condition that `field` holds `value`.
    #[must_use]
    pub fn and(mut self, field: impl Into<String>, value: impl Into<String>) -> Self {
        self.must.push(Condition {
            field: field.into(),
            any_of: vec![value.into()],
        });
        self
    }

    /// Returns whether every point passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.must.is_empty()
    }
}
