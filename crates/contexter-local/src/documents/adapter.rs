//! The adapter of all document sources on this machine.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use contexter_adapter::{
    AdapterSnapshot, Capabilities, HealthStatus, ServiceAdapter, ServiceHealth,
};
use contexter_model::{DocsPage, Error, ErrorKind, FetchDocs, Library, ResolveLibrary};
use contexter_resilience::{ResilientAdapter, StandardStack};
use contexter_service::{Clock as _, DefaultClock, Handle, Service};
use jiff::Timestamp;

use super::{CargoLock, Folder};

const NAME: &str = "local_documents";

/// A source of documents: anything that knows libraries and fetches their documents.
///
/// [`Folder`] and [`CargoLock`] turn into one by [`From`].
#[derive(Clone, Debug)]
pub struct DocumentSource {
    fetch: Handle<FetchDocs>,
    resolve: Handle<ResolveLibrary>,
}

impl DocumentSource {
    /// Wraps a source.
    pub fn new<S>(source: S) -> Self
    where
        S: Service<FetchDocs, Response = DocsPage, Error = Error>
            + Service<ResolveLibrary, Response = Vec<Library>, Error = Error>
            + 'static,
    {
        let source = Arc::new(source);
        Self {
            fetch: Handle::new(Arc::clone(&source)),
            resolve: Handle::new(source),
        }
    }
}

impl From<Folder> for DocumentSource {
    fn from(folder: Folder) -> Self {
        Self::new(folder)
    }
}

impl From<CargoLock> for DocumentSource {
    fn from(lock: CargoLock) -> Self {
        Self::new(lock)
    }
}

/// The document sources of this machine as one service, registered as `local_documents`.
///
/// # Behavior
///
/// - A library is fetched from the first source that knows it.
/// - A name is resolved by all sources; what the first one finds comes first.
///
/// # Examples
///
/// ```
/// use contexter_adapter::ServiceAdapter;
/// use contexter_local::{Folder, LocalDocuments};
/// use contexter_resilience::StandardStack;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path();
/// let docs = Folder::open(path, None).await?;
/// let adapter = LocalDocuments::new([docs.into()], StandardStack::default());
/// assert!(adapter.capabilities().contains("document_fetching"));
/// assert!(adapter.health_check().await.is_healthy());
/// # Ok(())
/// # }
/// ```
pub struct LocalDocuments {
    sources: Sources,
    capabilities: Capabilities,
    stack: StandardStack,
}

impl LocalDocuments {
    /// Bundles sources, with `stack` around their calls.
    pub fn new(sources: impl IntoIterator<Item = DocumentSource>, stack: StandardStack) -> Self {
        let stack = stack.named(NAME);
        let sources = Sources(sources.into_iter().collect());
        Self {
            capabilities: Capabilities::new()
                .with::<FetchDocs>(stack.service(sources.clone()))
                .with::<ResolveLibrary>(stack.service(sources.clone())),
            sources,
            stack,
        }
    }
}

impl fmt::Debug for LocalDocuments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalDocuments")
            .field("sources", &self.sources.0.len())
            .field("capabilities", &self.capabilities)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl ServiceAdapter for LocalDocuments {
    fn name(&self) -> &str {
        NAME
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Asks every source for a library: healthy if all can answer, degraded if some can.
    async fn health_check(&self) -> ServiceHealth {
        let start = DefaultClock.now();
        let mut failures = Vec::new();
        for source in self.sources.0.iter() {
            let any = ResolveLibrary {
                name: String::new(),
                limit: 1,
            };
            if let Err(error) = source.resolve.call(any).await {
                failures.push(error.to_string());
            }
        }
        let status = if failures.is_empty() {
            HealthStatus::Healthy
        } else if failures.len() < self.sources.0.len() {
            HealthStatus::Degraded
        } else {
            HealthStatus::Unhealthy
        };
        let took = DefaultClock.now().saturating_duration_since(start);
        let health = ServiceHealth::new(status, took, Timestamp::now())
            .with_detail("sources", self.sources.0.len());
        if failures.is_empty() {
            health
        } else {
            health.with_error(failures.join("; "))
        }
    }

    fn snapshot(&self) -> AdapterSnapshot {
        self.stack.snapshot().into()
    }
}

impl ResilientAdapter for LocalDocuments {
    fn stack(&self) -> &StandardStack {
        &self.stack
    }
}

#[derive(Clone)]
struct Sources(Arc<[DocumentSource]>);

impl Service<FetchDocs> for Sources {
    type Response = DocsPage;
    type Error = Error;

    async fn call(&self, request: FetchDocs) -> Result<DocsPage, Error> {
        for source in self.0.iter() {
            match source.fetch.call(request.clone()).await {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                answer => return answer.map_err(|error| named(error, "fetch_docs")),
            }
        }
        Err(named(super::unknown(&request.library), "fetch_docs"))
    }
}

impl Service<ResolveLibrary> for Sources {
    type Response = Vec<Library>;
    type Error = Error;

    async fn call(&self, request: ResolveLibrary) -> Result<Vec<Library>, Error> {
        let mut found: Vec<Library> = Vec::new();
        let mut failure = None;
        for source in self.0.iter() {
            match source.resolve.call(request.clone()).await {
                Ok(libraries) => found.extend(libraries),
                Err(error) => {
                    tracing::warn!(%error, "a document source cannot be asked");
                    failure = Some(error);
                }
            }
        }
        found.truncate(request.limit);
        match failure {
            Some(error) if found.is_empty() => Err(named(error, "resolve_library")),
            _ => Ok(found),
        }
    }
}

fn named(error: Error, operation: &'static str) -> Error {
    error.with_service(NAME).with_operation(operation)
}
