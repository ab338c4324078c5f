//! The remote Qdrant adapter beside a hand-written loop on the vendor's client.
//!
//! Both sides get the same points, in the same batches, one batch at a time, and talk to the same
//! server in this process. For `upsert` that server decodes what it gets and acknowledges it, so
//! that what a client costs is not hidden behind the engine; a second row has the engine in it.
//!
//! Ours is timed as a program sees it: the handle of the adapter, its stack included.

mod data;
mod loops;

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use contexter_adapter::ServiceAdapter as _;
use contexter_benches::{MIN_RUNS, Row, grouped, median, size};
use contexter_model::{EnsureCollection, Optimize, Query, Upsert};
use contexter_qdrant::remote::{Config, QdrantAdapter, UploadConfig};
use contexter_qdrant::server::{LocalServer, Options};
use contexter_service::{Handle, Service as _};
use qdrant_client::Qdrant;
use tokio::net::TcpListener;

use self::data::{COLLECTION, DIMENSIONS};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// How many points a call carries.
const BATCH: usize = 500;
/// The least share of the loop's rate, from the project's goals.
const UPSERT_GOAL: f64 = 0.95;
/// The most that a query may cost, in terms of the bare call.
const QUERY_GOAL: f64 = 1.05;
/// How many queries a run times.
const QUERIES: usize = 300;
/// How many hits each leg asks for.
const LIMIT: usize = 100;

fn main() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let many = size(100_000, 2_000);
        let share = upserts(&Bench::start(true).await?, many).await?;
        Row::at_least("upsert", share, UPSERT_GOAL, "× the loop's rate").print()?;

        let share = upserts(&Bench::start(false).await?, many).await?;
        let row = format!("upsert into the engine, {} points", grouped(many));
        Row::at_least(&row, share, UPSERT_GOAL, "× the loop's rate").print()?;

        // Fewer, as its index takes long to build.
        let some = size(20_000, 500);
        let engine = Bench::start(false).await?;
        loops::upsert(&engine.client, data::points(some), BATCH).await?;
        let cost = queries(&engine, some).await?;
        Row::cost("query", cost, QUERY_GOAL, "goal", "× the bare call").print()?;
        Ok(())
    })
}

/// A server, and both sides connected to it.
struct Bench {
    adapter: QdrantAdapter,
    client: Arc<Qdrant>,
}

impl Bench {
    async fn start(discards: bool) -> Outcome<Self> {
        let options = if discards {
            Options::default().with_discarded_upserts()
        } else {
            Options::default()
        };
        let server = LocalServer::temporary(options).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        // It serves as long as the process lives.
        tokio::spawn(server.serve(listener, std::future::pending()));
        let config = Config::default().with_url(&url).with_upload(
            UploadConfig::new()
                .with_batch_points(BATCH)
                .with_batch_bytes(64 << 20)
                .with_concurrency(1),
        );
        let adapter = QdrantAdapter::new(config)?;
        let client = Qdrant::from_url(&url)
            .timeout(std::time::Duration::from_secs(30))
            .skip_compatibility_check()
            .build()?;
        let bench = Self {
            adapter,
            client: Arc::new(client),
        };
        let ensure = bench.handle::<EnsureCollection>()?;
        ensure.call(EnsureCollection(data::spec())).await?;
        Ok(bench)
    }

    fn handle<Req: contexter_service::Capability>(&self) -> Outcome<Handle<Req>> {
        let handle = self.adapter.capabilities().handle::<Req>();
        handle.ok_or_else(|| "the adapter lacks a capability".into())
    }
}

/// Returns our share of the loop's rate.
async fn upserts(bench: &Bench, count: usize) -> Outcome<f64> {
    let points = data::points(count);
    let upsert = bench.handle::<Upsert>()?;
    let (mut ours, mut loops) = (Vec::new(), Vec::new());
    for run in 0..MIN_RUNS {
        // Each side begins every second round.
        for of_ours in [run % 2 == 0, run % 2 == 1] {
            let points = points.clone();
            let started = now();
            if of_ours {
                let collection = COLLECTION.to_owned();
                upsert.call(Upsert { collection, points }).await?;
            } else {
                loops::upsert(&bench.client, points, BATCH).await?;
            }
            let took = started.elapsed().as_secs_f64();
            let side = if of_ours { &mut ours } else { &mut loops };
            side.push(took);
            let name = if of_ours { "adapter" } else { "loop" };
            say(&format!(
                "{} points of {DIMENSIONS} dimensions, {name}: {took:.2} s",
                grouped(count),
            ));
        }
    }
    Ok(median(&mut loops) / median(&mut ours))
}

/// Returns what our median query costs in terms of the bare call's.
async fn queries(bench: &Bench, count: usize) -> Outcome<f64> {
    let optimize = bench.handle::<Optimize>()?;
    let collection = COLLECTION.to_owned();
    optimize.call(Optimize { collection }).await?;
    let query = bench.handle::<Query>()?;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for round in 0..size(QUERIES, 20) {
        let legs = data::legs(round, count);
        for of_ours in [round % 2 == 0, round % 2 == 1] {
            let legs = legs.clone();
            let started = now();
            let hits = if of_ours {
                let reply = query.call(data::query(legs, LIMIT)).await?;
                reply.rankings.iter().map(Vec::len).sum()
            } else {
                loops::query(&bench.client, legs, LIMIT).await?
            };
            let took = started.elapsed().as_secs_f64() * 1e6;
            if hits == 0 {
                return Err("a query found nothing".into());
            }
            let side = if of_ours { &mut ours } else { &mut bare };
            side.push(took);
        }
    }
    let (ours, bare) = (median(&mut ours), median(&mut bare));
    say(&format!(
        "query p50: adapter {ours:.0} µs, bare call {bare:.0} µs"
    ));
    Ok(ours / bare)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures the time that really passes"
)]
fn now() -> Instant {
    Instant::now()
}

#[expect(
    clippy::print_stderr,
    reason = "what is for people goes to standard error"
)]
fn say(message: &str) {
    eprintln!("{message}");
}
