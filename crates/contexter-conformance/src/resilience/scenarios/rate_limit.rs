//! A limit on how many calls there are in a time.

use std::time::{Duration, Instant};

use contexter_service::{Clock, Limited};

use super::workbench::JUST;
use crate::Verdict;
use crate::resilience::Time;
use crate::resilience::flight::once;
use crate::resilience::op::Op;
use crate::resilience::outcome::Failure;
use crate::resilience::step::Step;
use crate::resilience::subjects::limit::{RateLimitSubject, RateSettings};
use crate::resilience::suite::Stand;
use crate::verdict::{Checked, check};

type RateLimits = Stand<RateSettings, dyn RateLimitSubject>;

const LIMIT: usize = 5;
const PERIOD: Duration = Duration::from_secs(10);

/// Makes one call; returns nothing if it was admitted, and otherwise when it says to come back.
fn refusal(limit: &dyn RateLimitSubject, time: &Time) -> Checked<Option<Limited>> {
    let op = Op::new(time, Step::ok());
    let seen = once(limit.call(&op));
    match seen.failure() {
        None if op.started() == 1 => Ok(None),
        Some(Failure::Limited(limited)) if op.started() == 0 => Ok(Some(*limited)),
        _ => Err(Verdict::Fail(format!(
            "expected a call that is either made or refused, saw {} runs and {seen}",
            op.started()
        ))),
    }
}

fn admits(limit: &dyn RateLimitSubject, time: &Time) -> Checked<bool> {
    Ok(refusal(limit, time)?.is_none())
}

/// No window of one period may hold more than the limit.
fn check_windows(what: &str, admitted: &[Instant]) -> Checked {
    for (number, (first, beyond)) in admitted.iter().zip(admitted.iter().skip(LIMIT)).enumerate() {
        check(*beyond - *first >= PERIOD, || {
            format!(
                "{what}: expected at most {LIMIT} calls in any {PERIOD:?}, saw calls {} to {} in \
                 {:?}",
                number + 1,
                number + 1 + LIMIT,
                *beyond - *first
            )
        })?;
    }
    Ok(())
}

pub(super) fn sliding(stand: &RateLimits) -> Checked {
    never_above_the_limit(stand)?;
    says_when(stand)?;
    grants_nothing_to_a_clock_set_back(stand)
}

fn never_above_the_limit(stand: &RateLimits) -> Checked {
    const ALL: usize = 10_000;
    let tenth = Duration::from_millis(100);
    // How many calls at most at one moment, and how long until the next moment.
    let seam = [
        (1, PERIOD.saturating_sub(tenth)),
        (ALL, tenth),
        (ALL, PERIOD),
    ];
    let patterns: [(&str, &[(usize, Duration)]); 4] = [
        ("as many as may pass, every 100 ms", &[(ALL, tenth)]),
        ("one call, and bursts around the end of its period", &seam),
        ("bursts 7 s apart", &[(ALL, Duration::from_secs(7))]),
        ("a call every second", &[(1, Duration::from_secs(1))]),
    ];
    for (what, pattern) in patterns {
        let (limit, time) = stand.make(&RateSettings::default())?;
        let start = time.now();
        let mut admitted = Vec::new();
        for (most, pause) in pattern.iter().cycle() {
            if time.now() - start >= 20 * PERIOD {
                break;
            }
            for made in 0..*most {
                if !admits(&*limit, &time)? {
                    break;
                }
                admitted.push(time.now());
                check(made + 1 < ALL, || {
                    format!("{what}: expected a limit, saw {ALL} calls admitted at one moment")
                })?;
            }
            time.advance(*pause);
        }
        check_windows(what, &admitted)?;
        check(admitted.len() >= 20, || {
            format!(
                "{what}: expected at least one call in each of 20 periods, saw {} in all",
                admitted.len()
            )
        })?;
    }

    let (limit, time) = stand.make(&RateSettings::default())?;
    let admitted: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let limit = limit.sibling();
                let time = &time;
                scope.spawn(move || {
                    (0..20)
                        .filter(|_| matches!(admits(&*limit, time), Ok(true)))
                        .count()
                })
            })
            .collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().ok())
            .sum()
    });
    check((1..=LIMIT).contains(&admitted), || {
        format!("8 threads at one moment: expected 1 to {LIMIT} calls admitted, saw {admitted}")
    })
}

