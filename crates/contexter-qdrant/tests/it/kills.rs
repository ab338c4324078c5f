//! Processes that are killed.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use contexter_model::{EnsureCollection, ErrorKind, Filter, Hit, Leg, Optimize, Scroll};
use contexter_qdrant::edge::{EmbeddedStore, Options, inspect};
use contexter_service::Service;
use rand::{RngExt as _, SeedableRng as _};
use tempfile::{TempDir, tempdir};

use crate::fixture::{CHUNKS, count, flush, many, search, spec, upsert};

const FOLDER: &str = "CONTEXTER_QDRANT_TEST_CRASH_FOLDER";
const FIRST: &str = "CONTEXTER_QDRANT_TEST_CRASH_FIRST";
const BATCH: u128 = 200;

/// Long enough for the longest that is waited for, the index of ten thousand points: built without the
/// compiler's optimizations, on a machine on which much else runs, it takes many minutes.
const PATIENCE: Duration = Duration::from_mins(30);

/// Opens a folder that another process held a moment ago. Of this process, too: a child that another
/// test is about to start has all open files until it has become another program.
async fn open(folder: &Path) -> EmbeddedStore {
    let options = Options::default().with_lock_wait(PATIENCE);
    EmbeddedStore::open_with(folder, options).await.unwrap()
}

/// Not a test by itself: the process that the tests below start and kill.
///
/// Stores batches for ever, each flushed before it is reported, optimizing now and then.
#[tokio::test]
async fn victim() {
    #[expect(
        clippy::disallowed_methods,
        reason = "tells the child process what to do"
    )]
    let told = (std::env::var(FOLDER), std::env::var(FIRST));
    let (Ok(folder), Ok(first)) = told else {
        return;
    };
    let store = open(Path::new(&folder)).await;
    store.call(EnsureCollection(spec(384))).await.unwrap();
    println!("\nopen");
    let first: u128 = first.parse().unwrap();
    for batch in 1.. {
        let next = first + (batch - 1) * BATCH;
        upsert(&store, many(next, BATCH)).await.unwrap();
        // Points that are there already move to other segments.
        upsert(&store, many(next / 2 + 1, 20)).await.unwrap();
        flush(&store).await.unwrap();
        println!("flushed {next}");
        if batch.is_multiple_of(5) {
            let collection = CHUNKS.into();
            store.call(Optimize { collection }).await.unwrap();
            println!("optimized");
        }
    }
}

/// A victim that runs.
struct Victim {
    child: Child,
    lines: Receiver<String>,
    /// What it complains of.
    complaints: PathBuf,
    _beside: TempDir,
}

impl Victim {
    /// Lets it store points from the number `first` on.
    fn start(folder: &Path, first: u128) -> Self {
        let beside = tempdir().unwrap();
        let complaints = beside.path().join("stderr");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "kills::victim",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(FOLDER, folder)
            .env(FIRST, first.to_string())
            .stdout(Stdio::piped())
            .stderr(File::create(&complaints).unwrap())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        // Ends with the pipe; nobody may want the rest.
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            lines,
            complaints,
            _beside: beside,
        }
    }

    /// Waits for the next line that is `what` and perhaps a number; `None` if `patience` ends first.
    #[track_caller]
    fn says(&mut self, what: &str, patience: Duration) -> Option<u128> {
        loop {
            match self.lines.recv_timeout(patience) {
                Ok(line) => {
                    if let Some(number) = line.strip_prefix(what) {
                        return Some(number.trim().parse().unwrap_or(0));
                    }
                }
                Err(RecvTimeoutError::Timeout) => return None,
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.child.wait().unwrap();
                    let complaints = fs::read_to_string(&self.complaints).unwrap();
                    unreachable!("the victim ended by itself, {status}: {complaints}");
                }
            }
        }
    }

    /// Kills it; returns the starts of those batches that it reported besides.
    fn kill(mut self) -> Vec<u128> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        // The pipe has ended, so that this does.
        let rest = self.lines.iter();
        rest.filter_map(|line| line.strip_prefix("flushed ")?.parse().ok())
            .collect()
    }
}

