//! The lines of the journal, and the state that they add up to.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead};
use std::path::Path;

use contexter_model::LibraryId;
use contexter_storage::Hash;
use serde::{Deserialize, Serialize};

use super::Entry;
use super::error::{LedgerError, VERSION};

#[derive(Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(super) enum Line {
    Format {
        version: u32,
        /// The name of this index among all that share a bus.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        index: Option<String>,
        /// The collection that the other lines are about, and which store it is in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        collection: Option<String>,
    },
    Intent {
        library: LibraryId,
        path: String,
        chunk_count: u32,
        /// It is about another collection, which the journal described before.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        elsewhere: bool,
    },
    Embedded {
        chunks: Hash,
        space: String,
        embeddings: Hash,
    },
    Indexed(Entry),
    Removed {
        library: LibraryId,
        path: String,
    },
}

pub(super) type Key = (LibraryId, String);

#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) index: Option<String>,
    pub(super) collection: Option<String>,
    pub(super) entries: BTreeMap<Key, Entry>,
    pub(super) intents: BTreeMap<Key, Intended>,
    pub(super) embedded: HashMap<(Hash, String), Hash>,
    pub(super) lines: usize,
}

/// A document that was begun and not finished.
#[derive(Clone, Copy, Debug)]
pub(super) struct Intended {
    /// The most points that there may be of it.
    pub(super) most: u32,
    /// All of them are in another collection.
    pub(super) elsewhere: bool,
}

impl State {
    pub(super) fn apply(&mut self, line: Line) {
        self.lines += 1;
        match line {
            Line::Format {
                index, collection, ..
            } => (self.index, self.collection) = (index, collection),
            Line::Intent {
                library,
                path,
                chunk_count,
                elsewhere,
            } => {
                // From here on the store may hold anything of this document: it is no longer known.
                let key = (library, path);
                self.entries.remove(&key);
                self.intend(key, chunk_count, elsewhere);
            }
            Line::Embedded {
                chunks,
                space,
                embeddings,
            } => {
                self.embedded.insert((chunks, space), embeddings);
            }
            Line::Indexed(entry) => {
                let key = (entry.library.clone(), entry.path.clone());
                self.intents.remove(&key);
                self.entries.insert(key, entry);
            }
            Line::Removed { library, path } => {
                let key = (library, path);
                self.intents.remove(&key);
                self.entries.remove(&key);
            }
        }
    }

    fn intend(&mut self, key: Key, most: u32, elsewhere: bool) {
        let intended = self.intents.entry(key).or_insert(Intended {
            most: 0,
            elsewhere: true,
        });
        intended.most = most.max(intended.most);
        intended.elsewhere &= elsewhere;
    }

    /// Takes every entry back to an intent.
    pub(super) fn forget_entries(&mut self) {
        for (key, entry) in std::mem::take(&mut self.entries) {
            self.intend(key, entry.chunk_count, false);
        }
        self.lines = self.live();
    }

    /// Forgets what another collection than this one holds.
    pub(super) fn turn_to(&mut self, collection: &str) {
        let another = self.collection.replace(collection.to_owned());
        if another.is_some_and(|another| another != collection) {
            self.forget_entries();
            for intended in self.intents.values_mut() {
                intended.elsewhere = true;
            }
        }
        self.lines = self.live();
    }

    /// Returns how many lines a journal without a past would have.
    pub(super) fn live(&self) -> usize {
        self.entries.len() + self.intents.len() + self.embedded.len() + 1
    }

    pub(super) fn live_lines(&self) -> impl Iterator<Item = Line> + '_ {
        let intents = self
            .intents
            .iter()
            .map(|((library, path), intended)| Line::Intent {
                library: library.clone(),
                path: path.clone(),
                chunk_count: intended.most,
                elsewhere: intended.elsewhere,
            });
        let embedded = self
            .embedded
            .iter()
            .map(|((chunks, space), embeddings)| Line::Embedded {
                chunks: *chunks,
                space: space.clone(),
                embeddings: *embeddings,
            });
        let entries = self.entries.values().cloned().map(Line::Indexed);
        let format = Line::Format {
            version: VERSION,
            index: self.index.clone(),
            collection: self.collection.clone(),
        };
        std::iter::once(format)
            .chain(embedded)
            .chain(entries)
            .chain(intents)
    }
}

pub(super) fn write_line(out: &mut Vec<u8>, line: &Line) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.push(b'\n');
    Ok(())
}

pub(super) fn parse(path: &Path, mut reader: impl BufRead) -> Result<State, LedgerError> {
    let mut state = State::default();
    let mut text = Vec::new();
    for number in 1.. {
        text.clear();
        let read = reader
            .read_until(b'\n', &mut text)
            .map_err(|error| LedgerError::io(path, "read", error))?;
        if read == 0 || text.last() != Some(&b'\n') {
            break; // The end, or a line that a crash cut off.
        }
        let line: Line = serde_json::from_slice(&text).map_err(|source| LedgerError::Corrupt {
            path: path.to_owned(),
            line: number,
            source,
        })?;
        match (&line, number) {
            (Line::Format { version, .. }, 1) if *version == VERSION => {}
            (Line::Format { version, .. }, 1) => {
                return Err(LedgerError::Version {
                    path: path.to_owned(),
                    version: *version,
                });
            }
            (_, 1) => {
                return Err(LedgerError::Foreign {
                    path: path.to_owned(),
                });
            }
            _ => {}
        }
        state.apply(line);
    }
    Ok(state)
}
