//! Waits for a condition with a deadline.

use std::thread;
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(10);

/// Looks until `look` returns something, fails, or `limit` has passed: `Ok(None)`.
#[expect(
    clippy::disallowed_methods,
    reason = "servers and processes run in real time; this is the one place that waits for them"
)]
pub(crate) fn until<T, E>(
    limit: Duration,
    mut look: impl FnMut() -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    let start = Instant::now();
    loop {
        if let Some(seen) = look()? {
            return Ok(Some(seen));
        }
        if start.elapsed() >= limit {
            return Ok(None);
        }
        thread::sleep(POLL);
    }
}
