//! Which documents are under way, and how each of them ended.

use std::collections::HashMap;
use std::sync::Arc;

use contexter_model::LibraryId;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

type Key = (LibraryId, String);

/// One of the halves of the flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    /// The words of a document are indexed.
    Words,
    /// Its vectors are added.
    Vectors,
}

/// One half of one run. Both halves of a run have the same correlation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    /// The correlation of the run.
    pub(super) run: &'a str,
    pub(super) half: Half,
}

/// How a document's way through the flow ended.
pub(super) type Outcome = Result<(), Reason>;

/// Why a document did not make it.
#[derive(Clone, Debug)]
pub(super) struct Reason {
    /// For people.
    pub(super) text: String,
    /// It is not the document: something that all documents need is out of service.
    pub(super) out_of_service: bool,
}

impl Reason {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            out_of_service: false,
        }
    }
}

/// The documents under way, each in one half of one run. The driver that puts them in bounds their
/// number.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    under_way: Mutex<UnderWay>,
    /// Something ended: a document, or the work of a driver.
    fewer: Notify,
}

#[derive(Debug, Default)]
struct UnderWay {
    waiting: HashMap<Key, Waiting>,
    /// How many drivers are about to put more documents in.
    drivers: usize,
}

#[derive(Debug)]
struct Waiting {
    /// The correlation of the run that it is part of.
    run: String,
    half: Half,
    /// None for a document that no driver has put in.
    driver: Option<oneshot::Sender<Outcome>>,
}

impl Tracker {
    /// Announces a document; the receiver learns how it ended. Whatever else it is under way in is
    /// passed over from now on.
    pub(super) fn expect(
        &self,
        library: &LibraryId,
        path: &str,
        part: Part<'_>,
    ) -> oneshot::Receiver<Outcome> {
        let (sender, receiver) = oneshot::channel();
        let waiting = Waiting::new(part, Some(sender));
        let key = (library.clone(), path.to_owned());
        self.under_way.lock().waiting.insert(key, waiting);
        receiver
    }

    /// Announces a document of a run that has ended, unless it is under way in another one. Returns
    /// whether it is under way now.
    pub(super) fn adopt(&self, library: &LibraryId, path: &str, part: Part<'_>) -> bool {
        let key = (library.clone(), path.to_owned());
        let mut under_way = self.under_way.lock();
        let waiting = under_way.waiting.entry(key);
        let waiting = waiting.or_insert_with(|| Waiting::new(part, None));
        waiting.is_of(part)
    }

    /// Returns whether a document is under way in this part.
    pub(super) fn expects(&self, library: &LibraryId, path: &str, part: Part<'_>) -> bool {
        let key = (library.clone(), path.to_owned());
        let under_way = self.under_way.lock();
        let waiting = under_way.waiting.get(&key);
        waiting.is_some_and(|waiting| waiting.is_of(part))
    }

    /// Announces that more documents are to come, until the guard is dropped.
    pub(super) fn more_to_come(self: &Arc<Self>) -> MoreToCome {
        self.under_way.lock().drivers += 1;
        MoreToCome(Arc::clone(self))
    }

    /// Waits until at most `count` documents are under way and no driver puts more in.
    ///
    /// Made for one caller at a time.
    pub(super) async fn at_most(&self, count: usize) {
        loop {
            let fewer = self.fewer.notified();
            {
                let under_way = self.under_way.lock();
                if under_way.drivers == 0 && under_way.waiting.len() <= count {
                    return;
                }
            }
            fewer.await;
        }
    }

    /// Gives up every document that is under way in this part.
    pub(super) fn give_up(&self, part: Part<'_>, reason: &str) {
        for waiting in self.take(part) {
            waiting.tell(Err(Reason::new(reason)));
        }
    }

    /// Takes every document out that is under way in this part: nobody waits for it any more, and
    /// steps that have not begun with it pass it over.
    pub(super) fn withdraw(&self, part: Part<'_>) {
        drop(self.take(part));
    }

    fn take(&self, part: Part<'_>) -> Vec<Waiting> {
        let taken = {
            let waiting = &mut self.under_way.lock().waiting;
            let of_it = waiting.extract_if(|_, waiting| waiting.is_of(part));
            of_it.map(|(_, waiting)| waiting).collect()
        };
        self.fewer.notify_one();
        taken
    }

