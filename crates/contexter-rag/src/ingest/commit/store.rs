//! The calls of the vector store that writing needs.

use std::collections::BTreeSet;

use contexter_model::{
    Condition, Count, Delete, Error, Filter, Flush, LibraryId, Point, PointId, Selector, Upsert,
};
use contexter_service::{Handle, Service as _};

use crate::payload;

/// The most points in one call.
const CALL_POINTS: usize = 500;

/// One collection of a vector store.
#[derive(Clone, Debug)]
pub(in crate::ingest) struct Store {
    pub(in crate::ingest) collection: String,
    /// Its name in the ledger.
    pub(in crate::ingest) place: String,
    pub(in crate::ingest) upsert: Handle<Upsert>,
    pub(in crate::ingest) delete: Handle<Delete>,
    pub(in crate::ingest) flush: Handle<Flush>,
    pub(in crate::ingest) count: Handle<Count>,
}

impl Store {
    /// Returns how many points pass.
    pub(in crate::ingest) async fn count(&self, filter: Filter) -> Result<u64, Error> {
        let collection = self.collection.clone();
        self.count.call(Count { collection, filter }).await
    }

    pub(super) async fn upsert(&self, points: impl Iterator<Item = &Point>) -> Result<(), Error> {
        let mut call: Vec<Point> = Vec::new();
        for point in points {
            call.push(point.clone());
            if call.len() == CALL_POINTS {
                self.send(std::mem::take(&mut call)).await?;
            }
        }
        if call.is_empty() {
            return Ok(());
        }
        self.send(call).await
    }

    async fn send(&self, points: Vec<Point>) -> Result<(), Error> {
        let collection = self.collection.clone();
        self.upsert.call(Upsert { collection, points }).await
    }

    pub(super) async fn delete(&self, ids: Vec<PointId>) -> Result<(), Error> {
        if ids.is_empty() {
            return Ok(());
        }
        self.remove(Selector::Ids(ids)).await
    }

    /// Removes whatever there is of these libraries, durably.
    pub(in crate::ingest) async fn clear(
        &self,
        libraries: BTreeSet<&LibraryId>,
    ) -> Result<(), Error> {
        if libraries.is_empty() {
            return Ok(());
        }
        let of_them = Condition {
            field: payload::LIBRARY.to_owned(),
            any_of: libraries.into_iter().map(ToString::to_string).collect(),
        };
        let filter = Filter {
            must: vec![of_them],
        };
        // Asked first: a new library has nothing, and a flush costs much.
        if self.count(filter.clone()).await? == 0 {
            return Ok(());
        }
        self.remove(Selector::Filter(filter)).await?;
        self.flush().await
    }

    async fn remove(&self, selector: Selector) -> Result<(), Error> {
        let collection = self.collection.clone();
        let request = Delete {
            collection,
            selector,
        };
        self.delete.call(request).await
    }

    pub(super) async fn flush(&self) -> Result<(), Error> {
        let collection = self.collection.clone();
        self.flush.call(Flush { collection }).await
    }
}
