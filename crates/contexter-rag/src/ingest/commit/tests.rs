//! When groups are written.

use contexter_model::{Count, Delete, Flush, Upsert};
use contexter_service::{Handle, Service};
use parking_lot::Mutex;

use super::*;
use crate::ingest::ledger::Stage;
use crate::ingest::tracker::{Half, Part};

/// Counts flushes: one for each group.
#[derive(Clone, Default)]
struct Counting(Arc<Mutex<usize>>);

macro_rules! accepts {
    ($($request:ty),+) => {$(
        impl Service<$request> for Counting {
            type Response = ();
            type Error = Error;

            async fn call(&self, _req: $request) -> Result<(), Error> {
                Ok(())
            }
        }
    )+};
}

accepts!(Upsert, Delete);

impl Service<Flush> for Counting {
    type Response = ();
    type Error = Error;

    async fn call(&self, _req: Flush) -> Result<(), Error> {
        *self.0.lock() += 1;
        Ok(())
    }
}

impl Service<Count> for Counting {
    type Response = u64;
    type Error = Error;

    async fn call(&self, _req: Count) -> Result<u64, Error> {
        Ok(0)
    }
}

const RUN: Part<'_> = Part {
    run: "run",
    half: Half::Words,
};

struct Fixture {
    committer: Committer,
    tracker: Arc<Tracker>,
    flushes: Counting,
    _folder: tempfile::TempDir,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let flushes = Counting::default();
    let store = Store {
        collection: "c".to_owned(),
        place: "c".to_owned(),
        upsert: Handle::new(flushes.clone()),
        delete: Handle::new(flushes.clone()),
        flush: Handle::new(flushes.clone()),
        count: Handle::new(flushes.clone()),
    };
    let ledger = Arc::new(Ledger::open(&folder.path().join("ledger.jsonl")).unwrap());
    ledger.turn_to("c").unwrap();
    let tracker = Arc::new(Tracker::default());
    Fixture {
        committer: Committer::new(store, ledger, Arc::clone(&tracker)),
        tracker,
        flushes,
        _folder: folder,
    }
}

fn write(path: &str) -> Write {
    let nothing = contexter_storage::hash(b"");
    let entry = Entry {
        library: "/a/b".parse().unwrap(),
        path: path.to_owned(),
        document: nothing,
        chunks: nothing,
        chunk_count: 0,
        stage: Stage::Lexical,
        profile: String::new(),
    };
    Write::Index {
        entry,
        points: Vec::new(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_that_holds_all_that_is_under_way_is_written_at_once() {
    let Fixture {
        committer,
        tracker,
        flushes,
        _folder,
    } = fixture();
    let library = "/a/b".parse().unwrap();
    let _ended = [
        tracker.expect(&library, "1", RUN),
        tracker.expect(&library, "2", RUN),
    ];
    let started = tokio::time::Instant::now();
    let (first, second) = tokio::join!(committer.commit(write("1")), committer.commit(write("2")));
    first.and(second).unwrap();
    assert!(started.elapsed() < LINGER, "{:?}", started.elapsed());
    assert_eq!(*flushes.0.lock(), 1, "both in one group");
}

#[tokio::test(start_paused = true)]
async fn a_group_waits_for_what_is_under_way_but_not_for_ever() {
    let Fixture {
        committer,
        tracker,
        flushes: _,
        _folder,
    } = fixture();
    let library = "/a/b".parse().unwrap();
    let _ended = [
        tracker.expect(&library, "1", RUN),
        tracker.expect(&library, "2", RUN),
    ];
    let started = tokio::time::Instant::now();
    committer.commit(write("1")).await.unwrap();
    assert!(started.elapsed() >= LINGER, "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_group_waits_while_a_driver_has_more() {
    let Fixture {
        committer,
        tracker,
        flushes: _,
        _folder,
    } = fixture();
    let library = "/a/b".parse().unwrap();
    let _ended = tracker.expect(&library, "1", RUN);
    let more = tracker.more_to_come();
    let started = tokio::time::Instant::now();
    let waiting = LINGER / 2;
    let commit = committer.commit(write("1"));
    let driver = async {
        sleep(waiting).await;
        drop(more);
    };
    let (written, ()) = tokio::join!(commit, driver);
    written.unwrap();
    let took = started.elapsed();
    assert!(took >= waiting && took < LINGER, "{took:?}");
}
