//! Searches of one collection, whatever they are called.

use qdrant_client::qdrant::{BatchResult, QueryPoints, ScoredPoint};
use tonic::Status;

use super::points::Points;
use super::strict::{self, Batch};
use super::{lookup, reads};

impl Points {
    /// Runs one search.
    pub(super) async fn found(&self, mut query: QueryPoints) -> Result<Vec<ScoredPoint>, Status> {
        let collection = self.catalog.get(&query.collection_name)?;
        let timeout = query.timeout;
        let found = async {
            strict::admit(&collection, &query).await?;
            lookup::resolve(&self.catalog, &mut query).await?;
            reads::query(&collection, vec![query]).await
        };
        let found = reads::within(timeout, "query", found).await?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    /// Runs searches of one collection.
    pub(super) async fn all_found(
        &self,
        name: &str,
        searches: Vec<QueryPoints>,
        timeout: Option<u64>,
    ) -> Result<Vec<BatchResult>, Status> {
        let collection = self.catalog.get(name)?;
        let mut batch = Batch { searches, timeout };
        let found = async {
            strict::admit(&collection, &batch).await?;
            for query in &mut batch.searches {
                lookup::resolve(&self.catalog, query).await?;
            }
            reads::query(&collection, batch.searches).await
        };
        let found = reads::within(timeout, "query", found).await?;
        let found = found.into_iter().map(|result| BatchResult { result });
        Ok(found.collect())
    }
}
