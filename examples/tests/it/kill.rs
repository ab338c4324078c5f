//! Nothing is lost: a killed run and a second one end where an undisturbed run ends.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use contexter_local::Lexical;
use contexter_model::{Count, Filter, Leg, Payload, PointId, Query, Retrieve};
use contexter_qdrant::edge::EmbeddedStore;
use contexter_rag::chunk_id;
use contexter_rag::ingest::{Entry, Ledger, Stage};
use contexter_service::Service as _;
use rand::{RngExt as _, SeedableRng as _};

use crate::corpus;
use crate::program::{program, run};

const DOCUMENTS: usize = 240;
const KILLS: usize = 20;
const COLLECTION: &str = "documentation";

/// What an index holds: every entry of the ledger, every point with its payload.
#[derive(Debug, PartialEq)]
struct Index {
    entries: Vec<Entry>,
    points: BTreeMap<PointId, Payload>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_kills_and_a_rerun_each_end_in_the_undisturbed_index() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("docs");
    corpus::write(&source, DOCUMENTS);
    let source = source.to_str().unwrap();
    let args = ["index", "--source", source, "--library", "/test/docs"];

    let undisturbed = folder.path().join("undisturbed");
    let started = tokio::time::Instant::now();
    run(&undisturbed, &args).await.success();
    let whole = started.elapsed();
    let expected = read(&undisturbed).await;
    assert_eq!(expected.entries.len(), DOCUMENTS);
    assert!(
        expected
            .entries
            .iter()
            .all(|entry| entry.stage == Stage::Complete)
    );

    let seed: u64 = rand::random();
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let mut killed = 0;
    for round in 0..KILLS {
        let moment = whole.mul_f64(random.random_range(0.02..0.95));
        let data = folder.path().join(format!("killed{round}"));
        killed += usize::from(kill_at(&data, &args, moment).await);
        run(&data, &args).await.success();
        let found = read(&data).await;
        assert_eq!(
            found, expected,
            "killed after {moment:?} of {whole:?}, seed {seed}"
        );
        std::fs::remove_dir_all(&data).unwrap();
    }
    assert!(
        killed >= KILLS / 2,
        "only {killed} runs were still going, seed {seed}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_while_documents_change_and_vanish_leave_no_trace_either() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("docs");
    corpus::write(&source, DOCUMENTS);
    let path = source.to_str().unwrap();
    let args = ["index", "--source", path, "--library", "/test/docs"];
    let before = folder.path().join("before");
    run(&before, &args).await.success();
    corpus::change(&source, DOCUMENTS);

    let undisturbed = folder.path().join("undisturbed");
    corpus::copy(&before, &undisturbed);
    let started = tokio::time::Instant::now();
    run(&undisturbed, &args).await.success();
    let whole = started.elapsed();
    let expected = read(&undisturbed).await;
    assert!(
        expected.entries.len() < DOCUMENTS,
        "some documents vanished"
    );

    let seed: u64 = rand::random();
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    for round in 0..KILLS / 2 {
        let moment = whole.mul_f64(random.random_range(0.02..0.95));
        let data = folder.path().join(format!("killed{round}"));
        corpus::copy(&before, &data);
        kill_at(&data, &args, moment).await;
        run(&data, &args).await.success();
        let found = read(&data).await;
        assert_eq!(
            found, expected,
            "killed after {moment:?} of {whole:?}, seed {seed}"
        );
        std::fs::remove_dir_all(&data).unwrap();
    }
}

/// Starts a run and kills it at `moment`; returns whether it was still going.
async fn kill_at(data: &Path, args: &[&str], moment: Duration) -> bool {
    let mut child = program(data, args)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let going = tokio::time::timeout(moment, child.wait()).await.is_err();
    if going {
        // SIGKILL: nothing in the process gets to run any more.
        child.kill().await.unwrap();
    }
    going
}

/// Reads an index, and verifies that every point is found by its own vector.
async fn read(data: &Path) -> Index {
    let ledger = Ledger::read(&data.join("ledger.jsonl")).unwrap();
    let library = "/test/docs".parse().unwrap();
    let entries = ledger.library_entries(&library);
    let ids = entries.iter().flat_map(|entry| {
        (0..entry.chunk_count).map(|ordinal| chunk_id(&library, &entry.path, ordinal))
    });
    let ids: Vec<PointId> = ids.collect();

    let store = EmbeddedStore::open(data.join("store")).await.unwrap();
    let count = Count {
        collection: COLLECTION.to_owned(),
        filter: Filter::all(),
    };
    assert_eq!(
        store.call(count).await.unwrap(),
        ids.len() as u64,
        "points in the store"
    );
    let retrieve = Retrieve {
        collection: COLLECTION.to_owned(),
        ids,
    };
    let records = store.call(retrieve).await.unwrap();
    let points: BTreeMap<_, _> = records
        .into_iter()
        .map(|record| (record.id, record.payload))
        .collect();
    for (id, payload) in &points {
        let text = |field: &str| payload[field].as_str().unwrap().to_owned();
        let vector = Lexical::new().embed(&format!("{}\n{}", text("title"), text("text")));
        let query = Query {
            collection: COLLECTION.to_owned(),
            legs: vec![Leg::Dense(vector)],
            filter: Filter::all(),
            limit: 5,
        };
        let found = store.call(query).await.unwrap();
        let ranking = found.rankings.first().unwrap();
        let own = ranking.iter().find(|hit| hit.id == *id);
        let nearness = own.map_or(0.0, |hit| hit.score);
        assert!(
            nearness > 0.999,
            "point {id} is found by its own vector with {nearness}"
        );
    }
    Index { entries, points }
}