impl Drop for Victim {
    /// No test leaves it behind.
    fn drop(&mut self) {
        // It may be dead, and waited for, already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the victim until it has reported `reports` flushes and then for `more`; kills it. Returns the
/// starts of the batches that it reported as flushed.
fn run_and_kill(folder: &Path, first: u128, reports: usize, more: Duration) -> Vec<u128> {
    let mut victim = Victim::start(folder, first);
    let mut flushed = Vec::new();
    for report in 1..=reports {
        let batch = victim.says("flushed ", PATIENCE);
        let complaints = fs::read_to_string(&victim.complaints).unwrap();
        assert!(
            batch.is_some(),
            "no report {report} in {PATIENCE:?}: {complaints}"
        );
        flushed.extend(batch);
    }
    // A kill at a random moment is the point here: there is no condition to wait for.
    flushed.extend(victim.says("flushed ", more));
    flushed.extend(victim.kill());
    flushed
}

/// Returns the numbers of all points; none is there twice.
async fn numbers(store: &EmbeddedStore) -> Vec<u128> {
    let mut numbers = Vec::new();
    let mut page = Scroll::new(CHUNKS, 5_000);
    loop {
        let found = store.call(page.clone()).await.unwrap();
        numbers.extend(found.points.iter().map(|point| point.id.as_u128()));
        match found.next {
            Some(last) => page.after = Some(last),
            None => return numbers,
        }
    }
}

/// Says what is wrong with a store in which all of `flushed`, and nothing from `next` on, has to be.
async fn wrong(store: &EmbeddedStore, flushed: &BTreeSet<u128>, next: u128) -> Vec<String> {
    let mut wrong = Vec::new();
    let listed = numbers(store).await;
    let there: BTreeSet<u128> = listed.iter().copied().collect();
    let counted = count(store, Filter::all()).await;
    if listed.len() != there.len() || usize::try_from(counted).ok() != Some(there.len()) {
        let listed = listed.len();
        wrong.push(format!(
            "{} points: {listed} listed, {counted} counted",
            there.len()
        ));
    }
    let missing: Vec<_> = flushed.difference(&there).collect();
    if !missing.is_empty() {
        wrong.push(format!("{} missing: {missing:?}", missing.len()));
    }
    let strange: Vec<_> = there.range(next..).collect();
    if !strange.is_empty() {
        wrong.push(format!("{} never stored: {strange:?}", strange.len()));
    }
    let last = flushed.last().copied().unwrap_or(1);
    for n in [1, last / 2, last]
        .into_iter()
        .filter(|n| flushed.contains(n))
    {
        let vector = many(n, 1).remove(0).dense.unwrap();
        let hits = search(store, Leg::Dense(vector), Filter::all(), 2)
            .await
            .unwrap();
        let is = |hit: &Hit| hit.id.as_u128() == n;
        let is_first = hits.first().is_some_and(|hit| is(hit) && hit.score > 0.999);
        if !is_first || hits.iter().filter(|hit| is(hit)).count() > 1 {
            wrong.push(format!("by the vector of {n}: {hits:?}"));
        }
    }
    wrong
}

#[tokio::test]
async fn everything_flushed_is_there_after_kills_at_random_moments() {
    let seed = 20_261_123;
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let folder = tempdir().unwrap();
    let mut flushed = BTreeSet::new();
    let mut next = 1;
    for round in 0..20 {
        let reports = random.random_range(1..=6);
        let more = Duration::from_millis(random.random_range(0..120));
        let batches = run_and_kill(folder.path(), next, reports, more);
        flushed.extend(batches.iter().flat_map(|first| *first..first + BATCH));
        // Of the batch after the last that was reported any points may be there, in no order: the
        // engine stores a batch in the order of a hash table, and the kill may have met its flush.
        next = batches.iter().max().unwrap() + 2 * BATCH;

        let store = open(folder.path()).await;
        let wrong = wrong(&store, &flushed, next).await;
        store.close().await.unwrap();
        if !wrong.is_empty() {
            let folder = folder.keep();
            unreachable!(
                "round {round} of seed {seed}, killed {more:?} after {reports} reports; it reported \
                 the batches of {BATCH} from {batches:?}; the folder is kept as {}: {wrong:#?}",
                folder.display(),
            );
        }
    }
}

#[tokio::test]
async fn what_was_not_flushed_is_gone_but_nothing_is_broken() {
    let folder = tempdir().unwrap();
    let flushed = run_and_kill(folder.path(), 1, 1, Duration::ZERO);
    assert_eq!(flushed.first(), Some(&1));

    let inspection = inspect(folder.path()).unwrap();
    assert_eq!(inspection.holder, None, "the holder is dead");
    let store = open(folder.path()).await;
    let there = count(&store, Filter::all()).await;
    upsert(&store, many(1_000_000, 10)).await.unwrap();
    flush(&store).await.unwrap();
    assert_eq!(count(&store, Filter::all()).await, there + 10);
}

#[tokio::test]
async fn a_second_process_is_told_about_the_first() {
    let folder = tempdir().unwrap();
    let mut victim = Victim::start(folder.path(), 1);
    let opened = victim.says("open", PATIENCE);
    assert!(opened.is_some(), "the victim opens its folder");

    let options = Options::default().with_lock_wait(Duration::ZERO);
    let refused = EmbeddedStore::open_with(folder.path(), options).await;
    let inspection = inspect(folder.path()).unwrap();
    let pid = victim.child.id();
    victim.kill();

    let error = refused.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let holder = format!("is in use by process {pid} since 20");
    assert!(error.message().contains(&holder), "{error}");
    assert_eq!(inspection.holder.unwrap().pid, pid);
    assert_eq!(inspection.collections[0].spec.name, CHUNKS);
    open(folder.path()).await;
}
