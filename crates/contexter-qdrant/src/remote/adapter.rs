//! The server as the registry sees it.

use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use contexter_adapter::{
    AdapterError, AdapterSnapshot, Capabilities, HealthStatus, ServiceAdapter, ServiceHealth,
};
use contexter_model::{
    AliasSwitched, CollectionState, Count, CreateSnapshot, Delete, DropAlias, DropCollection,
    DropSnapshot, EnsureCollection, Error, Flush, FusedQuery, ListAliases, ListSnapshots, Optimize,
    Query, Record, Retrieve, Scroll, SwitchAlias, Upsert,
};
use contexter_resilience::{ResilientAdapter, StandardStack};
use contexter_service::{Cx, Service};
use jiff::Timestamp;
use tokio::time::Instant;
use tonic::transport::Channel;

use super::config::{Config, GRACE};
use super::health::CLIENT_VERSION;
use super::store::{RemoteStore, invalid};
use crate::spec::SERVICE;

/// A Qdrant server under the name `qdrant`, with the capabilities `vector_storage` and
/// `vector_search`.
///
/// The stack goes around every call: [`StackConfig::qdrant`](contexter_resilience::StackConfig::qdrant)
/// with the timeout and the retry of the configuration. An upload is many calls, each under the
/// stack by itself, so that a failure repeats one batch. So are
/// [`Delete`](contexter_model::Delete) and [`Retrieve`](contexter_model::Retrieve) of many ids,
/// [`EnsureCollection`](contexter_model::EnsureCollection), which makes one index after the other,
/// and [`Optimize`](contexter_model::Optimize), which asks until the server is done.
/// [`CreateSnapshot`](contexter_model::CreateSnapshot) has a stack of its own with the same settings, as
/// it takes longer than other calls.
///
/// # Examples
///
/// ```
/// use contexter_adapter::ServiceAdapter;
/// use contexter_model::Query;
/// use contexter_qdrant::remote::{Config, QdrantAdapter};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), contexter_model::Error> {
/// let qdrant = QdrantAdapter::new(Config::new("k3y").with_url("https://qdrant.example.com"))?;
/// assert_eq!(qdrant.name(), "qdrant");
/// assert!(qdrant.capabilities().handle::<Query>().is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct QdrantAdapter {
    store: RemoteStore,
    stack: StandardStack,
    capabilities: Capabilities,
}

impl QdrantAdapter {
    /// Prepares connections as configured, under the stack of [`Config::stack`].
    ///
    /// # Errors
    ///
    /// `Invalid` if a setting cannot be used; all of them are named.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn new(config: Config) -> Result<Self, Error> {
        config.validate().map_err(invalid)?;
        let stack = config.stack().build().map_err(invalid)?.named(SERVICE);
        Self::with_stack(config, stack)
    }

    /// Prepares connections as configured, under `stack`.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a configuration that holds a key is handed over, not kept by the caller"
    )]
    pub fn with_stack(config: Config, stack: StandardStack) -> Result<Self, Error> {
        Self::over(RemoteStore::new(&config)?, &config, stack)
    }

    /// Takes a channel of the caller's in place of connections as configured, under `stack`; see
    /// [`RemoteStore::with_channel`].
    ///
    /// # Errors
    ///
    /// As [`RemoteStore::with_channel`].
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a configuration that holds a key is handed over, not kept by the caller"
    )]
    pub fn with_channel(
        config: Config,
        channel: Channel,
        stack: StandardStack,
    ) -> Result<Self, Error> {
        Self::over(RemoteStore::with_channel(&config, channel)?, &config, stack)
    }

    fn over(store: RemoteStore, config: &Config, stack: StandardStack) -> Result<Self, Error> {
        let patient = patient(&stack, config)?;
        let piecewise = Piecewise {
            store: store.clone(),
            stack: stack.clone(),
        };
        let capabilities = Capabilities::new()
            .with::<Upsert>(piecewise.clone())
            .with::<Optimize>(piecewise.clone())
            .with::<EnsureCollection>(piecewise.clone())
            .with::<Delete>(piecewise.clone())
            .with::<Retrieve>(piecewise)
            .with::<Flush>(stack.service(store.clone()))
            .with::<Count>(stack.service(store.clone()))
            .with::<Query>(stack.service(store.clone()))
            .with::<FusedQuery>(stack.service(store.clone()))
            .with::<Scroll>(stack.service(store.clone()))
            .with::<SwitchAlias>(Switching {
                store: store.clone(),
                stack: stack.clone(),
            })
            .with::<DropAlias>(stack.service(store.clone()))
            .with::<ListAliases>(stack.service(store.clone()))
            .with::<DropCollection>(
                stack
                    .service(store.clone())
                    .context_by(once::<DropCollection>),
            )
            .with::<CreateSnapshot>(
                patient
                    .service(store.clone())
                    .context_by(once::<CreateSnapshot>),
            )
            .with::<ListSnapshots>(stack.service(store.clone()))
            .with::<DropSnapshot>(
                stack
                    .service(store.clone())
                    .context_by(once::<DropSnapshot>),
            );
        Ok(Self {
            store,
            stack,
            capabilities,
        })
    }

    /// Returns the store, which has no stack around it.
    #[must_use]
    pub fn store(&self) -> &RemoteStore {
        &self.store
    }
}

