//! Deleting points, and waiting until a change is applied.

use contexter_model::{Delete, Error, ErrorKind, Filter, PointId, Selector};
use qdrant_client::qdrant::points_selector::PointsSelectorOneOf;
use qdrant_client::qdrant::{
    DeletePoints, PointsIdsList, PointsSelector, UpdateResult, UpdateStatus,
};

use super::store::RemoteStore;
use super::{fault, filter, value};
use crate::spec;

/// How many ids one call names.
pub(super) const IDS_AT_ONCE: usize = 1_000;

/// Reads what became of a change: applied, or accepted and to be applied.
///
/// # Errors
///
/// `Unavailable` if a replica with an older clock refused it: nothing was stored.
pub(super) fn is_applied(result: Option<UpdateResult>) -> Result<bool, Error> {
    let result = result.ok_or_else(|| fault::protocol("the reply says nothing of the change"))?;
    match result.status() {
        UpdateStatus::Completed => Ok(true),
        UpdateStatus::Acknowledged
        | UpdateStatus::WaitTimeout
        | UpdateStatus::UnknownUpdateStatus => Ok(false),
        UpdateStatus::ClockRejected => Err(fault::error(
            ErrorKind::Unavailable,
            "a replica of the server refused the change because its clock is behind",
        )),
    }
}

impl RemoteStore {
    pub(super) async fn delete(&self, req: Delete) -> Result<(), Error> {
        let collection = req.collection.as_str();
        self.with_spec(collection, |spec| async move {
            match req.selector {
                Selector::Ids(ids) => self.delete_ids(collection, &ids).await,
                Selector::Filter(filter) => {
                    spec::refuse_empty_filter(&filter, collection)?;
                    spec::check_filter(&filter, &spec)?;
                    self.delete_matching(collection, filter).await
                }
            }
        })
        .await
    }

    async fn delete_ids(&self, collection: &str, ids: &[PointId]) -> Result<(), Error> {
        for ids in ids.chunks(IDS_AT_ONCE) {
            let ids = ids.iter().copied().map(value::id).collect();
            self.delete_selected(
                collection,
                PointsSelectorOneOf::Points(PointsIdsList { ids }),
            )
            .await?;
        }
        Ok(())
    }

    async fn delete_matching(&self, collection: &str, filter: Filter) -> Result<(), Error> {
        if spec::lets_nothing_pass(&filter) {
            return Ok(());
        }
        // `None` would be everything; the caller has refused that.
        let Some(filter) = filter::filter(filter) else {
            return Ok(());
        };
        self.delete_selected(collection, PointsSelectorOneOf::Filter(filter))
            .await
    }

    async fn delete_selected(
        &self,
        collection: &str,
        selected: PointsSelectorOneOf,
    ) -> Result<(), Error> {
        let result = self.delete_once(collection, selected).await?;
        self.settle_if_needed(collection, result).await
    }

    async fn delete_once(
        &self,
        collection: &str,
        selected: PointsSelectorOneOf,
    ) -> Result<Option<UpdateResult>, Error> {
        let connection = self.connection();
        let request = DeletePoints {
            collection_name: collection.to_owned(),
            wait: Some(true),
            points: Some(PointsSelector {
                points_selector_one_of: Some(selected),
            }),
            timeout: Some(connection.server_timeout()),
            ..DeletePoints::default()
        };
        let reply = connection
            .points()
            .delete(connection.request(request))
            .await
            .map_err(|status| connection.failed(status))?;
        Ok(reply.into_inner().result)
    }

    pub(super) async fn settle_if_needed(
        &self,
        collection: &str,
        result: Option<UpdateResult>,
    ) -> Result<(), Error> {
        if is_applied(result)? {
            return Ok(());
        }
        self.settle(collection).await
    }

    /// Waits until the changes that the server has accepted are applied.
    ///
    /// A shard applies changes in order, so another one, which changes nothing on any shard, is
    /// applied after them. It is a few dozen bytes, where sending an accepted batch again would
    /// double the work of a server that is behind already.
    pub(super) async fn settle(&self, collection: &str) -> Result<(), Error> {
        let nobody = PointsSelectorOneOf::Filter(filter::nobody());
        let result = self.delete_once(collection, nobody).await?;
        if is_applied(result)? {
            return Ok(());
        }
        Err(fault::error(
            ErrorKind::Timeout,
            format!("collection {collection:?} accepted changes and has not applied them in time"),
        ))
    }
}
