//! The scenarios: each is a rule as data, and a function that asks a subject for it.

mod adaptive;
mod breaker_control;
mod breaker_half_open;
mod breaker_open;
mod breaker_tripping;
mod bulkhead;
mod fallback;
mod hedge;
mod keyed;
mod rate_limit;
mod retry_attempts;
mod retry_budget;
mod retry_delays;
mod spending;
mod stack;
mod timeout;
mod workbench;

use std::time::Duration;

use super::Time;
use super::subjects::around::{
    FallbackSubject, KeyedSettings, KeyedSubject, Recovery, Shape, StackSubject, TimeoutSubject,
};
use super::subjects::breaker::{BreakerSettings, BreakerSubject};
use super::subjects::limit::{
    AdaptiveSettings, AdaptiveSubject, BulkheadSettings, BulkheadSubject, RateLimitSubject,
    RateSettings,
};
use super::subjects::retry::{HedgeSettings, HedgeSubject, RetrySettings, RetrySubject};
use super::suite::{Scenario, Stand};
use crate::verdict::{Checked, check};
use crate::{Refusal, Rule, Verdict};

type Scenarios<S, T> = Vec<Scenario<S, T>>;

macro_rules! scenarios {
    ($mechanism:literal: $($number:literal $text:literal => $run:expr,)+) => {
        vec![$(Scenario { rule: Rule::new($number, $mechanism, $text), run: $run },)+]
    };
}

pub(crate) fn breaker() -> Scenarios<BreakerSettings, dyn BreakerSubject> {
    use breaker_control as control;
    use breaker_half_open as half_open;
    use breaker_open as open;
    use breaker_tripping as tripping;
    scenarios! { "breaker":
        1 "after 10,000 successes, half of a window of 100 failing opens it" => tripping::window_slides,
        2 "it opens with the call that completes the minimum" => tripping::minimum_is_exact,
        3 "the share that opens it is inclusive" => tripping::rate_is_inclusive,
        4 "failures older than the window do not count" => tripping::old_failures_expire,
        5 "a full window takes no more memory than an empty one" => tripping::cost_is_constant,
        6 "only a success ends a streak of failures" => tripping::streak_is_interrupted_by_success,
        7 "slow calls open it, and their callers get their values" => tripping::slow_calls_open,
        8 "a neutral outcome changes no counter and no state" => tripping::neutral_changes_nothing,
        9 "failures from the first moment open it without waiting for a window" => tripping::first_window_counts,
        10 "calls dropped while pending open it if they count, and not otherwise" => tripping::dropped_calls_count_as_set,
        11 "by default, a dead far side called twice a second is cut off in 30 s" => tripping::defaults_see_low_traffic,
        12 "a refused call begins nothing, polls nothing and readies nothing" => open::refuses_without_beginning,
        13 "a refusal carries the remaining time, which shrinks" => open::refusal_says_when,
        14 "the first probe is admitted exactly when the break is over" => open::break_ends_exactly,
        15 "late outcomes while open change nothing" => open::late_outcomes_change_nothing,
        16 "breaks grow to the cap, start over after a close, and never overflow" => open::breaks_grow,
        17 "of 100 concurrent calls exactly the permitted probes pass" => half_open::probes_are_bounded,
        18 "a dropped probe gives its place back at once" => half_open::dropped_probe,
        19 "a panicking probe gives its place back, and the breaker goes on" => half_open::panicking_probe,
        20 "a neutral probe gives its place back and decides nothing" => half_open::neutral_probe,
        21 "a probe that hangs does not keep it half-open beyond the limit" => half_open::hung_probe,
        22 "a success from before the trip closes nothing" => half_open::stale_success,
        23 "a failure from before the trip opens nothing" => half_open::stale_failure,
        24 "a probe of an earlier half-open period decides nothing" => half_open::stale_probe,
        25 "m of n probes close it; it opens as soon as m cannot be reached" => half_open::m_of_n,
        26 "each transition is told once, in order, under 8 threads" => control::transitions_are_told_once,
        27 "what is done by hand holds until it is released" => control::by_hand_holds,
        28 "all handles of one breaker share one state" => control::handles_share,
        30 "a listener that panics or calls back costs nothing" => control::listeners_are_harmless,
        31 "new settings keep the state and the end of the break" => control::settings_keep_state,
        32 "bad settings are refused, all faults at once" => control::bad_settings,
        60 "exactly one state is 1 in the gauges" => control::gauges_add_up,
        61 "a call allocates nothing when nobody listens" => spending::breaker,
    }
}

pub(crate) fn retry() -> Scenarios<RetrySettings, dyn RetrySubject> {
    use retry_attempts as attempts;
    use retry_budget as budget;
    use retry_delays as delays;
    scenarios! { "retry":
        32 "bad settings are refused, all faults at once" => attempts::bad_settings,
        33 "as many attempts as allowed, and the last error unchanged with their number" => attempts::attempts_are_exact,
        34 "no delay exceeds the cap, jitter included" => delays::cap_is_a_cap,
        35 "100,000 attempts give no zero, endless or shrinking delay" => delays::never_overflows,
        36 "jitter keeps its law, spreads, and repeats with a seed" => delays::jitter_keeps_its_law,
        37 "the wait that the far side asks for is kept, or it gives up at once" => delays::asked_waits_are_kept,
        38 "attempts count towards the longest time, and no wait ends beyond it" => attempts::elapsed_counts_attempts,
        39 "attempts know the deadline, and none begins after it" => attempts::deadline_holds,
        41 "retries stay within the budget, exactly, and waiting ones hold their token" => budget::budget_is_exact,
        42 "a call that may have been sent and is not idempotent is not repeated" => attempts::idempotency_gate,
        43 "a dropped call makes no further attempt and leaves no wait" => attempts::dropping_ends_it,
        44 "each attempt readies the very instance it calls; a readiness error is final" => attempts::readies_each_attempt,
        45 "a failed attempt's outcome is dropped before the wait" => attempts::outcome_ends_before_the_wait,
        61 "a call allocates nothing when nobody listens" => spending::retry,
    }
}

