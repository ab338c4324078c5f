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
    },
    Intent {
        library: LibraryId,
        path: String,
        chunk_count: u32,
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

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) index: Option<String>,
    pub(super) entries: BTreeMap<Key, Entry>,
    pub(super) intents: HashMap<Key, u32>,
    pub(super) embedded: HashMap<(Hash, String), Hash>,
    pub(super) lines: usize,
}

impl State {
    pub(super) fn apply(&mut self, line: Line) {
        self.lines += 1;
        match line {
            Line::Format { index, .. } => self.index = index,
            Line::Intent {
                library,
                path,
                chunk_count,
            } => {
                // From here on the store may hold anything of this document: it is no longer known.
                let key = (library, path);
                self.entries.remove(&key);
                let most = self.intents.entry(key).or_default();
                *most = chunk_count.max(*most);
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

    pub(super) fn live_lines(&self) -> impl Iterator<Item = Line> + '_ {
        let intents = self
            .intents
            .iter()
            .map(|((library, path), &chunk_count)| Line::Intent {
                library: library.clone(),
                path: path.clone(),
                chunk_count,
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
