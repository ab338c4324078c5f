//! Hybrid search over an index beside the bare engine, and what building the index takes.
//!
//! Both sides get the same points from one file, in the same batches, flush as often and build the
//! same index: chunks of real documentation with the sparse vectors that an index would have, and
//! seeded synthetic dense vectors. Each build runs in a process of its own, so that its memory can
//! be told; the first builds of both sides are then searched.
//!
//! Ours is timed as a program sees it: `HybridSearchEngine::search` over the guarded adapter, with
//! an embedder that has its vector ready. It tokenizes the query, runs both legs, 100 hits each,
//! fuses them and reads ten chunks. The engine gets the sparse vector ready-made and answers with
//! its own hybrid query: both legs prefetched, fused, ten hits with their payload.

mod bare;
mod footprint;
mod ours;
mod search;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use contexter_benches::points::{self, Question};
use contexter_benches::{MIN_RUNS, Row, grouped, median, size, text};
use contexter_local::WordPiece;

use self::footprint::{Footprint, Side};

type Outcome<T> = Result<T, Box<dyn Error>>;

const PEER: &str = "bare qdrant-edge";
const BATCH: usize = 500;
const FLUSH_EVERY: usize = 2_000;
/// How many hits each leg contributes.
const LEG_LIMIT: usize = 100;
/// How many hits are read.
const LIMIT: usize = 10;
/// How many searches a run times.
const QUERIES: usize = 500;

fn main() -> Outcome<()> {
    if let Some(task) = footprint::Task::of_this_process()? {
        return task.run();
    }
    let bench = Bench::prepare(size(100_000, 2_000))?;
    for size in [size(10_000, 500), size(100_000, 2_000)] {
        bench.measure(size)?;
    }
    Ok(())
}

/// What all measurements share.
struct Bench {
    started: Instant,
    folder: tempfile::TempDir,
    questions: Vec<Question>,
}

impl Bench {
    fn prepare(most: usize) -> Outcome<Self> {
        let started = now();
        let folder = tempfile::tempdir()?;
        let passages = runtime()?.block_on(text::read(most, Arc::new(WordPiece::new())))?;
        let queries = text::queries(&passages, QUERIES);
        points::write(&folder.path().join("points"), &passages, most)?;
        std::fs::write(folder.path().join("queries"), serde_json::to_vec(&queries)?)?;
        Ok(Self {
            started,
            folder,
            questions: points::questions(queries),
        })
    }

    fn measure(&self, size: usize) -> Outcome<()> {
        let chunks = format!("{} chunks", grouped(size));
        let index = |side: Side| self.folder.path().join(format!("{side}-{size}"));
        let (mut ours, mut peer) = (Vec::new(), Vec::new());
        for run in 0..MIN_RUNS {
            // Each side begins every second round.
            let sides = if run % 2 == 0 {
                Side::BOTH
            } else {
                [Side::Peer, Side::Ours]
            };
            for side in sides {
                // The first index of each side stays, to be searched.
                let kept = (run == 0).then(|| index(side));
                let footprint =
                    footprint::measure(side, size, self.folder.path(), kept.as_deref())?;
                self.say(&format!(
                    "{chunks}, run {} of {MIN_RUNS}, {side}: {footprint}",
                    run + 1
                ));
                match side {
                    Side::Ours => ours.push(footprint),
                    Side::Peer => peer.push(footprint),
                }
            }
        }
        let (a, b) = search::compare(&index(Side::Ours), &index(Side::Peer), &self.questions)?;
        Row::cost(&format!("search p50, {chunks}"), a, b, PEER, "µs").print()?;
        self.say(&format!("{chunks}, search: {a:.0} µs, {PEER} {b:.0} µs"));
        rows(&chunks, &ours, &peer)?;
        for side in Side::BOTH {
            std::fs::remove_dir_all(index(side))?;
        }
        Ok(())
    }

    /// Says how far the run has come.
    fn say(&self, message: &str) {
        text::say(&format!(
            "[{:>4.0} s] {message}",
            self.started.elapsed().as_secs_f64()
        ));
    }
}

fn rows(chunks: &str, ours: &[Footprint], peer: &[Footprint]) -> Outcome<()> {
    let medians = |figure: fn(&Footprint) -> f64| {
        let of = |side: &[Footprint]| median(&mut side.iter().map(figure).collect::<Vec<_>>());
        (of(ours), of(peer))
    };
    let cost = |what: &str, figure: fn(&Footprint) -> f64, unit: &str| {
        let (a, b) = medians(figure);
        Row::cost(&format!("{what}, {chunks}"), a, b, PEER, unit).print()
    };
    cost("memory, peak", |one| one.peak, "MB")?;
    cost("memory, after", |one| one.after, "MB")?;
    cost("disk", |one| one.disk, "MB")?;
    cost("optimize", |one| one.optimize, "s")?;
    let (a, b) = medians(|one| one.upserts);
    Row::rate(&format!("upsert, {chunks}"), a, b, PEER, "points/s").print()?;
    Ok(())
}

fn points_of(folder: &Path) -> PathBuf {
    folder.join("points")
}

fn questions_of(folder: &Path) -> Outcome<Vec<Question>> {
    let queries = serde_json::from_slice(&std::fs::read(folder.join("queries"))?)?;
    Ok(points::questions(queries))
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Instant {
    Instant::now()
}
