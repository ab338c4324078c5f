//! Processes that are killed.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use contexter_model::{ErrorKind, Filter, Leg, Optimize};
use contexter_qdrant::edge::{EmbeddedStore, Options, inspect};
use contexter_service::Service;
use rand::{RngExt as _, SeedableRng as _};
use tempfile::tempdir;

use crate::fixture::{
    CHUNKS, count, flush, found, id, many, payload_of, point, search, sparse, store, upsert,
};

const FOLDER: &str = "CONTEXTER_QDRANT_TEST_CRASH_FOLDER";
const BATCH: u128 = 200;

/// Not a test by itself: the process that the tests below start and kill.
///
/// Stores batches for ever, each flushed before it is reported, optimizing now and then.
#[tokio::test]
async fn victim() {
    #[expect(
        clippy::disallowed_methods,
        reason = "tells the child process what to do"
    )]
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let store = store(Path::new(&folder), 384).await;
    println!("\nopen");
    let mut stored = u128::from(count(&store, Filter::all()).await);
    loop {
        upsert(&store, many(stored + 1, BATCH)).await.unwrap();
        // Points that are there already move to other segments.
        upsert(&store, many(1 + stored / 2, 20)).await.unwrap();
        flush(&store).await.unwrap();
        stored += BATCH;
        println!("flushed {stored}");
        if stored.is_multiple_of(5 * BATCH) {
            let collection = CHUNKS.into();
            store.call(Optimize { collection }).await.unwrap();
            println!("optimized {stored}");
        }
    }
}

/// Runs the victim until it has reported `reports` flushes and then for `more`; kills it. Returns
/// how many points it reported as flushed.
fn run_and_kill(folder: &Path, reports: usize, more: Duration) -> u128 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "crash::victim",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let (sender, receiver) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            if let Some(stored) = line.strip_prefix("flushed ") {
                sender.send(stored.parse::<u128>().unwrap()).unwrap();
            }
        }
    });
    let mut flushed = 0;
    for _ in 0..reports {
        flushed = receiver
            .recv_timeout(Duration::from_mins(5))
            .expect("the victim reports its flushes");
    }
    // A kill at a random moment is the point here: there is no condition to wait for.
    if let Ok(stored) = receiver.recv_timeout(more) {
        flushed = stored;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap();
    receiver.try_iter().last().unwrap_or(flushed)
}

#[tokio::test]
async fn everything_flushed_is_there_after_kills_at_random_moments() {
    let seed = 20_261_123;
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let folder = tempdir().unwrap();
    let mut before = 0;
    for round in 0..20 {
        let reports = random.random_range(1..=6);
        let more = Duration::from_millis(random.random_range(0..120));
        let flushed = run_and_kill(folder.path(), reports, more);
        assert!(flushed > before, "round {round}: progress");

        let store = EmbeddedStore::open(folder.path()).await.unwrap();
        let there = u128::from(count(&store, Filter::all()).await);
        assert!(
            there >= flushed && there <= flushed + BATCH,
            "round {round}: {flushed} reported, {there} there",
        );
        for n in [1, flushed / 2, flushed] {
            assert!(payload_of(&store, n).await.is_some(), "round {round}: {n}");
            let vector = many(n, 1).remove(0).dense.unwrap();
            let hits = search(&store, Leg::Dense(vector), Filter::all(), 2)
                .await
                .unwrap();
            assert_eq!(hits[0].id.as_u128(), n, "round {round}");
            assert!(hits[0].score > 0.999, "round {round}: {hits:?}");
            assert!(
                hits[1].id != hits[0].id,
                "round {round}: {n} is there twice"
            );
        }
        store.close().await.unwrap();
        before = there;
    }
}

#[tokio::test]
async fn what_was_not_flushed_is_gone_but_nothing_is_broken() {
    let folder = tempdir().unwrap();
    let flushed = run_and_kill(folder.path(), 1, Duration::ZERO);
    assert!(flushed >= BATCH);

    let inspection = inspect(folder.path()).unwrap();
    assert_eq!(inspection.holder, None, "the holder is dead");
    let store = EmbeddedStore::open(folder.path()).await.unwrap();
    let there = u128::from(count(&store, Filter::all()).await);
    upsert(&store, many(there + 1, 10)).await.unwrap();
    flush(&store).await.unwrap();
    assert_eq!(u128::from(count(&store, Filter::all()).await), there + 10);
}

