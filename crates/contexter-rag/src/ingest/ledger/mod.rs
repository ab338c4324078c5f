//! What has been indexed: an append-only journal beside the vector store.
//!
//! A line is written only after what it says is durable, so that whatever the process was doing
//! when it was killed, the ledger never promises more than the store holds. The other way round
//! the store may hold more: points of a document whose line was not reached. The line before the
//! write, the *intent*, says how many points there may be, so that the next run can tidy up.

mod error;
mod line;

use std::collections::{BTreeMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use contexter_model::LibraryId;
use contexter_storage::Hash;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use error::LedgerError;

use line::{Line, State, parse, write_line};

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
/// One process writes it, the one that holds the vector store; any number may
/// [`read`](Self::read) it meanwhile. All methods block on the file; they are short.
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
            let live = state.entries.len() + state.intents.len() + state.embedded.len() + 1;
            if nameless || state.lines > live * LINES_PER_ENTRY {
                inner.state.lines = live;
                ledger.rewrite(&inner.state)?;
            }
            inner.file = Some(ledger.open_for_append()?);
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
        let intended = inner.state.intents.get(&key).copied().unwrap_or(0);
        indexed.max(intended)
    }

    /// Returns the documents of `library` that were begun but never finished, such as one that
    /// vanished from its source after a crash.
    pub(super) fn unfinished(&self, library: &LibraryId) -> Vec<String> {
        let inner = self.inner.lock();
        let keys = inner.state.intents.keys();
        keys.filter(|(id, _)| id == library)
            .map(|(_, path)| path.clone())
            .collect()
    }

    /// Returns where the vectors of these chunks are stored, if they were ever computed.
    pub(super) fn embeddings(&self, chunks: &Hash, space: &str) -> Option<Hash> {
        let key = (*chunks, space.to_owned());
        self.inner.lock().state.embedded.get(&key).copied()
    }

    /// Writes that up to `chunk_count` points of each document may now reach the store.
    pub(super) fn intend(&self, documents: &[(LibraryId, String, u32)]) -> Result<(), LedgerError> {
        self.append(
            documents
                .iter()
                .map(|(library, path, chunk_count)| Line::Intent {
                    library: library.clone(),
                    path: path.clone(),
                    chunk_count: *chunk_count,
                })
                .collect(),
            Durability::Now,
        )
    }

    /// Writes where the vectors of some chunks are stored.
    ///
    /// Not synced: it goes with the next line that is, and if a power failure takes it before
    /// that, the vectors are computed again.
    pub(super) fn embedded(
        &self,
        chunks: &Hash,
        space: &str,
        embeddings: &Hash,
    ) -> Result<(), LedgerError> {
        let line = Line::Embedded {
            chunks: *chunks,
            space: space.to_owned(),
            embeddings: *embeddings,
        };
        self.append(vec![line], Durability::Later)
    }

    /// Writes what has become durable.
    pub(super) fn settle(&self, changes: Vec<Change>) -> Result<(), LedgerError> {
        self.append(
            changes
                .into_iter()
                .map(|change| match change {
                    Change::Indexed(entry) => Line::Indexed(entry),
                    Change::Removed { library, path } => Line::Removed { library, path },
                })
                .collect(),
            Durability::Now,
        )
    }

    /// Takes every entry back to an intent, because the store no longer holds all of them; computed
    /// vectors stay known.
    pub(super) fn forget_entries(&self) -> Result<(), LedgerError> {
        let mut inner = self.inner.lock();
        let entries = std::mem::take(&mut inner.state.entries);
        for (key, entry) in entries {
            let most = inner.state.intents.entry(key).or_default();
            *most = entry.chunk_count.max(*most);
        }
        inner.state.lines = inner.state.embedded.len() + inner.state.intents.len() + 1;
        self.rewrite(&inner.state)?;
        inner.file = Some(self.open_for_append()?);
        Ok(())
    }

    /// Forgets vectors of chunks that no document has any more, and returns every blob that is
    /// still needed.
    pub(super) fn retain_needed(&self) -> HashSet<Hash> {
        let mut inner = self.inner.lock();
        let state = &mut inner.state;
        let chunks: HashSet<Hash> = state.entries.values().map(|entry| entry.chunks).collect();
        // A document that is not known at the moment may still need its vectors.
        if state.intents.is_empty() {
            state
                .embedded
                .retain(|(embedded, _), _| chunks.contains(embedded));
        }
        let documents = state.entries.values().map(|entry| entry.document);
        let vectors = state.embedded.values().copied();
        documents
            .chain(vectors)
            .chain(chunks.iter().copied())
            .collect()
    }

    fn append(&self, lines: Vec<Line>, durability: Durability) -> Result<(), LedgerError> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut text = Vec::new();
        for line in &lines {
            write_line(&mut text, line).map_err(|e| LedgerError::io(&self.path, "write", e))?;
        }
        let mut inner = self.inner.lock();
        let Some(file) = inner.file.as_mut() else {
            return Err(LedgerError::ReadOnly {
                path: self.path.clone(),
            });
        };
        let io = |error| LedgerError::io(&self.path, "write", error);
        let before = file.stream_position().map_err(io)?;
        let written = file.write_all(&text).and_then(|()| match durability {
            Durability::Now => file.sync_data(),
            Durability::Later => Ok(()),
        });
        if let Err(error) = written {
            // Leave no half line behind, or the journal could not be read any more.
            let _ = file.set_len(before);
            let _ = file.seek(SeekFrom::Start(before));
            return Err(io(error));
        }
        for line in lines {
            inner.state.apply(line);
        }
        Ok(())
    }

    fn open_for_append(&self) -> Result<File, LedgerError> {
        let io = |error| LedgerError::io(&self.path, "open", error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&self.path)
            .map_err(io)?;
        let whole = whole_lines(&self.path).map_err(io)?;
        file.set_len(whole).map_err(io)?;
        file.seek(SeekFrom::End(0)).map_err(io)?;
        Ok(file)
    }

    fn rewrite(&self, state: &State) -> Result<(), LedgerError> {
        let temporary = self.path.with_extension("jsonl.new");
        let write = || -> io::Result<()> {
            let mut text = Vec::new();
            for line in state.live_lines() {
                write_line(&mut text, &line)?;
            }
            let mut file = File::create(&temporary)?;
            file.write_all(&text)?;
            file.sync_all()?;
            std::fs::rename(&temporary, &self.path)?;
            match self.path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
                _ => Ok(()),
            }
        };
        write().map_err(|error| LedgerError::io(&self.path, "write", error))
    }
}

/// When a line must survive a power failure; a kill it survives as soon as it is written.
#[derive(Clone, Copy, Debug)]
enum Durability {
    Now,
    /// With the next line that is synced.
    Later,
}

/// What has become durable about a document.
#[derive(Debug)]
pub(super) enum Change {
    Indexed(Entry),
    Removed { library: LibraryId, path: String },
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

fn whole_lines(path: &Path) -> io::Result<u64> {
    let bytes = std::fs::read(path)?;
    let end = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
    Ok(end as u64)
}
