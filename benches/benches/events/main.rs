//! The event bus against what it stands on.
//!
//! In process the floor is what one would write by hand: a bounded `mpsc` channel of shared events
//! for each subscriber, whose handler acknowledges every event over a bounded `mpsc` channel, since
//! only then somebody knows what was handled. The bus does that, too, and matches patterns, counts,
//! keeps the last events, and is ready to retry.
//!
//! The ratios to channels without acknowledgement, and the latencies, are printed for people.

mod inproc;

use std::error::Error;

use contexter_benches::{Row, grouped, interleaved, size, text};

fn main() -> Result<(), Box<dyn Error>> {
    // As many threads as the smallest machine has that anybody runs this on.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    for (name, subscribers, count) in [
        ("inproc_1", 1, size(200_000, 2_000)),
        ("inproc_100", 100, size(4_000, 40)),
    ] {
        let events = inproc::events(count)?;
        let run = |side: inproc::Side| {
            let took = runtime.block_on(inproc::run(side, &events, subscribers));
            per_delivery(took, count * subscribers)
        };
        let against = |peer| interleaved(9, || run(inproc::Side::Bus), || run(peer));
        let (ours, floor) = against(inproc::Side::Floor);
        let what = format!(
            "{name}: {} events to {subscribers} in process",
            grouped(count)
        );
        Row::cost(&what, ours, floor, "mpsc and acks", "ns/delivery").print()?;
        for (peer, side) in [
            ("bare mpsc, no ack", inproc::Side::Mpsc),
            ("mpsc, acks counted", inproc::Side::Counted),
            (
                "bare broadcast, no ack, no backpressure",
                inproc::Side::Broadcast,
            ),
        ] {
            let (ours, bare) = against(side);
            text::say(&format!(
                "{name}: {ours:.0} ns against {bare:.0} of {peer}: {:.2}",
                ours / bare
            ));
        }
    }
    let rounds = size(20_000, 200);
    for (who, side) in [("bus", inproc::Side::Bus), ("floor", inproc::Side::Floor)] {
        let mut times = runtime.block_on(inproc::latencies(side, rounds));
        times.sort_unstable();
        let at = |percent: usize| times.get(times.len() * percent / 100).copied();
        text::say(&format!(
            "end to end in process, {who}: p50 {:?}, p99 {:?}",
            at(50).unwrap_or_default(),
            at(99).unwrap_or_default()
        ));
    }
    Ok(())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "no run has 2^52 deliveries or lasts for years"
)]
fn per_delivery(took: std::time::Duration, deliveries: usize) -> f64 {
    took.as_nanos() as f64 / deliveries as f64
}
