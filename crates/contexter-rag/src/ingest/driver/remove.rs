//! Removing a library.

use std::collections::BTreeSet;

use contexter_model::LibraryId;
use futures_util::StreamExt as _;
use futures_util::stream;

use super::Ingestion;
use crate::IntegrationError;
use crate::ingest::commit::Write;
use crate::ingest::run::UNDER_WAY;

impl Ingestion {
    /// Removes a library with all its documents, and returns how many could be found until then.
    ///
    /// What the collection holds of the library goes as well where the ledger does not know it. The
    /// stored blobs stay until the next [tidying](Self::remove_unreferenced). A library that is not there
    /// is no error. As tidying does, it begins when no run and no step is under way, and new ones wait
    /// for it. So never wait for it while holding the future of a run that nobody polls.
    ///
    /// # Errors
    ///
    /// Returns [`IntegrationError`] if the store fails or the ledger cannot be written. What was removed
    /// by then stays removed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves some documents removed and others not; removing again goes on.
    pub async fn remove_library(&self, library: &LibraryId) -> Result<u64, IntegrationError> {
        let _alone = self.tidying.tidy().await;
        self.correlations.lock().remove(library);
        let ledger = &self.environment.ledger;
        let entries = ledger.library_entries(library);
        let documents = entries.len() as u64;
        let paths = entries.into_iter().map(|entry| entry.path);
        self.remove(library, paths.chain(ledger.unfinished(library)).collect())
            .await?;
        self.store
            .clear(BTreeSet::from([library]))
            .await
            .map_err(|error| {
                IntegrationError::new("index", format!("cannot remove what is left of {library}"))
                    .with_source(error)
            })?;
        Ok(documents)
    }

    /// Removes these documents.
    pub(super) async fn remove(
        &self,
        library: &LibraryId,
        paths: BTreeSet<String>,
    ) -> Result<(), IntegrationError> {
        let mut removals = stream::iter(paths)
            .map(|path| {
                let library = library.clone();
                self.committer.commit(Write::Remove { library, path })
            })
            .buffer_unordered(UNDER_WAY);
        while let Some(outcome) = removals.next().await {
            outcome.map_err(|error| {
                IntegrationError::new("index", format!("cannot remove documents of {library}"))
                    .with_source(error)
            })?;
        }
        Ok(())
    }
}
