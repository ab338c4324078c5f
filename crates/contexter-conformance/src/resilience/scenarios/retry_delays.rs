//! How long a retry waits.

use std::time::{Duration, SystemTime};

use contexter_service::{Clock, Cx, Jitter, later};

use super::retry_attempts::{Retries, optional, run};
use crate::resilience::Time;
use crate::resilience::flight::Flight;
use crate::resilience::op::Op;
use crate::resilience::step::Step;
use crate::resilience::subjects::retry::{RetrySettings, RetrySubject, WaitHeader};
use crate::verdict::{Checked, check, same};

const SECOND: Duration = Duration::from_secs(1);
const JITTERS: [Jitter; 4] = [
    Jitter::None,
    Jitter::Full,
    Jitter::Equal,
    Jitter::Decorrelated,
];

/// The delays of one call whose attempts all fail at once.
fn delays(retry: &dyn RetrySubject, time: &Time) -> Checked<Vec<Duration>> {
    let op = Op::new(time, Step::fail());
    run(retry, time, Cx::new(), &op)?;
    Ok(op.gaps())
}

pub(super) fn cap_is_a_cap(stand: &Retries) -> Checked {
    for jitter in JITTERS {
        let settings = RetrySettings {
            max_attempts: 100,
            base: SECOND / 10,
            cap: SECOND,
            jitter,
            ..RetrySettings::default()
        };
        let Some((retry, time)) = optional(stand.make(&settings))? else {
            continue;
        };
        for _ in 0..10 {
            for (number, delay) in delays(&*retry, &time)?.into_iter().enumerate() {
                check(delay <= SECOND, || {
                    format!(
                        "delay {} with {jitter:?} jitter: expected at most {SECOND:?}, saw {delay:?}",
                        number + 1
                    )
                })?;
            }
        }
    }
    Ok(())
}

pub(super) fn never_overflows(stand: &Retries) -> Checked {
    const ATTEMPTS: u32 = 100_000;
    const YEAR: Duration = Duration::from_hours(24 * 365);
    let cases = [
        (ATTEMPTS, 10 * SECOND, Jitter::None),
        (ATTEMPTS / 10, 10 * SECOND, Jitter::Equal),
        (100, 1_000 * YEAR, Jitter::None),
    ];
    for (max_attempts, cap, jitter) in cases {
        let settings = RetrySettings {
            max_attempts,
            base: SECOND / 1000,
            cap,
            factor: 10.0,
            jitter,
            ..RetrySettings::default()
        };
        let Some((retry, time)) = optional(stand.make(&settings))? else {
            continue;
        };
        let delays = delays(&*retry, &time)?;
        let made = u32::try_from(delays.len() + 1).unwrap_or(u32::MAX);
        same("attempts made", &made, &max_attempts)?;
        let floor = if jitter == Jitter::None { 1 } else { 2 };
        let mut longest = Duration::ZERO;
        for (number, delay) in delays.into_iter().enumerate() {
            check(
                !delay.is_zero() && delay <= cap && delay >= longest / floor,
                || {
                    format!(
                        "delay {} with {jitter:?} jitter: expected one that does not shrink, of \
                         at most {cap:?}; saw {delay:?} after {longest:?}",
                        number + 1
                    )
                },
            )?;
            longest = longest.max(delay);
        }
    }
    Ok(())
}

