//! How large the next message may be.

/// What the size of a message is reckoned with that has not come yet, by those that came lately.
///
/// For a transport whose broker counts what it gives and does not weigh it: so it knows how many to
/// ask for. As long as nothing came, every message is taken to be as large as one may be; after that,
/// as large as those that came on average. It rises at once and sinks by half the difference each
/// time, because too much is worse than too little.
///
/// # Examples
///
/// ```
/// use contexter_event_bus::transport::ExpectedSize;
///
/// let mut size = ExpectedSize::new(1_000);
/// assert_eq!(size.fit(2_500), 3);
/// size.saw(10, 1_000);
/// assert_eq!(size.fit(2_500), 25);
/// size.saw(1, 500);
/// assert_eq!(size.fit(2_500), 5);
/// assert_eq!(size.fit(0), 0);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ExpectedSize {
    bytes: usize,
    guessed: bool,
}

impl ExpectedSize {
    /// Nothing came yet; so large may a message be.
    #[must_use]
    pub fn new(largest: usize) -> Self {
        Self {
            bytes: largest.max(1),
            guessed: true,
        }
    }

    /// Learns that `many` messages came, which are so large together.
    pub fn saw(&mut self, many: usize, bytes: usize) {
        let Some(average) = bytes.checked_div(many) else {
            return;
        };
        let average = average.max(1);
        self.bytes = if self.guessed || average >= self.bytes {
            average
        } else {
            average + (self.bytes - average) / 2
        };
        self.guessed = false;
    }

    /// Returns how many messages fit into a number of bytes, of which the last may go beyond it: into
    /// a single one fits one, into none none.
    #[must_use]
    pub fn fit(&self, bytes: usize) -> usize {
        bytes.div_ceil(self.bytes)
    }
}

impl Default for ExpectedSize {
    /// Nothing came yet, and a message may have 1 MiB.
    fn default() -> Self {
        Self::new(1024 * 1024)
    }
}
