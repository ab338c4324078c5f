//! Which documents are under way, and how each of them ended.

use std::collections::HashMap;
use std::sync::Arc;

use contexter_model::LibraryId;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

type Key = (LibraryId, String);

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

/// The documents under way. The driver that puts them in bounds their number.
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
    /// None for a document that no driver has put in.
    driver: Option<oneshot::Sender<Outcome>>,
}

impl Tracker {
    /// Announces a document of a run; the receiver learns how it ended.
    pub(super) fn expect(
        &self,
        library: &LibraryId,
        path: &str,
        run: &str,
    ) -> oneshot::Receiver<Outcome> {
        let (sender, receiver) = oneshot::channel();
        let waiting = Waiting {
            run: run.to_owned(),
            driver: Some(sender),
        };
        let key = (library.clone(), path.to_owned());
        self.under_way.lock().waiting.insert(key, waiting);
        receiver
    }

    /// Announces a document of a run that has ended, unless it is under way in another one. Returns
    /// whether it is under way now.
    pub(super) fn adopt(&self, library: &LibraryId, path: &str, run: &str) -> bool {
        let key = (library.clone(), path.to_owned());
        let mut under_way = self.under_way.lock();
        let waiting = under_way.waiting.entry(key).or_insert_with(|| Waiting {
            run: run.to_owned(),
            driver: None,
        });
        waiting.run == run
    }

    /// Returns whether a document is under way in this run.
    pub(super) fn expects(&self, library: &LibraryId, path: &str, run: &str) -> bool {
        let key = (library.clone(), path.to_owned());
        let under_way = self.under_way.lock();
        let waiting = under_way.waiting.get(&key);
        waiting.is_some_and(|waiting| waiting.run == run)
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

    /// Gives up every document of this library that is under way.
    pub(super) fn give_up(&self, library: &LibraryId, reason: &str) {
        let lost: Vec<_> = {
            let waiting = &mut self.under_way.lock().waiting;
            let of_it = waiting.keys().filter(|(its, _)| its == library);
            let keys: Vec<_> = of_it.cloned().collect();
            keys.iter().filter_map(|key| waiting.remove(key)).collect()
        };
        self.fewer.notify_one();
        for waiting in lost {
            waiting.tell(Err(Reason::new(reason)));
        }
    }

    /// Says how a document ended in a run, and returns whether it was under way there. Without a run,
    /// it is whichever the document is under way in.
    pub(super) fn settle(
        &self,
        library: &str,
        path: &str,
        run: Option<&str>,
        outcome: Outcome,
    ) -> bool {
        let Ok(library) = library.parse::<LibraryId>() else {
            return false;
        };
        let key = (library, path.to_owned());
        let waiting = {
            let mut under_way = self.under_way.lock();
            let ours = |waiting: &Waiting| run.is_none_or(|run| waiting.run == run);
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

    #[test]
    fn what_an_earlier_run_has_left_behind_settles_nothing() {
        let tracker = Tracker::default();
        let library = "/a/b".parse().unwrap();
        let mut outcome = tracker.expect(&library, "c.md", "now");
        assert!(!tracker.expects(&library, "c.md", "before"));
        assert!(!tracker.adopt(&library, "c.md", "before"));
        assert!(!tracker.settle("/a/b", "c.md", Some("before"), Ok(())));
        outcome.try_recv().expect_err("it is still under way");
        assert!(tracker.settle("/a/b", "c.md", Some("now"), Ok(())));
        assert!(!tracker.settle("/a/b", "c.md", Some("now"), Ok(())));
        outcome.try_recv().unwrap().unwrap();
    }

    #[test]
    fn a_document_without_a_driver_is_under_way_until_it_is_settled() {
        let tracker = Tracker::default();
        let library = "/a/b".parse().unwrap();
        assert!(tracker.adopt(&library, "c.md", "before"));
        assert!(tracker.expects(&library, "c.md", "before"));
        assert!(tracker.settle("/a/b", "c.md", None, Ok(())));
        assert!(!tracker.expects(&library, "c.md", "before"));
    }
}
