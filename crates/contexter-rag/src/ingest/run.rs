//! The documents of one library, as they come through the flow.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use contexter_model::{LibraryId, Skipped};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::tracker::{Half, MoreToCome, Outcome, Part, Reason, Tracker};

/// Documents under way between the driver and the last step.
pub(super) const UNDER_WAY: usize = 256;

/// After so many documents in a row that failed because something is out of service, the others
/// would fail too.
const IN_VAIN: usize = 16;

/// When no document has come to an end for so long, the events of those under way are lost: a broker
/// that keeps nothing was restarted, or trimmed them. Longer than all attempts of a step take.
pub(super) const LOST_AFTER: Duration = Duration::from_hours(3);

/// The documents of one library, as they come through.
///
/// When it is dropped, those that no step has begun with are passed over.
pub(super) struct LibraryRun {
    announced: Announced,
    /// Held while the next thing to happen is another document.
    more: Option<MoreToCome>,
    pub(super) seen: BTreeSet<String>,
    unread: BTreeSet<String>,
    pub(super) changed: u64,
    pub(super) unchanged: u64,
    pub(super) skipped: Vec<Skipped>,
    under_way: FuturesUnordered<Waiting>,
    /// Documents in a row that something out of service failed.
    in_vain: usize,
}

type Waiting = BoxFuture<'static, (String, Outcome)>;

/// What a run has announced, for as long as it is there.
struct Announced {
    tracker: Arc<Tracker>,
    run: String,
    half: Half,
}

impl Announced {
    fn part(&self) -> Part<'_> {
        let Self { run, half, .. } = self;
        Part { run, half: *half }
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        self.tracker.withdraw(self.part());
    }
}

impl LibraryRun {
    pub(super) fn new(part: Part<'_>, tracker: &Arc<Tracker>) -> Self {
        Self {
            announced: Announced {
                tracker: Arc::clone(tracker),
                run: part.run.to_owned(),
                half: part.half,
            },
            more: Some(tracker.more_to_come()),
            seen: BTreeSet::new(),
            unread: BTreeSet::new(),
            changed: 0,
            unchanged: 0,
            skipped: Vec::new(),
            under_way: FuturesUnordered::new(),
            in_vain: 0,
        }
    }

    /// Lists what a source could not read. It counts as seen: an earlier version stays findable.
    pub(super) fn skip(&mut self, skipped: Vec<Skipped>) {
        let paths: Vec<String> = skipped.iter().map(|skip| skip.path.clone()).collect();
        self.seen.extend(paths.iter().cloned());
        self.unread.extend(paths);
        self.skipped.extend(skipped);
    }

    /// Whether the source has the document, or could not say: what is below a folder that could not
    /// be read counts as there.
    pub(super) fn covers(&self, path: &str) -> bool {
        let above = path
            .match_indices('/')
            .filter_map(|(end, _)| path.get(..end));
        self.seen.contains(path) || above.chain([""]).any(|folder| self.unread.contains(folder))
    }

    /// Lists a document that did not make it.
    pub(super) fn refuse(&mut self, path: String, reason: Reason) {
        self.in_vain = if reason.out_of_service {
            self.in_vain + 1
        } else {
            0
        };
        let reason = reason.text;
        self.skipped.push(Skipped { path, reason });
    }

    /// Returns why it makes no sense to go on, if it does not.
    pub(super) fn is_in_vain(&self) -> Option<&str> {
        let last = self.skipped.last()?;
        (self.in_vain >= IN_VAIN).then_some(&last.reason)
    }

    /// Announces a document; the receiver learns how it ended.
    pub(super) fn expect(&self, library: &LibraryId, path: &str) -> oneshot::Receiver<Outcome> {
        let Announced { tracker, .. } = &self.announced;
        tracker.expect(library, path, self.announced.part())
    }

    /// Lists a document that is not under way after all.
    pub(super) fn give_up(&mut self, library: &LibraryId, path: String, reason: Reason) {
        let Announced { tracker, run, half } = &self.announced;
        let its = (Some(run.as_str()), *half);
        tracker.settle(library.as_str(), &path, its, Err(reason.clone()));
        self.refuse(path, reason);
    }

    /// Takes a document under way; waits for others to end while too many are.
    pub(super) async fn wait_for(&mut self, path: String, outcome: oneshot::Receiver<Outcome>) {
        self.under_way.push(Box::pin(async move {
            let lost = || Err(Reason::new("was given up by the event bus"));
            (path, outcome.await.unwrap_or_else(|_closed| lost()))
        }));
        if self.under_way.len() >= UNDER_WAY {
            self.more = None;
            while self.under_way.len() >= UNDER_WAY {
                self.settle_one().await;
            }
            self.more = Some(self.announced.tracker.more_to_come());
        }
    }

    /// Waits for all documents, as long as it makes sense; no more may be put in.
    pub(super) async fn finish(&mut self) {
        self.more = None;
        while !self.under_way.is_empty() && self.is_in_vain().is_none() {
            self.settle_one().await;
        }
    }

    async fn settle_one(&mut self) {
        let settled = match timeout(LOST_AFTER, self.under_way.next()).await {
            Ok(settled) => settled,
            Err(_elapsed) => {
                // Every step has come to an end by then, with or without success: what is left has
                // no event any more.
                let Announced { tracker, .. } = &self.announced;
                let part = self.announced.part();
                tracker.give_up(part, "its event was lost by the event bus");
                self.under_way.next().await
            }
        };
        match settled {
            Some((_, Ok(()))) => {
                self.in_vain = 0;
                self.changed += 1;
            }
            Some((path, Err(reason))) => self.refuse(path, reason),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(run: &str) -> Part<'_> {
        let half = Half::Words;
        Part { run, half }
    }

    #[tokio::test(start_paused = true)]
    async fn a_document_whose_event_is_lost_is_listed_and_not_waited_for_for_ever() {
        let tracker = Arc::new(Tracker::default());
        let library = "/a/b".parse().unwrap();
        let mut run = LibraryRun::new(part("run"), &tracker);
        let outcome = run.expect(&library, "lost.md");
        let mut another = tracker.expect(&library, "alive.md", part("another"));
        run.wait_for("lost.md".to_owned(), outcome).await;
        run.finish().await;
        assert_eq!(run.skipped.len(), 1);
        assert_eq!(run.skipped[0].path, "lost.md");
        assert!(run.skipped[0].reason.contains("lost by the event bus"));
        let alive = oneshot::error::TryRecvError::Empty;
        assert_eq!(another.try_recv().unwrap_err(), alive);
    }

    #[tokio::test]
    async fn a_run_that_is_dropped_leaves_nothing_under_way() {
        let tracker = Arc::new(Tracker::default());
        let library = "/a/b".parse().unwrap();
        let mut run = LibraryRun::new(part("run"), &tracker);
        let outcome = run.expect(&library, "a.md");
        run.wait_for("a.md".to_owned(), outcome).await;
        let _another = tracker.expect(&library, "b.md", part("another"));
        drop(run);
        assert!(!tracker.expects(&library, "a.md", part("run")));
        assert!(tracker.expects(&library, "b.md", part("another")));
    }
}
