//! Reading stored events again.

use contexter_event_bus::EventFilter;
use jiff::{SignedDuration, Timestamp};

use crate::Verdict;
use crate::events::log::{in_time, number};
use crate::events::stage::{Stage, broken, built, publish};
use crate::verdict::{Checked, check, same};

/// How many events a small store keeps, about: some trim in blocks.
pub(super) const KEPT: usize = 100;

const MANY: u64 = 1_000;

pub(super) async fn gap(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let receipts = publish(&bus, &stage.events("found", MANY)).await?;
    let history = |filter| {
        let bus = bus.clone();
        async move {
            let read = in_time("reading", async { bus.history(&filter).await }).await?;
            read.map_err(broken)
        }
    };
    let all = history(EventFilter::all()).await?;
    let stored = all.events.len();
    check((KEPT..=3 * KEPT).contains(&stored), || {
        format!("expected about {KEPT} events to be kept, saw {stored}")
    })?;
    let numbers: Vec<_> = all.events.iter().map(|event| number(event)).collect();
    same(
        "the newest, in their order",
        &numbers,
        &(MANY - stored as u64..MANY).collect(),
    )?;
    // From the place of an event that is gone.
    let first = receipts.first().and_then(|receipt| receipt.confirmation());
    let place = first.map_or_else(|| "1".to_owned(), |confirmed| confirmed.id.clone());
    let rest = history(EventFilter::all().after(place)).await?;
    check(rest.gap.is_some(), || {
        "expected a gap after a place that is gone, saw none".to_owned()
    })?;
    let early = Timestamp::now() - SignedDuration::from_hours(1);
    let since = history(EventFilter::all().since(early)).await?;
    check(since.gap.is_some(), || {
        "expected a gap after a time that is gone, saw none".to_owned()
    })?;
    // From a place that is there: no gap, and just what comes after it.
    let page = history(EventFilter::all().limit(10)).await?;
    let last = page.last.clone();
    let last =
        last.ok_or_else(|| Verdict::Fail("expected the place of the last, saw none".to_owned()))?;
    let next = history(EventFilter::all().after(last).limit(10)).await?;
    same("the gap after a place that is there", &next.gap, &None)?;
    let numbers: Vec<_> = page
        .events
        .iter()
        .chain(&next.events)
        .map(|e| number(e))
        .collect();
    let begin = MANY - stored as u64;
    same("two pages", &numbers, &(begin..begin + 20).collect())
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