    /// Says how a document ended in this half of a run, and returns whether it was under way there.
    /// Without a run, it is whichever the document is under way in.
    pub(super) fn settle(
        &self,
        library: &str,
        path: &str,
        (run, half): (Option<&str>, Half),
        outcome: Outcome,
    ) -> bool {
        let Ok(library) = library.parse::<LibraryId>() else {
            return false;
        };
        let key = (library, path.to_owned());
        let waiting = {
            let mut under_way = self.under_way.lock();
            let ours = |waiting: &Waiting| {
                waiting.half == half && run.is_none_or(|run| waiting.run == run)
            };
            if !under_way.waiting.get(&key).is_some_and(ours) {
                return false;
            }
            under_way.waiting.remove(&key)
        };
        self.fewer.notify_one();
        if let Some(waiting) = waiting {
            waiting.tell(outcome);
        }
        true
    }
}

impl Waiting {
    fn new(part: Part<'_>, driver: Option<oneshot::Sender<Outcome>>) -> Self {
        Self {
            run: part.run.to_owned(),
            half: part.half,
            driver,
        }
    }

    fn is_of(&self, part: Part<'_>) -> bool {
        self.half == part.half && self.run == part.run
    }

    fn tell(self, outcome: Outcome) {
        if let Some(driver) = self.driver {
            // The driver may have been dropped meanwhile.
            let _ = driver.send(outcome);
        }
    }
}

/// A driver that is about to put more documents in.
#[derive(Debug)]
pub(super) struct MoreToCome(Arc<Tracker>);

impl Drop for MoreToCome {
    fn drop(&mut self) {
        self.0.under_way.lock().drivers -= 1;
        self.0.fewer.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(run: &str, half: Half) -> Part<'_> {
        Part { run, half }
    }

    #[test]
    fn what_an_earlier_run_has_left_behind_settles_nothing() {
        let tracker = Tracker::default();
        let library = "/a/b".parse().unwrap();
        let [now, before] = ["now", "before"].map(|run| part(run, Half::Words));
        let settle = |run| {
            let its = (Some(run), Half::Words);
            tracker.settle("/a/b", "c.md", its, Ok(()))
        };
        let mut outcome = tracker.expect(&library, "c.md", now);
        assert!(!tracker.expects(&library, "c.md", before));
        assert!(!tracker.adopt(&library, "c.md", before));
        assert!(!settle("before"));
        outcome.try_recv().expect_err("it is still under way");
        assert!(settle("now"));
        assert!(!settle("now"));
        outcome.try_recv().unwrap().unwrap();
    }

    #[test]
    fn one_half_of_a_run_settles_nothing_of_the_other() {
        let tracker = Tracker::default();
        let library = "/a/b".parse().unwrap();
        let [words, vectors] = [Half::Words, Half::Vectors].map(|half| part("run", half));
        let mut outcome = tracker.expect(&library, "c.md", vectors);
        assert!(!tracker.expects(&library, "c.md", words));
        assert!(!tracker.adopt(&library, "c.md", words));
        for run in [Some("run"), None] {
            assert!(!tracker.settle("/a/b", "c.md", (run, Half::Words), Ok(())));
        }
        outcome.try_recv().expect_err("it is still under way");
        assert!(tracker.settle("/a/b", "c.md", (None, Half::Vectors), Ok(())));
        outcome.try_recv().unwrap().unwrap();
    }

    #[test]
    fn a_document_without_a_driver_is_under_way_until_it_is_settled() {
        let tracker = Tracker::default();
        let library = "/a/b".parse().unwrap();
        let before = part("before", Half::Vectors);
        assert!(tracker.adopt(&library, "c.md", before));
        assert!(tracker.expects(&library, "c.md", before));
        assert!(tracker.settle("/a/b", "c.md", (None, Half::Vectors), Ok(())));
        assert!(!tracker.expects(&library, "c.md", before));
    }

    #[test]
    fn what_is_withdrawn_is_passed_over_and_nothing_else() {
        let tracker = Tracker::default();
        let library = "/a/b".parse().unwrap();
        let [dropped, alive] = ["dropped", "alive"].map(|run| part(run, Half::Words));
        let mut outcome = tracker.expect(&library, "1.md", dropped);
        let _alive = tracker.expect(&library, "2.md", alive);
        tracker.withdraw(dropped);
        assert!(!tracker.expects(&library, "1.md", dropped));
        assert!(tracker.expects(&library, "2.md", alive));
        outcome.try_recv().expect_err("nobody has settled it");
    }
}