pub(super) fn jitter_keeps_its_law(stand: &Retries) -> Checked {
    const CALLS: usize = 200;
    let cap = 5 * SECOND;
    let jittered = |jitter, seed| RetrySettings {
        max_attempts: 5,
        cap,
        jitter,
        seed,
        ..RetrySettings::default()
    };
    for jitter in JITTERS {
        let Some((retry, time)) = optional(stand.make(&jittered(jitter, None)))? else {
            continue;
        };
        let (mut shortest, mut longest) = (Duration::MAX, Duration::ZERO);
        for _ in 0..CALLS {
            let mut before = SECOND;
            for (number, delay) in delays(&*retry, &time)?.into_iter().enumerate() {
                let doubled = u32::try_from(number)
                    .map_or(cap, |number| SECOND * 2_u32.saturating_pow(number).min(5));
                let (low, high) = match jitter {
                    Jitter::Full => (Duration::ZERO, doubled),
                    Jitter::Equal => (doubled / 2, doubled),
                    Jitter::Decorrelated => (SECOND, (3 * before).min(cap)),
                    _ => (doubled, doubled),
                };
                check(delay >= low && delay <= high, || {
                    format!(
                        "delay {} with {jitter:?} jitter: expected {low:?} to {high:?}, saw \
                         {delay:?}",
                        number + 1
                    )
                })?;
                before = delay;
                if number == 0 {
                    shortest = shortest.min(delay);
                    longest = longest.max(delay);
                }
            }
        }
        let width = match jitter {
            Jitter::None => continue,
            Jitter::Full => SECOND,
            Jitter::Equal => SECOND / 2,
            _ => 2 * SECOND,
        };
        check(longest.saturating_sub(shortest) > width / 2, || {
            format!(
                "{CALLS} first delays with {jitter:?} jitter: expected them spread over \
                 {width:?}, saw {shortest:?} to {longest:?}"
            )
        })?;
    }

    let seeded = |seed| {
        let (retry, time) = stand.make(&jittered(Jitter::Equal, Some(seed)))?;
        delays(&*retry, &time)
    };
    let Some(first) = optional(seeded(7))? else {
        return Ok(());
    };
    same("delays with the same seed", &seeded(7)?, &first)?;
    check(seeded(8)? != first, || {
        "delays with another seed: expected others, saw the same".to_owned()
    })
}

/// Sunday, 6 November 1994, 08:49:37 GMT: the date of RFC 9110's examples.
const EXAMPLE_DATE: Duration = Duration::from_secs(784_111_777);

fn reads_headers(retry: &dyn RetrySubject) -> Checked {
    use WaitHeader::{RetryAfter, RetryAfterMs};
    let at = |before: u64| SystemTime::UNIX_EPOCH + EXAMPLE_DATE - Duration::from_secs(before);
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    let cases = [
        (RetryAfter("120"), 0, Some(120 * SECOND)),
        (RetryAfter("0"), 0, Some(Duration::ZERO)),
        (RetryAfter(date), 37, Some(37 * SECOND)),
        (RetryAfterMs("1500"), 0, Some(SECOND * 3 / 2)),
        (RetryAfter("soon"), 0, None),
        (RetryAfter(""), 0, None),
        (RetryAfter("-5"), 0, None),
        (RetryAfterMs("soon"), 0, None),
    ];
    for (header, before, expected) in cases {
        let Some(wait) = optional(retry.read_wait(header, at(before)))? else {
            return Ok(());
        };
        same(&format!("the wait of {header:?}"), &wait, &expected)?;
    }
    let late = SystemTime::UNIX_EPOCH + EXAMPLE_DATE + 60 * SECOND;
    let wait = retry.read_wait(RetryAfter(date), late)?;
    same(
        "the wait until a date in the past",
        &wait,
        &Some(Duration::ZERO),
    )
}

pub(super) fn asked_waits_are_kept(stand: &Retries) -> Checked {
    for jitter in [Jitter::None, Jitter::Full] {
        let settings = RetrySettings {
            jitter,
            ..RetrySettings::default()
        };
        let Some((retry, time)) = optional(stand.make(&settings))? else {
            continue;
        };
        reads_headers(&*retry)?;
        for _ in 0..20 {
            let op = Op::steps(&time, [Step::fail().retry_after(7 * SECOND), Step::ok()]);
            run(&*retry, &time, Cx::new(), &op)?.expect_value("after the asked wait", 2)?;
            for wait in op.gaps() {
                check(wait >= 7 * SECOND && wait < 60 * SECOND, || {
                    format!("a wait of 7 s was asked for: expected about that, saw {wait:?}")
                })?;
            }
        }

        let day = Duration::from_hours(24);
        let op = Op::new(&time, Step::fail().retry_after(day));
        let mut flight = Flight::new(retry.call(Cx::new(), &op)?);
        flight
            .poll()
            .expect_fault("asked to wait a day, with a ceiling of 60 s, at once", 1)?;

        let op = Op::new(&time, Step::fail().retry_after(10 * SECOND));
        let cx = Cx::new().with_deadline(later(time.now(), 5 * SECOND));
        if let Some(call) = optional(retry.call(cx, &op))? {
            let seen = Flight::new(call).poll();
            seen.expect_fault("asked to wait 10 s, with a deadline in 5 s, at once", 1)?;
        }
    }
    Ok(())
}
