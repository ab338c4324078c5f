//! The service of collections and aliases.

use std::collections::BTreeMap;
use std::sync::Arc;

use qdrant_client::qdrant::alias_operations::Action;
use qdrant_client::qdrant::collections_server;
use qdrant_client::qdrant::{
    AliasDescription, ChangeAliases, CollectionClusterInfoRequest, CollectionClusterInfoResponse,
    CollectionDescription, CollectionExists, CollectionExistsRequest, CollectionExistsResponse,
    CollectionOperationResponse, CreateCollection, CreateShardKeyRequest, CreateShardKeyResponse,
    DeleteCollection, DeleteShardKeyRequest, DeleteShardKeyResponse, GetCollectionInfoRequest,
    GetCollectionInfoResponse, ListAliasesRequest, ListAliasesResponse,
    ListCollectionAliasesRequest, ListCollectionsRequest, ListCollectionsResponse,
    ListShardKeysRequest, ListShardKeysResponse, UpdateCollection,
    UpdateCollectionClusterSetupRequest, UpdateCollectionClusterSetupResponse,
};
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use super::auth::may_write;
use super::catalog::Catalog;
use super::collection::blocking;
use super::reply::seconds;
use super::{info, merging, status};

type Reply<T> = Result<Response<T>, Status>;

/// Answers what is asked of collections.
pub(super) struct Collections {
    catalog: Arc<Catalog>,
}

impl Collections {
    pub(super) fn new(catalog: Arc<Catalog>) -> Self {
        Self { catalog }
    }

    async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Catalog) -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        let catalog = Arc::clone(&self.catalog);
        blocking(move || work(&catalog)).await
    }
}

fn done(result: bool, since: Instant) -> Response<CollectionOperationResponse> {
    Response::new(CollectionOperationResponse {
        result,
        time: seconds(since),
    })
}

#[tonic::async_trait]
impl collections_server::Collections for Collections {
    async fn get(
        &self,
        request: Request<GetCollectionInfoRequest>,
    ) -> Reply<GetCollectionInfoResponse> {
        let since = Instant::now();
        let collection = self.catalog.get(&request.into_inner().collection_name)?;
        let created = collection.request();
        let result = collection
            .read(move |shard| Ok(info::collection(created, shard)))
            .await?;
        Ok(Response::new(GetCollectionInfoResponse {
            result: Some(result),
            time: seconds(since),
        }))
    }

    async fn list(
        &self,
        _request: Request<ListCollectionsRequest>,
    ) -> Reply<ListCollectionsResponse> {
        let since = Instant::now();
        let names = self.catalog.names().into_iter();
        Ok(Response::new(ListCollectionsResponse {
            collections: names.map(|name| CollectionDescription { name }).collect(),
            time: seconds(since),
        }))
    }

    async fn create(
        &self,
        request: Request<CreateCollection>,
    ) -> Reply<CollectionOperationResponse> {
        let since = Instant::now();
        may_write(&request)?;
        let mut request = request.into_inner();
        request.timeout = None;
        self.change(move |catalog| catalog.create(request)).await?;
        Ok(done(true, since))
    }

    async fn update(
        &self,
        request: Request<UpdateCollection>,
    ) -> Reply<CollectionOperationResponse> {
        let since = Instant::now();
        may_write(&request)?;
        let request = request.into_inner();
        self.change(move |catalog| {
            let name = request.collection_name.clone();
            let is_tuning = merging::is_tuning(&request);
            let collection = catalog.update(&name, move |collection, there| {
                merging::merge(request, there)?;
                if is_tuning {
                    collection.configure(there)?;
                }
                Ok(())
            })?;
            if is_tuning {
                collection.optimize()?;
            }
            Ok(())
        })
        .await?;
        Ok(done(true, since))
    }

    async fn delete(
        &self,
        request: Request<DeleteCollection>,
    ) -> Reply<CollectionOperationResponse> {
        let since = Instant::now();
        may_write(&request)?;
        let name = request.into_inner().collection_name;
        let was_there = self.change(move |catalog| catalog.delete(&name)).await?;
        Ok(done(was_there, since))
    }