#[tokio::test]
async fn older_copies_that_a_killed_process_left_behind_are_removed() {
    let folder = tempdir().unwrap();
    let first = store(folder.path(), 384).await;
    upsert(&first, many(1, 1_500)).await.unwrap();
    first.close().await.unwrap();
    // What a kill in the middle of an optimization leaves: the same points in two segments, and a
    // lock file that names the dead.
    let segments = folder.path().join("collections/chunks/shard/segments");
    let segment = fs::read_dir(&segments).unwrap().next().unwrap().unwrap();
    copy(&segment.path(), &segments.join(id(77).to_string()));
    let lock = folder.path().join("contexter-vectors.lock");
    fs::write(
        &lock,
        r#"{"pid":4294967295,"since":"2026-01-01T00:00:00Z"}"#,
    )
    .unwrap();

    let second = EmbeddedStore::open(folder.path()).await.unwrap();

    assert_eq!(count(&second, Filter::all()).await, 1_500);
    let vector = many(7, 1).remove(0).dense.unwrap();
    let hits = search(&second, Leg::Dense(vector), Filter::all(), 2)
        .await
        .unwrap();
    assert_eq!(hits[0].id, id(7));
    assert!(hits[0].score > 0.999);
    let term = Leg::Sparse(sparse(&[(7, 1.0)]));
    assert_eq!(found(&second, term).await.len(), 16);
    assert!(payload_of(&second, 1_500).await.is_some());
}

fn name_a_dead_holder(folder: &Path) {
    let lock = folder.join("contexter-vectors.lock");
    fs::write(lock, r#"{"pid":4294967295,"since":"2026-01-01T00:00:00Z"}"#).unwrap();
}

#[tokio::test]
async fn of_copies_in_an_index_and_beside_it_the_newest_stays() {
    let folder = tempdir().unwrap();
    let first = store(folder.path(), 384).await;
    let segments = folder.path().join("collections/chunks/shard/segments");
    upsert(&first, many(1, 7_000)).await.unwrap();
    let before = tempdir().unwrap();
    flush(&first).await.unwrap();
    let plain = fs::read_dir(&segments).unwrap().next().unwrap().unwrap();
    copy(&plain.path(), &before.path().join("plain"));
    let collection = CHUNKS.into();
    first.call(Optimize { collection }).await.unwrap();
    upsert(&first, vec![point(1, &[], &[(9_000, 1.0)], "new")])
        .await
        .unwrap();
    first.close().await.unwrap();
    // The optimized segment's source is still there.
    copy(
        &before.path().join("plain"),
        &segments.join(plain.file_name()),
    );
    name_a_dead_holder(folder.path());

    let second = EmbeddedStore::open(folder.path()).await.unwrap();

    assert_eq!(count(&second, Filter::all()).await, 7_000);
    assert_eq!(payload_of(&second, 1).await.unwrap()["library"], "new");
    let vector = many(1, 1).remove(0).dense.unwrap();
    assert!(!found(&second, Leg::Dense(vector)).await.contains(&1));
    let vector = many(2, 1).remove(0).dense.unwrap();
    assert_eq!(found(&second, Leg::Dense(vector)).await[0], 2);
}

#[tokio::test]
async fn an_opening_that_fails_leaves_the_repair_to_the_next_one() {
    let folder = tempdir().unwrap();
    let first = store(folder.path(), 384).await;
    upsert(&first, many(1, 100)).await.unwrap();
    first.close().await.unwrap();
    let segments = folder.path().join("collections/chunks/shard/segments");
    let segment = fs::read_dir(&segments).unwrap().next().unwrap().unwrap();
    copy(&segment.path(), &segments.join(id(77).to_string()));
    name_a_dead_holder(folder.path());
    let aliases = folder.path().join("aliases.json");
    fs::write(&aliases, "{").unwrap();

    let error = EmbeddedStore::open(folder.path()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert_eq!(inspect(folder.path()).unwrap().holder, None);
    fs::remove_file(aliases).unwrap();

    let second = EmbeddedStore::open(folder.path()).await.unwrap();
    assert_eq!(count(&second, Filter::all()).await, 100, "no copies");
    second.close().await.unwrap();
    let lock = fs::read(folder.path().join("contexter-vectors.lock")).unwrap();
    assert_eq!(lock, [0_u8; 0], "it is whole now");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn a_second_process_is_told_about_the_first() {
    let folder = tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "crash::victim",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(FOLDER, folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    while output.next().unwrap().unwrap() != "open" {}

    let options = Options::default().with_lock_wait(Duration::ZERO);
    let refused = EmbeddedStore::open_with(folder.path(), options).await;
    let inspection = inspect(folder.path()).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();

    let error = refused.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let holder = format!("is in use by process {} since 20", child.id());
    assert!(error.message().contains(&holder), "{error}");
    assert_eq!(inspection.holder.unwrap().pid, child.id());
    assert_eq!(inspection.collections[0].spec.name, CHUNKS);
    EmbeddedStore::open(folder.path()).await.unwrap();
}
