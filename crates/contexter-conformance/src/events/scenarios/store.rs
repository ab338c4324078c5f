//! Reading stored events again.

use std::ops::RangeInclusive;
use std::time::Duration;

use contexter_event_bus::{Bus, EventFilter, History, Receipt};
use jiff::{SignedDuration, Timestamp};

use crate::Verdict;
use crate::events::log::{in_time, number, until};
use crate::events::stage::{Stage, broken, built, publish};
use crate::verdict::{Checked, check, same};

/// How many events a small store keeps, about: some trim in blocks.
pub(super) const KEPT: usize = 100;

/// How many bytes of events a store that counts them keeps.
pub(super) const KEPT_BYTES: usize = 64 * 1024;

/// How long a store that forgets by age keeps an event.
pub(super) const KEPT_FOR: Duration = Duration::from_secs(2);

const MANY: u64 = 1_000;

/// Reads what is stored and wanted.
async fn read(bus: &Bus, filter: EventFilter) -> Checked<History> {
    let read = in_time("reading", bus.history(&filter)).await?;
    read.map_err(broken)
}

/// Checks that what came after a place or a time of an event that is gone is reported as a gap.
async fn reports_the_gap(bus: &Bus, first: Option<&Receipt>) -> Checked {
    let first = first.and_then(Receipt::confirmation);
    let place = first.map_or_else(|| "1".to_owned(), |confirmed| confirmed.id.clone());
    let rest = read(bus, EventFilter::all().after(place)).await?;
    check(rest.gap.is_some(), || {
        "expected a gap after a place that is gone, saw none".to_owned()
    })?;
    let early = Timestamp::now() - SignedDuration::from_hours(1);
    let since = read(bus, EventFilter::all().since(early)).await?;
    check(since.gap.is_some(), || {
        "expected a gap after a time that is gone, saw none".to_owned()
    })
}

fn numbers(history: &History) -> Vec<u64> {
    history.events.iter().map(|event| number(event)).collect()
}

pub(super) async fn gap(stage: Stage) -> Checked {
    bounded(stage, KEPT..=3 * KEPT).await
}

pub(super) async fn gap_by_bytes(stage: Stage) -> Checked {
    // Each event takes some hundred bytes.
    bounded(stage, KEPT_BYTES / 2_000..=KEPT_BYTES / 100).await
}

async fn bounded(stage: Stage, kept: RangeInclusive<usize>) -> Checked {
    let bus = stage.bus().await?;
    let receipts = publish(&bus, &stage.events("found", MANY)).await?;
    let all = read(&bus, EventFilter::all()).await?;
    let stored = all.events.len();
    check(kept.contains(&stored), || {
        format!("expected {kept:?} events to be kept, saw {stored}")
    })?;
    same(
        "the newest, in their order",
        &numbers(&all),
        &(MANY - stored as u64..MANY).collect(),
    )?;
    reports_the_gap(&bus, receipts.first()).await?;
    // From a place that is there: no gap, and just what comes after it.
    let page = read(&bus, EventFilter::all().limit(10)).await?;
    let last = page.last.clone();
    let last =
        last.ok_or_else(|| Verdict::Fail("expected the place of the last, saw none".to_owned()))?;
    let next = read(&bus, EventFilter::all().after(last).limit(10)).await?;
    same("the gap after a place that is there", &next.gap, &None)?;
    let both = [numbers(&page), numbers(&next)].concat();
    let begin = MANY - stored as u64;
    same("two pages", &both, &(begin..begin + 20).collect())
}

pub(super) async fn gap_by_age(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let receipts = publish(&bus, &stage.events("found", 50)).await?;
    until("what is old is forgotten", || async {
        let stored = bus.history(&EventFilter::all()).await;
        stored.is_ok_and(|history| history.events.is_empty())
    })
    .await?;
    // Also while nothing at all is stored.
    reports_the_gap(&bus, receipts.first()).await?;
    let late: Vec<_> = (50..60).map(|n| stage.event("found", n)).collect();
    publish(&bus, &late).await?;
    let stored = numbers(&read(&bus, EventFilter::all()).await?);
    // On a busy machine some of them may have been forgotten, too: the oldest.
    let newest = (60 - stored.len() as u64..60).collect::<Vec<_>>();
    same("the newest, in their order", &stored, &newest)?;
    check(stored.len() <= 10, || {
        format!("expected at most the 10 new events, saw {stored:?}")
    })?;
    reports_the_gap(&bus, receipts.first()).await
}

pub(super) async fn gap_by_removal(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let receipts = publish(&bus, &stage.events("found", 50)).await?;
    stage.fixture.trim().await?;
    // Also while nothing at all is stored.
    reports_the_gap(&bus, receipts.first()).await?;
    let late: Vec<_> = (50..60).map(|n| stage.event("found", n)).collect();
    publish(&bus, &late).await?;
    let stored = numbers(&read(&bus, EventFilter::all()).await?);
    same("what is left", &stored, &(50..60).collect())?;
    reports_the_gap(&bus, receipts.first()).await
}

pub(super) async fn filters(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let long_ago = Timestamp::now() - SignedDuration::from_mins(10);
    let events: Vec<_> = (0..30)
        .map(|n| {
            let kind = if n % 2 == 0 { "even" } else { "odd" };
            let builder = stage
                .builder(kind, n)
                .correlation_id(format!("flow-{}", n % 3));
            let time = if n < 10 { long_ago } else { Timestamp::now() };
            built(builder.time(time))
        })
        .collect();
    publish(&bus, &events).await?;
    let kind = |tail: &str| {
        let filter = EventFilter::all().event_type(&stage.kind(tail));
        filter.map_err(|error| Verdict::Fail(error.to_string()))
    };
    let since = Timestamp::now() - SignedDuration::from_mins(1);
    for (filter, wanted) in [
        (kind("even")?, (0..30).step_by(2).collect::<Vec<u64>>()),
        (
            EventFilter::all().correlation_id("flow-1"),
            (1..30).step_by(3).collect(),
        ),
        (EventFilter::all().since(since), (10..30).collect()),
        (
            kind("odd")?.since(since).correlation_id("flow-2"),
            vec![11, 17, 23, 29],
        ),
        (EventFilter::all().limit(4), vec![0, 1, 2, 3]),
    ] {
        let read = in_time("reading", bus.history(&filter))
            .await?
            .map_err(broken)?;
        let got: Vec<_> = read.events.iter().map(|event| number(event)).collect();
        same(&format!("{filter:?}"), &got, &wanted)?;
    }
    Ok(())
}
