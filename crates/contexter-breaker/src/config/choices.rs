//! Settings that are one of several.

use std::time::Duration;

/// What a call teaches that was admitted and then dropped before it ended.
///
/// Not asked for the losers of a hedge, which are [`superseded`](contexter_service::superseded).
///
/// In configuration: `"failure"`, `"neutral"` or `{ rate = 0.8 }`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Abandoned {
    /// It counts as a failure: a far side that hangs behind somebody's timeout is found out.
    #[default]
    Failure,
    /// It is ignored. A panic still counts as a failure.
    Neutral,
    /// It is no failure, but when this share of the calls in the window, above 0 and at most 1,
    /// was dropped, the breaker opens. For callers who drop healthy calls now and then, such as the
    /// losers of a `select!`. Needs a [`Window`]; a dropped probe is ignored.
    Rate(f64),
}

/// Which calls the rates of a closed breaker are taken over.
///
/// In configuration: `{ calls = 100 }` or `{ time = "10s" }`.
///
/// | | [`Calls`](Self::Calls) | [`Time`](Self::Time) |
/// |---|---|---|
/// | choose it when | calls are few or irregular: the last 100 count however old they are | calls are many and steady: what happened longer ago must not matter |
/// | forgets | by newer calls only | by time, also without any call |
/// | memory | 3 bits for each call, at most 24 KiB | ten buckets |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Window {
    /// The last so many calls, 1 to 65,536.
    Calls(u32),
    /// The calls of the last so much time, in ten buckets.
    ///
    /// A call is forgotten together with its bucket: never later than this after it ended, and at
    /// most a tenth earlier.
    Time(#[cfg_attr(feature = "serde", serde(with = "contexter_service::duration"))] Duration),
}
