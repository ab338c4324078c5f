//! Deleting points, and waiting until a change is applied.

use contexter_model::{Delete, Error, ErrorKind, Selector};
use contexter_resilience::StandardStack;
use qdrant_client::qdrant::points_selector::PointsSelectorOneOf;
use qdrant_client::qdrant::{
    DeletePoints, PointsIdsList, PointsSelector, UpdateResult, UpdateStatus,
};

use super::store::{RemoteStore, under};
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

/// Reads what became of the `asked` changes of one call; all of them have to be applied.
///
/// # Errors
///
/// `Protocol` if the reply does not speak of every one, and as [`is_applied`].
pub(super) fn all_applied(results: Vec<UpdateResult>, asked: usize) -> Result<bool, Error> {
    if results.len() != asked {
        return Err(fault::protocol(format!(
            "the reply says what became of {} changes, {asked} were sent",
            results.len(),
        )));
    }
    let mut applied = true;
    for result in results {
        applied &= is_applied(Some(result))?;
    }
    Ok(applied)
}

impl RemoteStore {
    /// Deletes points, so many ids at a time; each call to the server is under `stack` by itself.
    pub(super) async fn delete(
        &self,
        req: Delete,
        stack: Option<&StandardStack>,
    ) -> Result<(), Error> {
        let collection = req.collection.as_str();
        self.with_spec(collection, stack, |spec| async move {
            match req.selector {
                Selector::Ids(ids) => {
                    for ids in ids.chunks(IDS_AT_ONCE) {
                        let ids = ids.iter().copied().map(value::id).collect();
                        let selected = PointsSelectorOneOf::Points(PointsIdsList { ids });
                        self.delete_selected(collection, selected, stack).await?;
                    }
                    Ok(())
                }
                Selector::Filter(filter) => {
                    spec::refuse_empty_filter(&filter, collection)?;
                    spec::check_filter(&filter, &spec)?;
                    if spec::lets_nothing_pass(&filter) {
                        return Ok(());
                    }
                    // `None` would be everything, which was refused.
                    let Some(filter) = filter::filter(filter) else {
                        return Ok(());
                    };
                    let selected = PointsSelectorOneOf::Filter(filter);
                    self.delete_selected(collection, selected, stack).await
                }
            }
        })
        .await
    }

    async fn delete_selected(
        &self,
        collection: &str,
        selected: PointsSelectorOneOf,
        stack: Option<&StandardStack>,
    ) -> Result<(), Error> {
        let selected = &selected;
        let applied = under(stack, || self.delete_once(collection, selected.clone())).await?;
        self.settle_unless(applied, collection, stack).await
    }

    /// Returns whether the change was applied; if not, it was accepted and will be.
    async fn delete_once(
        &self,
        collection: &str,
        selected: PointsSelectorOneOf,
    ) -> Result<bool, Error> {
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
            .answer(connection.points().delete(connection.request(request)))
            .await?;
        is_applied(reply.result)
    }

    /// Waits until what the server has accepted is applied, unless it is.
    pub(super) async fn settle_unless(
        &self,
        applied: bool,
        collection: &str,
        stack: Option<&StandardStack>,
    ) -> Result<(), Error> {
        if applied {
            return Ok(());
        }
        under(stack, || self.settle(collection)).await
    }

    /// Waits until the changes that the server has accepted are applied.
    ///
    /// A shard applies changes in order, so another one, which changes nothing on any shard, is
    /// applied after them. It is a few dozen bytes, where sending an accepted batch again would
    /// double the work of a server that is behind already.
    async fn settle(&self, collection: &str) -> Result<(), Error> {
        let nobody = PointsSelectorOneOf::Filter(filter::nobody());
        if self.delete_once(collection, nobody).await? {
            return Ok(());
        }
        Err(fault::error(
            ErrorKind::Timeout,
            format!("collection {collection:?} accepted changes and has not applied them in time"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed() -> UpdateResult {
        UpdateResult {
            status: UpdateStatus::Completed.into(),
            ..UpdateResult::default()
        }
    }

    #[test]
    fn a_reply_that_does_not_speak_of_every_change_shows_nothing() {
        assert!(all_applied(vec![completed(); 2], 2).is_ok_and(|applied| applied));
        for told in [0, 1, 3] {
            let error = all_applied(vec![completed(); told], 2).map_err(|error| error.kind());
            assert_eq!(error, Err(ErrorKind::Protocol), "{told}");
        }
    }
}
