//! What a broker says when it has stored an event.

/// The broker's word that it has stored an event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Confirmation {
    /// The place of the event in the broker's own words; [`EventFilter::after`] takes it.
    ///
    /// [`EventFilter::after`]: crate::EventFilter::after
    pub id: String,
    /// The number of the event in its stream, where the broker counts.
    pub sequence: Option<u64>,
    /// Whether the broker had this event already, and stored nothing.
    pub duplicate: bool,
}

impl Confirmation {
    /// Says where the event was stored.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            sequence: None,
            duplicate: false,
        }
    }

    /// Says which number it has in its stream.
    #[must_use]
    pub fn with_sequence(mut self, sequence: u64) -> Self {
        self.sequence = Some(sequence);
        self
    }

    /// Says whether the broker had it already.
    #[must_use]
    pub fn with_duplicate(mut self, duplicate: bool) -> Self {
        self.duplicate = duplicate;
        self
    }
}