pub(crate) fn hedge() -> Scenarios<HedgeSettings, dyn HedgeSubject> {
    scenarios! { "hedge":
        44 "each attempt readies the very instance it calls" => hedge::readies_each_attempt,
        46 "a first attempt faster than the delay is the only one" => hedge::fast_first,
        47 "the second begins at the delay, the first good outcome wins, losers are dropped" => hedge::slow_first,
        48 "a retryable error begins the next at once; the last error only when all failed" => hedge::errors_begin_the_next,
        49 "a used-up budget leaves the attempts under way alone" => hedge::budget_spares_those_under_way,
        50 "a call that is not idempotent is not hedged" => hedge::idempotency_gate,
        61 "a call allocates nothing when nobody listens" => spending::hedge,
    }
}

pub(crate) fn bulkhead() -> Scenarios<BulkheadSettings, dyn BulkheadSubject> {
    scenarios! { "bulkhead":
        32 "bad settings are refused" => bulkhead::bad_settings,
        51 "exactly the limit run; queue and wait are bounded, first come first served" => bulkhead::bounds_hold,
        52 "a place can be kept until the response's body ends" => bulkhead::place_until_the_body_ends,
        61 "a call allocates nothing when nobody listens" => spending::bulkhead,
    }
}

pub(crate) fn rate_limit() -> Scenarios<RateSettings, dyn RateLimitSubject> {
    scenarios! { "rate limit":
        32 "bad settings are refused" => rate_limit::bad_settings,
        55 "no window of one period sees more than the limit; a refusal says when" => rate_limit::sliding,
        56 "a pause that the far side asks for holds for all callers" => rate_limit::feedback_pauses_all,
        61 "a call allocates nothing when nobody listens" => spending::rate_limit,
    }
}

pub(crate) fn adaptive() -> Scenarios<AdaptiveSettings, dyn AdaptiveSubject> {
    scenarios! { "adaptive":
        32 "bad settings are refused" => adaptive::bad_settings,
        59 "the limit follows the latency within its bounds, and learns no incident" => adaptive::follows_latency,
        61 "a call allocates nothing when nobody listens" => spending::adaptive,
    }
}

pub(crate) fn timeout() -> Scenarios<Duration, dyn TimeoutSubject> {
    scenarios! { "timeout":
        32 "a time of zero is refused" => timeout::bad_settings,
        39 "the time is the shorter of the limit and what is left until the deadline" => timeout::deadline_holds,
        57 "it fires on time, after the call was dropped; an outcome in the same poll wins" => timeout::fires_on_time,
        61 "a call allocates nothing when nobody listens" => spending::timeout,
    }
}

pub(crate) fn fallback() -> Scenarios<Recovery, dyn FallbackSubject> {
    scenarios! { "fallback":
        58 "it sees the error; if it fails too, the caller gets both" => fallback::sees_the_error,
        61 "a call allocates nothing when nobody listens" => spending::fallback,
    }
}

pub(crate) fn stack() -> Scenarios<Shape, dyn StackSubject> {
    scenarios! { "stack":
        40 "an open breaker inside a retry is not tried again" => stack::open_is_final,
        47 "a hedge's losers give back the places of breaker and bulkhead" => stack::losers_give_back,
        53 "a retry that waits holds no place of a bulkhead" => stack::waiting_holds_no_place,
        54 "a refusal of bulkhead or rate limit is neutral for the breaker" => stack::refusals_are_neutral,
    }
}

pub(crate) fn keyed() -> Scenarios<KeyedSettings, dyn KeyedSubject> {
    scenarios! { "registry":
        29 "one breaker for a key under a race; only what nobody could tell from new is evicted" => keyed::registry,
    }
}

/// Settings that must be refused, with as many faults as they have. Those that a subject does not
/// have at all are left out; if it has none of them, the rule does not apply.
fn refuses_all<S, T: ?Sized>(
    stand: &Stand<S, T>,
    cases: impl IntoIterator<Item = (&'static str, S, usize)>,
) -> Checked {
    let mut missing = None;
    let mut asked = 0;
    for (what, settings, faults) in cases {
        match stand.build(&settings, &Time::new()) {
            Err(Refusal::Unsupported(unsupported)) => missing = Some(unsupported),
            Err(Refusal::Invalid(seen)) => {
                check(seen.len() >= faults, || {
                    format!("{what}: expected {faults} faults to be named, saw {seen:?}")
                })?;
                asked += 1;
            }
            Ok(_subject) => {
                return Err(Verdict::Fail(format!(
                    "{what}: expected it to be refused, it was taken"
                )));
            }
        }
    }
    match missing {
        Some(unsupported) if asked == 0 => Err(unsupported.into()),
        _ => Ok(()),
    }
}
