//! What is written into the journal.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};

use contexter_model::LibraryId;
use contexter_storage::Hash;

use super::line::{Line, State, write_line};
use super::{Entry, Inner, Ledger, LedgerError, file};

/// What has become durable about a document.
#[derive(Debug)]
pub(in crate::ingest) enum Change {
    Indexed(Entry),
    Removed { library: LibraryId, path: String },
}

/// When a line must survive a power failure; a kill it survives as soon as it is written.
#[derive(Clone, Copy, Debug)]
enum Durability {
    Now,
    /// With the next line that is synced.
    Later,
}

impl Ledger {
    /// Writes that up to `chunk_count` points of each document may now reach this collection.
    pub(in crate::ingest) fn intend(
        &self,
        collection: &str,
        documents: &[(LibraryId, String, u32)],
    ) -> Result<(), LedgerError> {
        self.append(
            documents
                .iter()
                .map(|(library, path, chunk_count)| Line::Intent {
                    library: library.clone(),
                    path: path.clone(),
                    chunk_count: *chunk_count,
                    elsewhere: false,
                })
                .collect(),
            Some(collection),
            Durability::Now,
        )
    }

    /// Writes where the vectors of some chunks are stored.
    ///
    /// Not synced: it goes with the next line that is, and if a power failure takes it before
    /// that, the vectors are computed again.
    pub(in crate::ingest) fn embedded(
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
        self.append(vec![line], None, Durability::Later)
    }

    /// Writes what has become durable in this collection.
    pub(in crate::ingest) fn settle(
        &self,
        collection: &str,
        changes: Vec<Change>,
    ) -> Result<(), LedgerError> {
        self.append(
            changes
                .into_iter()
                .map(|change| match change {
                    Change::Indexed(entry) => Line::Indexed(entry),
                    Change::Removed { library, path } => Line::Removed { library, path },
                })
                .collect(),
            Some(collection),
            Durability::Now,
        )
    }

    /// Takes every entry back to an intent, because the store no longer holds all of them; computed
    /// vectors stay known.
    pub(in crate::ingest) fn forget_entries(&self) -> Result<(), LedgerError> {
        let mut inner = self.inner.lock();
        let mut state = inner.state.clone();
        state.forget_entries();
        self.replace(&mut inner, state)
    }

    /// Says which collection the entries are about from now on. Those of another one are forgotten;
    /// computed vectors stay known. Returns the name of that other one.
    ///
    /// The entries of a journal that names no collection, from before there were names in it, stay.
    pub(in crate::ingest) fn turn_to(
        &self,
        collection: &str,
    ) -> Result<Option<String>, LedgerError> {
        let mut inner = self.inner.lock();
        let before = inner.state.collection.clone();
        if before.as_deref() == Some(collection) {
            return Ok(None);
        }
        let mut state = inner.state.clone();
        state.turn_to(collection);
        self.replace(&mut inner, state)?;
        Ok(before)
    }

    /// Puts another state in the place of all that is written.
    pub(super) fn replace(&self, inner: &mut Inner, state: State) -> Result<(), LedgerError> {
        self.writable(inner)?;
        inner.file = Some(file::replace(&self.path, &state)?);
        inner.state = state;
        file::sync_folder(&self.path)
    }

    /// Writes lines. If they are about a collection, it must be the one that the journal describes: an
    /// ingestion that was dropped may still write.
    fn append(
        &self,
        lines: Vec<Line>,
        about: Option<&str>,
        durability: Durability,
    ) -> Result<(), LedgerError> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut text = Vec::new();
        for line in &lines {
            write_line(&mut text, line).map_err(|e| LedgerError::io(&self.path, "write", e))?;
        }
        let mut inner = self.inner.lock();
        if let Some(collection) = about
            && inner.state.collection.as_deref() != about
        {
            return Err(LedgerError::Elsewhere {
                path: self.path.clone(),
                collection: collection.to_owned(),
            });
        }
        let file = self.writable(&mut inner)?;
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

    fn writable<'a>(&self, inner: &'a mut Inner) -> Result<&'a mut File, LedgerError> {
        inner.file.as_mut().ok_or_else(|| LedgerError::ReadOnly {
            path: self.path.clone(),
        })
    }
}
