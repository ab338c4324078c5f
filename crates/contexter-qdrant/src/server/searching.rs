//! Searches of one collection, whatever they are called.

use qdrant_client::qdrant::{BatchResult, QueryPoints, ScoredPoint};
use tonic::Status;

use super::points::Points;
use super::{lookup, reads};

impl Points {
    /// Runs one search.
    pub(super) async fn found(&self, query: QueryPoints) -> Result<Vec<ScoredPoint>, Status> {
        let (name, timeout) = (query.collection_name.clone(), query.timeout);
        let found = self.all_found(&name, vec![query], timeout).await?;
        let first = found.into_iter().next();
        Ok(first.map(|found| found.result).unwrap_or_default())
    }

    /// Runs searches of one collection.
    pub(super) async fn all_found(
        &self,
        name: &str,
        mut queries: Vec<QueryPoints>,
        timeout: Option<u64>,
    ) -> Result<Vec<BatchResult>, Status> {
        let collection = self.catalog.get(name)?;
        for query in &mut queries {
            lookup::resolve(&self.catalog, query).await?;
        }
        let found = reads::query(&collection, queries, timeout).await?;
        let found = found.into_iter().map(|result| BatchResult { result });
        Ok(found.collect())
    }
}
