//! What has been indexed: an append-only journal beside the vector store.
//!
//! A line is written only after what it says is durable, so that whatever the process was doing
//! when it was killed, the ledger never promises more than the store holds. The other way round
//! the store may hold more: points of a document whose line was not reached. The line before the
//! write, the *intent*, says how many points there may be, so that the next run can tidy up.
//!
//! All of it is about one collection of one store. When another one is written, the entries become
//! intents, and whatever that collection holds of a library is removed before the first document of it
//! is written.

mod change;
mod claim;
mod error;
mod file;
mod line;

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use contexter_model::LibraryId;
use contexter_storage::Hash;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(super) use change::Change;
pub(super) use claim::Claim;
pub use error::LedgerError;

use line::{State, parse};

/// Compaction pays off when this many lines stand for one live entry.
const LINES_PER_ENTRY: usize = 4;

/// How far a document has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It can be found by its words.
    Lexical,
    /// It can be found by its words and its meaning.
    Complete,
}

/// One indexed document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The library it belongs to.
    pub library: LibraryId,
    /// Where it stands within the library.
    pub path: String,
    /// The stored document.
    pub document: Hash,
    /// Its stored chunks.
    pub chunks: Hash,
    /// How many chunks there are.
    pub chunk_count: u32,
    /// How far it has come.
    pub stage: Stage,
    /// The settings under which it was indexed; other settings index it anew.
    pub profile: String,
}

/// The journal of one data folder.
///
/// One process writes it at a time, which whoever opens it must see to, also where one process writes
/// a server and another an embedded store; any number may [`read`](Self::read) it meanwhile. All
/// methods block on the file; they are short.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: Option<File>,
    state: State,
}

