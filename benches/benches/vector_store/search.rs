//! The latency of a hybrid search.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use contexter_benches::points::Question;
use contexter_benches::{interleaved, median, text};
use contexter_qdrant::edge::EmbeddedStore;

use crate::{LIMIT, Outcome, bare, now, ours, runtime};

/// A run takes half a second: more of them than of the builds cost little, and calm the median.
const RUNS: usize = 11;

/// Searches two built indexes for every question in turns and returns the median time of each side
/// in microseconds, `(ours, peer)`.
pub(crate) fn compare(
    our_index: &Path,
    peer_index: &Path,
    questions: &[Question],
) -> Outcome<(f64, f64)> {
    let runtime = runtime()?;
    let store = runtime.block_on(EmbeddedStore::open(our_index))?;
    let engine = runtime.block_on(async { ours::engine(store, questions) })?;
    let shard = bare::open(peer_index)?;
    let requests: Vec<_> = questions.iter().map(ours::request).collect();

    // The first round also warms both up.
    let mut common = 0;
    for (question, request) in questions.iter().zip(&requests) {
        let of_ours = runtime.block_on(engine.search(request))?.hits;
        let of_peer = bare::search(&shard, bare::query(question))?;
        common += of_ours
            .iter()
            .filter(|hit| of_peer.contains(&hit.id))
            .count();
    }
    text::say(&format!(
        "of each {LIMIT} hits, {:.2} are the same on both sides",
        f64::from(u32::try_from(common)?) / f64::from(u32::try_from(questions.len())?)
    ));

    Ok(interleaved(
        RUNS,
        || {
            let times = requests.iter().map(|request| {
                let started = now();
                let response = runtime.block_on(engine.search(request));
                let took = started.elapsed();
                black_box(response.expect("ours answers"));
                micros(took)
            });
            median(&mut times.collect::<Vec<_>>())
        },
        || {
            let times = questions.iter().map(|question| {
                let query = bare::query(question);
                let started = now();
                let found = bare::search(&shard, query);
                let took = started.elapsed();
                black_box(found.expect("the engine answers"));
                micros(took)
            });
            median(&mut times.collect::<Vec<_>>())
        },
    ))
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
