//! Which documents are under way, and how each of them ended.

use std::collections::HashMap;

use contexter_model::LibraryId;
use parking_lot::Mutex;
use tokio::sync::oneshot;

type Key = (LibraryId, String);

/// How a document's way through the flow ended: well, or with a reason for people.
pub(super) type Outcome = Result<(), String>;

/// The documents under way. The driver that puts them in bounds their number.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    waiting: Mutex<HashMap<Key, oneshot::Sender<Outcome>>>,
}

impl Tracker {
    /// Announces a document; the receiver learns how it ended.
    pub(super) fn expect(&self, library: &LibraryId, path: &str) -> oneshot::Receiver<Outcome> {
        let (sender, receiver) = oneshot::channel();
        let key = (library.clone(), path.to_owned());
        self.waiting.lock().insert(key, sender);
        receiver
    }

    /// Says how a document ended; nothing happens if nobody waits for it.
    pub(super) fn settle(&self, library: &str, path: &str, outcome: Outcome) {
        let Ok(library) = library.parse::<LibraryId>() else {
            return;
        };
        let waiting = self.waiting.lock().remove(&(library, path.to_owned()));
        if let Some(sender) = waiting {
            // The driver may have been dropped meanwhile.
            let _ = sender.send(outcome);
        }
    }
}