    async fn update_aliases(
        &self,
        request: Request<ChangeAliases>,
    ) -> Reply<CollectionOperationResponse> {
        let since = Instant::now();
        may_write(&request)?;
        let actions: Vec<_> = request
            .into_inner()
            .actions
            .into_iter()
            .map(|operation| {
                operation
                    .action
                    .ok_or_else(|| Status::invalid_argument("Malformed AliasOperation type"))
            })
            .collect::<Result<_, _>>()?;
        self.change(move |catalog| {
            catalog.change_aliases(actions, |aliases, action| act(catalog, aliases, action))
        })
        .await?;
        Ok(done(true, since))
    }

    async fn list_collection_aliases(
        &self,
        request: Request<ListCollectionAliasesRequest>,
    ) -> Reply<ListAliasesResponse> {
        let name = request.into_inner().collection_name;
        if !self.catalog.is_collection(&name) {
            return Err(status::no_collection(&name));
        }
        Ok(aliases(&self.catalog, |collection| collection == name))
    }

    async fn list_aliases(
        &self,
        _request: Request<ListAliasesRequest>,
    ) -> Reply<ListAliasesResponse> {
        Ok(aliases(&self.catalog, |_| true))
    }

    async fn collection_cluster_info(
        &self,
        _request: Request<CollectionClusterInfoRequest>,
    ) -> Reply<CollectionClusterInfoResponse> {
        Err(status::not_offered("clusters"))
    }

    async fn collection_exists(
        &self,
        request: Request<CollectionExistsRequest>,
    ) -> Reply<CollectionExistsResponse> {
        let since = Instant::now();
        let exists = self
            .catalog
            .get(&request.into_inner().collection_name)
            .is_ok();
        Ok(Response::new(CollectionExistsResponse {
            result: Some(CollectionExists { exists }),
            time: seconds(since),
        }))
    }

    async fn update_collection_cluster_setup(
        &self,
        _request: Request<UpdateCollectionClusterSetupRequest>,
    ) -> Reply<UpdateCollectionClusterSetupResponse> {
        Err(status::not_offered("clusters"))
    }

    async fn create_shard_key(
        &self,
        _request: Request<CreateShardKeyRequest>,
    ) -> Reply<CreateShardKeyResponse> {
        Err(status::not_offered("shard keys"))
    }

    async fn delete_shard_key(
        &self,
        _request: Request<DeleteShardKeyRequest>,
    ) -> Reply<DeleteShardKeyResponse> {
        Err(status::not_offered("shard keys"))
    }

    async fn list_shard_keys(
        &self,
        _request: Request<ListShardKeysRequest>,
    ) -> Reply<ListShardKeysResponse> {
        Err(status::not_offered("shard keys"))
    }
}

fn aliases(catalog: &Catalog, wanted: impl Fn(&str) -> bool) -> Response<ListAliasesResponse> {
    let since = Instant::now();
    let aliases = catalog
        .aliases()
        .into_iter()
        .filter(|(_, collection)| wanted(collection))
        .map(|(alias_name, collection_name)| AliasDescription {
            alias_name,
            collection_name,
        });
    Response::new(ListAliasesResponse {
        aliases: aliases.collect(),
        time: seconds(since),
    })
}

fn act(
    catalog: &Catalog,
    aliases: &mut BTreeMap<String, String>,
    action: Action,
) -> Result<(), Status> {
    match action {
        Action::CreateAlias(create) => {
            if !catalog.is_collection(&create.collection_name) {
                return Err(status::no_collection(&create.collection_name));
            }
            if catalog.is_collection(&create.alias_name) {
                return Err(Status::already_exists(format!(
                    "Wrong input: Collection `{}` already exists!",
                    create.alias_name,
                )));
            }
            aliases.insert(create.alias_name, create.collection_name);
        }
        Action::RenameAlias(rename) => {
            let collection = aliases.remove(&rename.old_alias_name).ok_or_else(|| {
                status::not_found(format_args!(
                    "Alias {} does not exists!",
                    rename.old_alias_name
                ))
            })?;
            aliases.insert(rename.new_alias_name, collection);
        }
        Action::DeleteAlias(delete) => {
            aliases.remove(&delete.alias_name);
        }
    }
    Ok(())
}
