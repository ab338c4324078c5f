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
    waiting: HashMap<Key, oneshot::Sender<Outcome>>,
    /// How many drivers are about to put more documents in.
    drivers: usize,
}

impl Tracker {
    /// Announces a document; the receiver learns how it ended.
    pub(super) fn expect(&self, library: &LibraryId, path: &str) -> oneshot::Receiver<Outcome> {
        let (sender, receiver) = oneshot::channel();
        let key = (library.clone(), path.to_owned());
        self.under_way.lock().waiting.insert(key, sender);
        receiver
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
        for sender in lost {
            // The driver may have been dropped meanwhile.
            let _ = sender.send(Err(Reason::new(reason)));
        }
    }

    /// Says how a document ended; nothing happens if nobody waits for it.
    pub(super) fn settle(&self, library: &str, path: &str, outcome: Outcome) {
        let Ok(library) = library.parse::<LibraryId>() else {
            return;
        };
        let key = (library, path.to_owned());
        let waiting = self.under_way.lock().waiting.remove(&key);
        if let Some(sender) = waiting {
            self.fewer.notify_one();
            // The driver may have been dropped meanwhile.
            let _ = sender.send(outcome);
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
