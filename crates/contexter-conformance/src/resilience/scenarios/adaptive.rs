//! A limit on concurrent calls that follows the latency.

use std::time::Duration;

use contexter_service::Clock;

use crate::resilience::Time;
use crate::resilience::flight::Flight;
use crate::resilience::op::Op;
use crate::resilience::step::Step;
use crate::resilience::subjects::limit::{AdaptiveSettings, AdaptiveSubject};
use crate::resilience::suite::Stand;
use crate::verdict::{Checked, check};

type Adaptives = Stand<AdaptiveSettings, dyn AdaptiveSubject>;

const FAST: Duration = Duration::from_millis(100);
const SLOW: Duration = Duration::from_secs(5);
/// How many steps the time of one call is taken in.
const STEPS: u32 = 4;
/// More callers than any limit admits.
const CALLERS: usize = 200;

/// A far side that takes calls for as long as `duration`, by as many callers as are admitted and
/// at most `callers`. Returns the lowest and the highest limit that was seen.
fn load(
    limit: &dyn AdaptiveSubject,
    time: &Time,
    latency: Duration,
    callers: usize,
    duration: Duration,
) -> (usize, usize) {
    let start = time.now();
    let (mut lowest, mut highest) = (limit.limit(), limit.limit());
    let mut flights: Vec<Flight> = Vec::new();
    while time.now() - start < duration {
        while flights.len() < callers {
            let op = Op::new(time, Step::ok().after(latency));
            let mut flight = Flight::new(limit.call(&op));
            if !flight.poll().is_pending() {
                break;
            }
            flights.push(flight);
        }
        time.advance(latency / STEPS);
        flights.retain_mut(|flight| !flight.is_woken() || flight.poll().is_pending());
        lowest = lowest.min(limit.limit());
        highest = highest.max(limit.limit());
    }
    (lowest, highest)
}

pub(super) fn follows_latency(stand: &Adaptives) -> Checked {
    let settings = AdaptiveSettings::default();
    let (limit, time) = stand.make(&settings)?;
    let limit = &*limit;
    let minutes = Duration::from_mins;

    let (low, high) = load(limit, &time, FAST, CALLERS, minutes(1));
    let healthy = limit.limit();
    let in_bounds = |low: usize, high: usize| {
        check(settings.min <= low && high <= settings.max, || {
            format!(
                "expected the limit within {} to {}, saw {low} to {high}",
                settings.min, settings.max
            )
        })
    };
    in_bounds(low, high)?;
    check(healthy >= settings.initial, || {
        format!(
            "a minute of quick calls by many callers: expected a limit of at least {}, saw \
             {healthy}",
            settings.initial
        )
    })?;

    // Nobody can learn from calls that are not made, nor from a limit that is not in use.
    let (quiet, quiet_time) = stand.make(&settings)?;
    let (_low, high) = load(&*quiet, &quiet_time, FAST, 1, minutes(5));
    check(high <= settings.initial, || {
        format!(
            "five minutes of one call at a time: expected the limit not to rise from {}, saw {high}",
            settings.initial
        )
    })?;
    for (idle, idle_time) in [(&*quiet, &quiet_time), (limit, &time)] {
        let before = idle.limit();
        idle_time.advance(Duration::from_hours(1));
        load(idle, idle_time, FAST, 1, FAST * 2);
        check(idle.limit() <= before, || {
            format!(
                "an idle hour and a call: expected the limit not to rise from {before}, saw {}",
                idle.limit()
            )
        })?;
    }

    // Warm again after the idle hour, then ten minutes in which every call is fifty times slower.
    load(limit, &time, FAST, CALLERS, minutes(1));
    let before = limit.limit();
    let (low, high) = load(limit, &time, SLOW, CALLERS, minutes(1));
    in_bounds(low, high)?;
    check(limit.limit() <= before / 2, || {
        format!(
            "a minute of slow calls: expected at most half of the limit of {before}, saw {}",
            limit.limit()
        )
    })?;
    let early = limit.limit();
    let (low, high) = load(limit, &time, SLOW, CALLERS, minutes(9));
    in_bounds(low, high)?;
    let late = limit.limit();
    check(late <= before / 4 && late <= 2 * early, || {
        format!(
            "ten minutes of slow calls: expected them not to become the measure, with a limit of \
             at most a quarter of {before} and twice the {early} after one minute; saw {late}"
        )
    })?;

    let (low, high) = load(limit, &time, FAST, CALLERS, minutes(2));
    in_bounds(low, high)?;
    check(limit.limit() >= settings.initial, || {
        format!(
            "two minutes of quick calls after the incident: expected the limit to come back to \
             {}, saw {}",
            settings.initial,
            limit.limit()
        )
    })
}

pub(super) fn bad_settings(stand: &Adaptives) -> Checked {
    let base = AdaptiveSettings::default();
    super::refuses_all(
        stand,
        [
            (
                "a lowest limit of 0",
                AdaptiveSettings { min: 0, ..base },
                1,
            ),
            (
                "a lowest above the highest",
                AdaptiveSettings { min: 101, ..base },
                1,
            ),
            (
                "a start above the highest",
                AdaptiveSettings {
                    initial: 101,
                    ..base
                },
                1,
            ),
        ],
    )
}
