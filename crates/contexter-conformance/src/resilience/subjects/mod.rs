//! What the suite asks of each mechanism: a trait to implement, and the settings to build it from.

pub(crate) mod around;
pub(crate) mod breaker;
pub(crate) mod limit;
pub(crate) mod retry;
