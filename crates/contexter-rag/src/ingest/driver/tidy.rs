//! Deleting what is stored and no longer needed.

use futures_util::StreamExt as _;

use super::Ingestion;
use crate::IntegrationError;
use crate::ingest::commit::on_ledger;
use crate::ingest::ledger::Ledger;

impl Ingestion {
    /// Deletes stored blobs that no indexed document refers to any more, and returns how many.
    ///
    /// It begins when no document is under way whose blobs nothing refers to yet: it waits for the runs
    /// of this ingestion, and for what the steps are working on after a run was dropped. Runs that are
    /// started meanwhile wait for it. So never wait for it while holding the future of a run that
    /// nobody polls.
    ///
    /// A dead letter of a document that is not indexed cannot be redriven afterwards; the next run
    /// takes the document up all the same.
    ///
    /// # Errors
    ///
    /// Returns [`IntegrationError`] if the storage fails, or the ledger cannot be written.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future lets the runs that wait for it begin. What was deleted by then is.
    pub async fn remove_unreferenced(&self) -> Result<u64, IntegrationError> {
        let _alone = self.tidying.tidy().await;
        let failed =
            |error| IntegrationError::new("tidy", "cannot delete stored blobs").with_source(error);
        let needed = on_ledger(&self.environment.ledger, Ledger::retain_needed)
            .await
            .map_err(|error| {
                IntegrationError::new("tidy", "cannot shorten the ledger").with_source(error)
            })?;
        let storage = &self.environment.storage;
        let mut blobs = std::pin::pin!(storage.list());
        let mut removed = 0;
        while let Some(blob) = blobs.next().await {
            let blob = blob.map_err(failed)?;
            if !needed.contains(&blob) {
                storage.delete(&blob).await.map_err(failed)?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}
