//! What is refused on arrival: what nobody waits for any more, and clocks that disagree.

use std::time::Duration;

use jiff::Timestamp;

/// How far a sender's clock may be ahead of ours, unless something else is said: five minutes, as
/// Kerberos has it (RFC 4120, section 8.2, recommended value of the clock skew).
pub const DEFAULT_CLOCK_SKEW: Duration = Duration::from_mins(5);

/// Why a message or an event is refused although it can be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The sender has stopped waiting.
    #[error("expired: its age is {age:?}, its timeout {timeout:?}")]
    Expired {
        /// How long ago it was made.
        age: Duration,
        /// How long the sender waits.
        timeout: Duration,
    },
    /// The event is no longer of use.
    #[error("expired: its \"expirytime\" was {since:?} ago")]
    PastExpiry {
        /// How long ago it stopped being of use.
        since: Duration,
    },
    /// The clock of the sender is ahead of ours by more than is tolerated.
    #[error("clock skew: its {attribute:?} is {ahead:?} ahead, more than {tolerance:?}")]
    ClockSkew {
        /// The attribute that holds the time.
        attribute: &'static str,
        /// How far it is ahead of our clock.
        ahead: Duration,
        /// How far it may be ahead.
        tolerance: Duration,
    },
}

/// Checks that a time is not ahead of `now` by more than the tolerance.
pub(crate) fn check_skew(
    attribute: &'static str,
    time: Timestamp,
    now: Timestamp,
    tolerance: Duration,
) -> Result<(), Refused> {
    let ahead = between(now, time);
    if ahead > tolerance {
        return Err(Refused::ClockSkew {
            attribute,
            ahead,
            tolerance,
        });
    }
    Ok(())
}

/// The time from `earlier` to `later`; nothing if they are the other way round.
pub(crate) fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or_default()
}