impl Ledger {
    /// Opens the journal for writing, creating it if it is not there.
    ///
    /// A last line that was cut off by a crash is removed.
    ///
    /// # Errors
    ///
    /// Returns [`LedgerError`] if the file cannot be read or written, or holds something else.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let ledger = Self::read(path)?;
        {
            let mut inner = ledger.inner.lock();
            let state = &mut inner.state;
            let nameless = state.index.is_none();
            state
                .index
                .get_or_insert_with(|| Uuid::now_v7().to_string());
            let live = state.live();
            let file = if nameless || state.lines > live * LINES_PER_ENTRY {
                state.lines = live;
                let file = file::replace(path, state)?;
                file::sync_folder(path)?;
                file
            } else {
                file::open_for_append(path)?
            };
            inner.file = Some(file);
        }
        Ok(ledger)
    }

    /// Reads the journal as it is now; the result takes no further part in it.
    ///
    /// A file that is not there reads as an empty journal.
    ///
    /// # Errors
    ///
    /// Returns [`LedgerError`] if the file cannot be read or holds something else.
    pub fn read(path: &Path) -> Result<Self, LedgerError> {
        let state = match File::open(path) {
            Ok(file) => parse(path, BufReader::new(file))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => State::default(),
            Err(error) => return Err(LedgerError::io(path, "open", error)),
        };
        Ok(Self {
            path: path.to_owned(),
            inner: Mutex::new(Inner { file: None, state }),
        })
    }

    /// Returns the name of this index among all that share a bus; empty if nobody has opened it for
    /// writing yet.
    pub(super) fn index(&self) -> String {
        self.inner.lock().state.index.clone().unwrap_or_default()
    }

    /// Returns the entry of a document.
    #[must_use]
    pub fn entry(&self, library: &LibraryId, path: &str) -> Option<Entry> {
        let key = (library.clone(), path.to_owned());
        self.inner.lock().state.entries.get(&key).cloned()
    }

    /// Returns all entries of `library`, in order of path.
    #[must_use]
    pub fn library_entries(&self, library: &LibraryId) -> Vec<Entry> {
        let from = (library.clone(), String::new());
        let inner = self.inner.lock();
        let entries = inner.state.entries.range(from..);
        entries
            .take_while(|((id, _), _)| id == library)
            .map(|(_, entry)| entry.clone())
            .collect()
    }

    /// Returns every library with its counts, in order of id.
    #[must_use]
    pub fn libraries(&self) -> BTreeMap<LibraryId, LibraryCounts> {
        let mut libraries: BTreeMap<LibraryId, LibraryCounts> = BTreeMap::new();
        for entry in self.inner.lock().state.entries.values() {
            let counts = libraries.entry(entry.library.clone()).or_default();
            counts.documents += 1;
            counts.chunks += u64::from(entry.chunk_count);
            if entry.stage == Stage::Complete {
                counts.embedded_documents += 1;
                counts.embedded_chunks += u64::from(entry.chunk_count);
            }
        }
        libraries
    }

    /// Returns the most points that the store may hold for a document.
    pub(super) fn most_points(&self, library: &LibraryId, path: &str) -> u32 {
        let key = (library.clone(), path.to_owned());
        let inner = self.inner.lock();
        let indexed = inner.state.entries.get(&key).map_or(0, |e| e.chunk_count);
        let intended = inner.state.intents.get(&key).map_or(0, |i| i.most);
        indexed.max(intended)
    }

    /// Returns the documents of `library` that were begun but never finished, such as one that
    /// vanished from its source after a crash.
    pub(super) fn unfinished(&self, library: &LibraryId) -> Vec<String> {
        let from = (library.clone(), String::new());
        let inner = self.inner.lock();
        let intents = inner.state.intents.range(from..);
        intents
            .take_while(|((id, _), _)| id == library)
            .map(|((_, path), _)| path.clone())
            .collect()
    }

    /// Returns whether anything of `library` was written into the collection since the ledger turned
    /// to it. If not, whatever is there of it is from before.
    ///
    /// Of another collection nothing is unknown: whoever still writes to it is refused.
    pub(super) fn knows(&self, collection: &str, library: &LibraryId) -> bool {
        let from = (library.clone(), String::new());
        let inner = self.inner.lock();
        let state = &inner.state;
        if state.collection.as_deref() != Some(collection) {
            return true;
        }
        let entry = state.entries.range(&from..).next();
        let intents = state.intents.range(&from..);
        entry.is_some_and(|((id, _), _)| id == library)
            || intents
                .take_while(|((id, _), _)| id == library)
                .any(|(_, intended)| !intended.elsewhere)
    }

    /// Returns where the vectors of these chunks are stored, if they were ever computed.
    pub(super) fn embeddings(&self, chunks: &Hash, space: &str) -> Option<Hash> {
        let key = (*chunks, space.to_owned());
        self.inner.lock().state.embedded.get(&key).copied()
    }

    /// Forgets vectors of chunks that no document has any more, and returns every blob that is
    /// still needed. What was forgotten leaves the journal too, once that pays off.
    pub(super) fn retain_needed(&self) -> Result<HashSet<Hash>, LedgerError> {
        let mut inner = self.inner.lock();
        let state = &mut inner.state;
        let chunks: HashSet<Hash> = state.entries.values().map(|entry| entry.chunks).collect();
        let known = state.embedded.len();
        // A document that is not known at the moment may still need its vectors.
        if state.intents.is_empty() {
            state
                .embedded
                .retain(|(embedded, _), _| chunks.contains(embedded));
        }
        let documents = state.entries.values().map(|entry| entry.document);
        let vectors = state.embedded.values().copied();
        let needed = documents
            .chain(vectors)
            .chain(chunks.iter().copied())
            .collect();
        if state.embedded.len() < known && state.lines > state.live() * LINES_PER_ENTRY {
            let mut state = state.clone();
            state.lines = state.live();
            self.replace(&mut inner, state)?;
        }
        Ok(needed)
    }
}

/// How much of a library is indexed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LibraryCounts {
    /// Documents that can be found.
    pub documents: u64,
    /// Chunks that can be found.
    pub chunks: u64,
    /// Documents whose vectors are there too.
    pub embedded_documents: u64,
    /// Chunks whose vectors are there too.
    pub embedded_chunks: u64,
}

#[cfg(test)]
mod tests;
