//! Two document sources as one: each library is fetched from the source that has it.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use contexter_adapter::{
    AdapterError, AdapterSnapshot, Capabilities, HealthStatus, ServiceAdapter, ServiceHealth,
};
use contexter_model::{DocsPage, Error, FetchDocs, LibraryId};
use contexter_service::{Handle, Service};

/// Documentation by Context7, and web pages by Bright Data: the service `documentation`.
///
/// Registered in place of the two, since only one service may offer the documents of a library.
pub(crate) struct Routed {
    sources: [Arc<dyn ServiceAdapter>; 2],
    capabilities: Capabilities,
}

impl Routed {
    /// `of_web` are the libraries that `web` has; all others are those of `docs`.
    pub(crate) fn new(
        docs: Arc<dyn ServiceAdapter>,
        web: Arc<dyn ServiceAdapter>,
        of_web: BTreeSet<LibraryId>,
    ) -> Result<Self> {
        let fetch = |source: &Arc<dyn ServiceAdapter>| {
            let handle = source.capabilities().handle::<FetchDocs>();
            handle.with_context(|| format!("{} offers no documents", source.name()))
        };
        let route = Route {
            docs: fetch(&docs)?,
            web: fetch(&web)?,
            of_web: Arc::new(of_web),
        };
        Ok(Self {
            sources: [docs, web],
            capabilities: Capabilities::new().with::<FetchDocs>(route),
        })
    }
}

#[derive(Clone)]
struct Route {
    docs: Handle<FetchDocs>,
    web: Handle<FetchDocs>,
    of_web: Arc<BTreeSet<LibraryId>>,
}

impl Service<FetchDocs> for Route {
    type Response = DocsPage;
    type Error = Error;

    async fn call(&self, request: FetchDocs) -> Result<DocsPage, Error> {
        let source = if self.of_web.contains(&request.library) {
            &self.web
        } else {
            &self.docs
        };
        source.call(request).await
    }
}

#[async_trait]
impl ServiceAdapter for Routed {
    fn name(&self) -> &'static str {
        "documentation"
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn initialize(&self) -> Result<(), AdapterError> {
        for source in &self.sources {
            source.initialize().await?;
        }
        Ok(())
    }

    /// As bad as the worse of the two.
    async fn health_check(&self) -> ServiceHealth {
        let [docs, web] = &self.sources;
        let (one, other) = futures_util::join!(docs.health_check(), web.health_check());
        let (mut worse, better) = if badness(&one) >= badness(&other) {
            (one, other)
        } else {
            (other, one)
        };
        worse.response_time_ms = worse.response_time_ms.max(better.response_time_ms);
        worse
    }

    async fn shutdown(&self) {
        for source in &self.sources {
            source.shutdown().await;
        }
    }

    /// That of Context7, on which most calls go.
    fn snapshot(&self) -> AdapterSnapshot {
        let [docs, _] = &self.sources;
        docs.snapshot()
    }
}

fn badness(health: &ServiceHealth) -> u8 {
    match health.status {
        HealthStatus::Healthy => 0,
        HealthStatus::Degraded => 1,
        HealthStatus::Unhealthy => 2,
    }
}
