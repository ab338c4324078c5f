//! The settings under which documents are indexed.

use std::fmt;

use crate::chunk::Chunking;
use crate::sparse::Bm25;

/// What of a document becomes a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Division {
    /// Sections and paragraphs, cut to a number of tokens.
    Chunks(Chunking),
    /// The whole document, whatever its length: for collections that are chunks already.
    Whole,
}

impl Default for Division {
    fn default() -> Self {
        Self::Chunks(Chunking::default())
    }
}

impl fmt::Display for Division {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chunks(chunking) => chunking.fmt(f),
            Self::Whole => f.write_str("whole"),
        }
    }
}

/// The settings under which documents are indexed.
///
/// They are recorded with every document: changed settings index it anew.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IngestionSettings {
    /// The collection that is written; `"documentation"` by default.
    pub collection: String,
    /// Which store it is in, where one ledger is used with several; none by default.
    pub store: Option<String>,
    /// How documents are cut into chunks.
    pub division: Division,
    /// How words are weighed.
    pub bm25: Bm25,
}

impl Default for IngestionSettings {
    fn default() -> Self {
        Self {
            collection: "documentation".to_owned(),
            store: None,
            division: Division::default(),
            bm25: Bm25::default(),
        }
    }
}

impl IngestionSettings {
    /// Writes another collection. Documents that were indexed into the one before are indexed again,
    /// with the vectors that are still stored.
    #[must_use]
    pub fn with_collection(mut self, collection: impl Into<String>) -> Self {
        self.collection = collection.into();
        self
    }

    /// Says in which store the collection is, such as the address of a server: a collection of the
    /// same name in another store is another one, in which documents are indexed again.
    #[must_use]
    pub fn with_store(mut self, store: impl Into<String>) -> Self {
        self.store = Some(store.into());
        self
    }

    /// Cuts documents in another way.
    #[must_use]
    pub fn with_division(mut self, division: Division) -> Self {
        self.division = division;
        self
    }

    /// Weighs words in another way.
    #[must_use]
    pub fn with_bm25(mut self, bm25: Bm25) -> Self {
        self.bm25 = bm25;
        self
    }

    /// Names the collection among all that the ledger may ever be about.
    pub(super) fn place(&self) -> String {
        match &self.store {
            Some(store) => format!("{} in {store}", self.collection),
            None => self.collection.clone(),
        }
    }
}
