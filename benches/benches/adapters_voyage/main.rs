//! The Voyage adapter: how much of the quota it uses, and what a request costs besides the network.
//!
//! `quota_use` and `quota_429` embed texts through the packing of the adapter under the adapter's own
//! stack, against a model of the vendor in memory, on a clock that stands still while anybody works:
//! its buckets of requests and tokens, its cap, its latency. Tokens are estimated, as they are without
//! a tokenizer, of texts that are alike and of texts that are not (code, prose, and some that the vendor
//! truncates); the run with exact counts, a vendor that counts windows instead of buckets, and clients
//! that send fixed batches of 128 and sleep when refused are printed for people.
//!
//! `embed_overhead` is everything that a client does for 128 vectors of 1,024 floats except for the
//! network (the request's parts, the stack, writing and reading), against the bare decode of the same
//! body: JSON, base64 to bytes, bytes to floats. Further rows have the network in them: the adapter and a
//! plain socket ask the same server on this machine; and the most memory that a call holds at once, from
//! the texts that it is given to the vectors that it returns, is counted against the vectors: over TLS,
//! as the vendor is reached, by HTTP/2 and HTTP/1.1, with a server that sends as networks do, and with one
//! that sends all that it may before it is read.
//!
//! Then the same texts go over HTTP to a local server of the vendor's protocol for a minute, in real
//! time, and what it counted is reported; `-- --http SECONDS` does only that, for so long.

mod http;
mod http1;
mod http2;
mod loopback;
mod naive;
mod overhead;
mod quota;
mod vendor;

use std::error::Error;

use contexter_benches::{Row, grouped, size, text};

/// The least share of the quota that is to be used.
const GOAL_USE: f64 = 0.97;
/// The most refusals that are allowed, as a share of all requests.
const GOAL_429: f64 = 0.001;
/// The most memory, as a multiple of the vectors.
const GOAL_MEMORY: f64 = 2.0;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--http") {
        let seconds = arguments.get(at + 1).map_or(Ok(60), |text| text.parse())?;
        return http::run(seconds);
    }
    let count = size(100_000, 20_000);
    let texts = quota::texts(count);
    for (what, texts) in [
        ("texts", &texts),
        (
            "texts of code, prose and more than is embedded",
            &quota::mixed(count),
        ),
    ] {
        let ours = quota::ours(texts, quota::Counting::Estimated, vendor::Meter::Buckets)?;
        let name = format!("{} {what}, tokens estimated", grouped(count));
        let row = format!("quota_use: {name}");
        Row::at_least(&row, ours.share(), GOAL_USE, "share").print()?;
        let row = format!("quota_429: {name}");
        Row::cost(&row, ours.refused(), GOAL_429, "goal", "share").print()?;
        text::say(&format!("{what}, tokens estimated: {ours}"));
    }
    for (what, counting, meter) in [
        (
            "tokens counted exactly",
            quota::Counting::Exact,
            vendor::Meter::Buckets,
        ),
        (
            "tokens estimated, the vendor counts any 60 seconds",
            quota::Counting::Estimated,
            vendor::Meter::Window,
        ),
    ] {
        text::say(&format!(
            "{what}: {}",
            quota::ours(&texts, counting, meter)?
        ));
    }
    for (what, naive) in [
        (
            "fixed 128, one at a time, sleeps 1 s",
            naive::Client {
                concurrent: 1,
                pause: 1,
            },
        ),
        (
            "fixed 128, 8 at a time, each sleeps 1 s",
            naive::Client {
                concurrent: 8,
                pause: 1,
            },
        ),
        (
            "fixed 128, 8 at a time, each sleeps 60 s",
            naive::Client {
                concurrent: 8,
                pause: 60,
            },
        ),
    ] {
        // A bucket is full at first, and who asks without restraint has that minute on top.
        for meter in [vendor::Meter::Buckets, vendor::Meter::Window] {
            let outcome = naive.run(&texts, meter);
            text::say(&format!(
                "{what}, the vendor counts by {meter:?}: {outcome}"
            ));
        }
    }
    print_overhead()?;
    http::run(size(60, 5).try_into()?)
}

/// What an embedding costs beside the vendor's own time.
fn print_overhead() -> Result<(), Box<dyn Error>> {
    let overhead = overhead::measure()?;
    Row::cost(
        "embed_overhead: time of 128 × 1,024 floats",
        overhead.ours,
        overhead.bare,
        "bare decode",
        "µs",
    )
    .print()?;
    let loopback = loopback::measure()?;
    Row::cost(
        "embed_overhead over HTTP, server included",
        loopback.ours,
        loopback.bare,
        "a socket and the bare decode",
        "µs",
    )
    .print()?;
    text::say(&format!(
        "the same over TLS: {:.0} µs by HTTP/2, {:.0} µs by HTTP/1.1",
        loopback.http2, loopback.http1
    ));
    let memory = loopback.memory;
    for (what, memory) in [
        (
            "memory of a call for 128 × 1,024 floats over TLS by HTTP/2, at its most",
            memory.http2,
        ),
        (
            "the same when all of the reply is there at once",
            memory.http2_at_once,
        ),
        ("the same by HTTP/1.1, as a network brings it", memory.http1),
        (
            "the same by HTTP/1.1 when all of the reply is there at once, which the HTTP client reads ahead",
            memory.http1_at_once,
        ),
    ] {
        let row = format!("embed_overhead: {what}");
        Row::cost(&row, memory, GOAL_MEMORY, "goal", "× the vectors").print()?;
    }
    text::say(&format!(
        "over plain HTTP, which a key goes over on this machine only, when all of the reply is there at \
         once: {:.2} × the vectors",
        memory.plain_at_once
    ));
    Ok(())
}