/// A stack of the same settings, whose attempts may take as long as a snapshot.
fn patient(stack: &StandardStack, config: &Config) -> Result<StandardStack, Error> {
    let settings = stack.config();
    let attempt = config.snapshot_timeout.saturating_add(GRACE);
    let longer = |limit: Option<Duration>| limit.map(|limit| limit.max(attempt));
    let (attempt, deadline) = (longer(settings.attempt_timeout), longer(settings.deadline));
    let patient = settings.attempt_timeout(attempt).deadline(deadline).build();
    Ok(patient.map_err(invalid)?.named(SERVICE))
}

/// What must not be sent again once it may have arrived: a second snapshot would be made, and what
/// was dropped would be reported as never there.
fn once<R>(_req: &R) -> Cx {
    Cx::new().with_idempotent(false)
}

/// Remembers through all attempts what the alias named before the first one.
#[derive(Clone, Debug)]
struct Switching {
    store: RemoteStore,
    stack: StandardStack,
}

impl Service<SwitchAlias> for Switching {
    type Response = AliasSwitched;
    type Error = Error;

    async fn call(&self, req: SwitchAlias) -> Result<AliasSwitched, Error> {
        let (store, before, req) = (&self.store, OnceLock::new(), &req);
        let before = &before;
        self.stack
            .run(Cx::new(), move |_cx| async move {
                store
                    .switch_alias(&req.alias, &req.collection, before)
                    .await
                    .map_err(|error| error.with_operation("switch_alias"))
            })
            .await
    }
}

/// What is many calls: each goes through the stack by itself.
#[derive(Clone, Debug)]
struct Piecewise {
    store: RemoteStore,
    stack: StandardStack,
}

impl Service<Upsert> for Piecewise {
    type Response = ();
    type Error = Error;

    async fn call(&self, req: Upsert) -> Result<(), Error> {
        self.store
            .upload(req, Some(&self.stack), |_| {})
            .await
            .map_err(|error| error.with_operation("upsert"))
    }
}

impl Service<EnsureCollection> for Piecewise {
    type Response = CollectionState;
    type Error = Error;

    async fn call(&self, req: EnsureCollection) -> Result<CollectionState, Error> {
        self.store
            .ensure(&req.0, Some(&self.stack))
            .await
            .map_err(|error| error.with_operation("ensure_collection"))
    }
}

impl Service<Delete> for Piecewise {
    type Response = ();
    type Error = Error;

    async fn call(&self, req: Delete) -> Result<(), Error> {
        self.store
            .delete(req, Some(&self.stack))
            .await
            .map_err(|error| error.with_operation("delete"))
    }
}

impl Service<Retrieve> for Piecewise {
    type Response = Vec<Record>;
    type Error = Error;

    async fn call(&self, req: Retrieve) -> Result<Vec<Record>, Error> {
        self.store
            .retrieve(req, Some(&self.stack))
            .await
            .map_err(|error| error.with_operation("retrieve"))
    }
}

impl Service<Optimize> for Piecewise {
    type Response = ();
    type Error = Error;

    async fn call(&self, req: Optimize) -> Result<(), Error> {
        self.store
            .optimize(&req.collection, Some(&self.stack))
            .await
            .map_err(|error| error.with_operation("optimize"))
    }
}

#[async_trait]
impl ServiceAdapter for QdrantAdapter {
    fn name(&self) -> &str {
        SERVICE
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Reaches the server, shows it the key, and refuses another major version.
    async fn initialize(&self) -> Result<(), AdapterError> {
        let greeting = self.store.greet().await;
        greeting.map_err(|error| error.with_operation("initialize"))?;
        Ok(())
    }

    /// Asks for the version and, with the key, for the list of collections.
    ///
    /// Unhealthy if one of them fails; degraded if the vendor does not support this client with
    /// that server. The details hold the address, the version and the number of collections. The
    /// stack is left out: a check is one attempt, also while the breaker is open.
    async fn health_check(&self) -> ServiceHealth {
        let started = Instant::now();
        let checkup = self.store.check().await;
        let elapsed = started.elapsed();
        let health = |status| {
            ServiceHealth::new(status, elapsed, Timestamp::now())
                .with_detail("url", self.store.endpoint())
        };
        match checkup {
            Ok(checkup) if checkup.version.is_supported() => health(HealthStatus::Healthy)
                .with_detail("version", checkup.version.to_string())
                .with_detail("collections", checkup.collections),
            Ok(checkup) => health(HealthStatus::Degraded)
                .with_detail("version", checkup.version.to_string())
                .with_detail("collections", checkup.collections)
                .with_error(format!(
                    "the server has version {}, this adapter speaks {CLIENT_VERSION}: at most one \
                     minor version apart is supported",
                    checkup.version,
                )),
            Err(error) => health(HealthStatus::Unhealthy).with_error(error.to_string()),
        }
    }

    fn snapshot(&self) -> AdapterSnapshot {
        self.stack.snapshot().into()
    }
}

impl ResilientAdapter for QdrantAdapter {
    fn stack(&self) -> &StandardStack {
        &self.stack
    }
}
