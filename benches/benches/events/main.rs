//! The event bus against what it stands on.
//!
//! In process the floor is what one would write by hand: for each subscriber a bounded `mpsc` channel
//! of shared events, and a bounded one back on which its handler acknowledges every event by its
//! number, since only then the publishing side knows **which** events were handled and can try the
//! others again. It takes in as many acknowledgements at a time as there are. The bus knows that,
//! too, and matches patterns, counts, keeps the last events, and is ready to retry. A cheaper ack,
//! which only counts how many are left, is printed beside; so are channels without any.
//!
//! Every side runs once before it counts, then both run in turn, and the medians are compared: what
//! one run takes depends on which of the two threads gets which task.
//!
//! On Redis and NATS the peers are their own clients, which send the same commands: publishing in
//! batches that are confirmed, and consuming with acknowledgement. The bus also encodes and decodes
//! the events, keeps leases, order and what it has seen.
//!
//! The ratios to channels without acknowledgement, and the latencies, are printed for people.
//!
//! Arguments name the rows that are measured, by how they begin: `cargo bench --bench events --
//! nats_publish`. With `ours` or `peer` among them only that side of a broker's rows runs, which is
//! what a profile is taken of.

mod broker;
mod chosen;
mod inproc;
mod nats_rows;
mod redis_rows;
mod stalled;

use std::error::Error;

use contexter_benches::{Row, grouped, interleaved, size, text};

use crate::chosen::Chosen;

/// How often each side of a row in process runs.
const RUNS: usize = 21;

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let chosen = Chosen::from_args();
    // As many threads as the smallest machine has that anybody runs this on.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    for (name, subscribers, count) in [
        ("inproc_1", 1, size(200_000, 2_000)),
        ("inproc_100", 100, size(4_000, 40)),
    ] {
        if !chosen.has(name) {
            continue;
        }
        let events = inproc::events(count)?;
        let run = |side: inproc::Side| {
            let took = runtime.block_on(inproc::run(side, &events, subscribers));
            per_delivery(took, count * subscribers)
        };
        let against = |peer| {
            // The first run of a side meets cold caches and an allocator that has to grow.
            run(inproc::Side::Bus);
            run(peer);
            interleaved(RUNS, || run(inproc::Side::Bus), || run(peer))
        };
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
    if chosen.has("inproc_latency") {
        let rounds = size(20_000, 200);
        for (who, side) in [("bus", inproc::Side::Bus), ("floor", inproc::Side::Floor)] {
            let times = runtime.block_on(inproc::latencies(side, rounds));
            broker::say_latency(&format!("in process, {who}"), times);
        }
    }
    if chosen.has("stalled") {
        stalled::print(&runtime)?;
    }
    redis_rows::run(&runtime, &chosen)?;
    nats_rows::run(&runtime, &chosen)?;
    Ok(())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "no run has 2^52 deliveries or lasts for years"
)]
fn per_delivery(took: std::time::Duration, deliveries: usize) -> f64 {
    took.as_nanos() as f64 / deliveries as f64
}
