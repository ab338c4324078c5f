//! Creating collections, verifying them, waiting for their indexes.

use std::time::Duration;

use contexter_model::{CollectionSpec, CollectionState, Error, ErrorKind};
use contexter_resilience::StandardStack;
use qdrant_client::qdrant::{
    CollectionExistsRequest, CollectionStatus, CreateFieldIndexCollection, DeleteCollection,
    FieldType, KeywordIndexParams, OptimizersConfigDiff, PayloadIndexParams, UpdateCollection,
    payload_index_params::IndexParams,
};
use tonic::Code;

use super::store::{RemoteStore, under};
use super::write::is_applied;
use super::{fault, record};
use crate::spec;

/// How often the server is asked whether its optimizer is done.
const OPTIMIZER_POLL: Duration = Duration::from_millis(250);

impl RemoteStore {
    /// Creates the collection or verifies it; each call to the server is under `stack` by itself.
    pub(super) async fn ensure(
        &self,
        wanted: &CollectionSpec,
        stack: Option<&StandardStack>,
    ) -> Result<CollectionState, Error> {
        spec::check(wanted)?;
        self.expected().check(wanted)?;
        let name = wanted.name.as_str();
        let created = if under(stack, || self.exists(name)).await? {
            false
        } else {
            under(stack, || self.create(wanted)).await?
        };
        let info = under(stack, || self.info(name)).await?;
        let there = record::read(&wanted.name, &info)?;
        if there.name != wanted.name {
            return Err(fault::error(
                ErrorKind::Invalid,
                format!(
                    "{:?} is an alias of collection {:?}: a collection cannot have its name",
                    wanted.name, there.name,
                ),
            ));
        }
        spec::compare(&there, wanted)?;
        // Also those that a process left out which died after it had created the collection.
        for field in record::missing_indexes(wanted, &info)? {
            let field = field.as_str();
            let applied = under(stack, || self.index_field(name, field)).await?;
            self.settle_unless(applied, name, stack).await?;
        }
        self.known().learn(&wanted.name, there);
        let points = if created {
            0
        } else {
            under(stack, || self.count_all(name)).await?
        };
        Ok(CollectionState { created, points })
    }

    pub(super) async fn exists(&self, name: &str) -> Result<bool, Error> {
        let connection = self.connection();
        let request = CollectionExistsRequest {
            collection_name: name.to_owned(),
        };
        let reply = connection
            .answer(
                connection
                    .collections()
                    .collection_exists(connection.request(request)),
            )
            .await?;
        reply
            .result
            .map(|result| result.exists)
            .ok_or_else(|| fault::protocol("the reply does not say whether the collection exists"))
    }

    /// Returns whether it was this call that created the collection.
    async fn create(&self, wanted: &CollectionSpec) -> Result<bool, Error> {
        let connection = self.connection();
        let request = record::create(wanted, connection.server_timeout())?;
        let created = connection
            .status_or_answer(connection.collections().create(connection.request(request)))
            .await;
        match created {
            Ok(reply) => Ok(reply.result),
            // Somebody was faster, or an attempt of ours whose reply was lost.
            Err(status) if status.code() == Code::AlreadyExists => Ok(false),
            // Servers before 1.17 say it this way.
            Err(status)
                if status.code() == Code::InvalidArgument
                    && status.message().contains("already exists") =>
            {
                Ok(false)
            }
            Err(status) => Err(connection.failed(status)),
        }
    }

    /// Returns whether the index is there; if not, the server is to make it.
    async fn index_field(&self, collection: &str, field: &str) -> Result<bool, Error> {
        let connection = self.connection();
        let request = CreateFieldIndexCollection {
            collection_name: collection.to_owned(),
            wait: Some(true),
            field_name: field.to_owned(),
            field_type: Some(FieldType::Keyword.into()),
            field_index_params: Some(PayloadIndexParams {
                index_params: Some(IndexParams::KeywordIndexParams(
                    KeywordIndexParams::default(),
                )),
            }),
            timeout: Some(connection.server_timeout()),
            ..CreateFieldIndexCollection::default()
        };
        let reply = connection
            .answer(
                connection
                    .points()
                    .create_field_index(connection.request(request)),
            )
            .await?;
        is_applied(reply.result)
    }

    pub(super) async fn drop_collection(&self, name: &str) -> Result<bool, Error> {
        spec::check_name("collection name", name)?;
        let connection = self.connection();
        if let Some(alias) = self.alias_named(name).await? {
            return Err(fault::error(
                ErrorKind::Invalid,
                format!(
                    "{name:?} is an alias of collection {:?}, which only its own name deletes",
                    alias.collection,
                ),
            ));
        }
        let request = DeleteCollection {
            collection_name: name.to_owned(),
            timeout: Some(connection.server_timeout()),
        };
        let reply = connection
            .status_or_answer(connection.collections().delete(connection.request(request)))
            .await;
        self.known().forget_all();
        match reply {
            Ok(reply) => Ok(reply.result),
            Err(status) if status.code() == Code::NotFound => Ok(false),
            Err(status) => Err(connection.failed(status)),
        }
    }

    /// Waits until the optimizer of the server has nothing to do.
    pub(super) async fn optimize(
        &self,
        name: &str,
        stack: Option<&StandardStack>,
    ) -> Result<(), Error> {
        let limit = self.optimize_timeout();
        tokio::time::timeout(limit, self.optimized(name, stack))
            .await
            .map_err(|elapsed| {
                fault::error(
                    ErrorKind::Timeout,
                    format!("collection {name:?} is still being optimized after {limit:?}"),
                )
                .with_source(elapsed)
            })?
    }

    async fn optimized(&self, name: &str, stack: Option<&StandardStack>) -> Result<(), Error> {
        let mut woken = false;
        loop {
            let info = under(stack, || self.info(name)).await?;
            match info.status() {
                CollectionStatus::Green => return Ok(()),
                CollectionStatus::Red => {
                    let reason = info.optimizer_status.map_or_else(String::new, |s| s.error);
                    return Err(fault::error(
                        ErrorKind::Unexpected,
                        format!("the server cannot optimize collection {name:?}: {reason}"),
                    ));
                }
                // After a restart the server optimizes only once something is changed.
                CollectionStatus::Grey if !woken => {
                    woken = true;
                    under(stack, || self.wake_optimizer(name)).await?;
                }
                CollectionStatus::Grey
                | CollectionStatus::Yellow
                | CollectionStatus::UnknownCollectionStatus => {}
            }
            tokio::time::sleep(OPTIMIZER_POLL).await;
        }
    }

    /// A change of no setting, as the vendor advises for collections in grey
    /// (<https://qdrant.tech/documentation/concepts/collections/#grey-collection-status>).
    async fn wake_optimizer(&self, name: &str) -> Result<(), Error> {
        let connection = self.connection();
        let request = UpdateCollection {
            collection_name: name.to_owned(),
            optimizers_config: Some(OptimizersConfigDiff::default()),
            timeout: Some(connection.server_timeout()),
            ..UpdateCollection::default()
        };
        connection
            .answer(connection.collections().update(connection.request(request)))
            .await
            .map(drop)
    }
}