/// Makes calls until one is refused; returns when it says to come back.
fn used_up(limit: &dyn RateLimitSubject, time: &Time) -> Checked<Option<Duration>> {
    for _ in 0..=LIMIT {
        if let Some(limited) = refusal(limit, time)? {
            return Ok(limited.retry_after);
        }
    }
    Err(Verdict::Fail(format!(
        "expected a refusal within {} calls at one moment, saw none",
        LIMIT + 1
    )))
}

fn says_when(stand: &RateLimits) -> Checked {
    let (limit, time) = stand.make(&RateSettings::default())?;
    for _ in 0..20 {
        let when = used_up(&*limit, &time)?.unwrap_or_default();
        check(!when.is_zero() && when <= PERIOD, || {
            format!("a refusal: expected it to say when, within {PERIOD:?}; it said {when:?}")
        })?;
        time.advance(when.saturating_sub(JUST));
        let early = when > JUST && admits(&*limit, &time)?;
        check(!early, || {
            format!("just before the {when:?} it said: expected a refusal")
        })?;
        time.advance(JUST);
        let admitted = admits(&*limit, &time)?;
        check(admitted, || {
            format!("after the {when:?} it said: expected a call to be admitted")
        })?;
    }
    Ok(())
}

fn grants_nothing_to_a_clock_set_back(stand: &RateLimits) -> Checked {
    let (limit, time) = stand.make(&RateSettings::default())?;
    used_up(&*limit, &time)?;
    let hour = Duration::from_hours(1);
    time.set_back(hour);
    for _ in 0..10 {
        check(!admits(&*limit, &time)?, || {
            "the clock was set back by an hour: expected no call to be granted by that".to_owned()
        })?;
    }
    time.advance(hour + PERIOD);
    check(admits(&*limit, &time)?, || {
        "an hour and a period after the clock was set back by an hour: expected a call to be \
         admitted"
            .to_owned()
    })
}

pub(super) fn feedback_pauses_all(stand: &RateLimits) -> Checked {
    let pause = Duration::from_secs(30);
    let (limit, time) = stand.make(&RateSettings::default())?;
    limit.pause(pause)?;
    all_are_paused(&*limit, &time, pause)?;

    let (limit, time) = stand.make(&RateSettings::default())?;
    if limit.reads_outcomes() {
        let op = Op::new(&time, Step::fail().retry_after(pause));
        once(limit.call(&op)).expect_fault("a call that the far side tells to wait", 1)?;
        all_are_paused(&*limit, &time, pause)?;
    }
    Ok(())
}

fn all_are_paused(limit: &dyn RateLimitSubject, time: &Time, pause: Duration) -> Checked {
    let sibling = limit.sibling();
    for (passed, handle) in [(0, limit), (10, &*sibling), (20, limit)] {
        let refused = refusal(handle, time)?;
        check(refused.is_some(), || {
            format!("{passed} s into a pause of {pause:?}: expected a refusal, saw a call admitted")
        })?;
        let left = pause.saturating_sub(Duration::from_secs(passed));
        let when = refused.and_then(|limited| limited.retry_after);
        let when = when.unwrap_or_default();
        check(when >= left && when <= left + PERIOD, || {
            format!("{passed} s into a pause of {pause:?}: it said {when:?}")
        })?;
        time.advance(Duration::from_secs(10));
    }
    // What was taken before the pause may still be missing.
    time.advance(PERIOD);
    check(admits(&*sibling, time)?, || {
        "a period after the pause: expected a call to be admitted".to_owned()
    })
}

pub(super) fn bad_settings(stand: &RateLimits) -> Checked {
    let base = RateSettings::default();
    let zero = Duration::ZERO;
    super::refuses_all(
        stand,
        [
            ("a limit of 0", RateSettings { limit: 0, ..base }, 1),
            (
                "a period of zero",
                RateSettings {
                    period: zero,
                    ..base
                },
                1,
            ),
            (
                "a limit of 0 in a period of zero",
                RateSettings {
                    limit: 0,
                    period: zero,
                },
                2,
            ),
        ],
    )
}
