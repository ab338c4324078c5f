//! How much one consumer may hold.

/// How much a consumer may hold unsettled, what is on its way included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Most {
    pub(super) held: usize,
    pub(super) bytes: usize,
    /// How many may be on their way. An open pull can be answered much later, when messages are of
    /// another size.
    pub(super) at_once: usize,
}

/// How many times the bytes that may be held may come if all that is on its way is of the largest.
const AT_WORST: usize = 4;

impl Most {
    pub(super) fn new(held: usize, bytes: usize, largest: usize) -> Self {
        Self {
            held: held.max(1),
            bytes: bytes.max(1),
            at_once: (bytes.saturating_mul(AT_WORST) / largest.max(1)).max(1),
        }
    }

    /// How much room makes another pull worth it while one is open.
    pub(super) fn worth_it(&self) -> usize {
        self.held.min(self.at_once).div_ceil(4)
    }
}
