//! Context7 as one service.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use contexter_adapter::{
    AdapterError, AdapterSnapshot, Capabilities, HealthStatus, ServiceAdapter, ServiceHealth,
};
use contexter_http::Config as HttpConfig;
use contexter_model::{Error, ErrorKind, FetchDocs, Library, ResolveLibrary};
use contexter_resilience::{ResilientAdapter, StandardStack};
use contexter_service::{Again, Clock as _, DefaultClock, Handle, Service, Verdict as _};
use jiff::Timestamp;

use crate::asked::Whole;
use crate::cache::{Account, Owner, around};
use crate::client::{Client, NAME, operation, resolved};
use crate::config::KEY_PREFIX;
use crate::documents::Docs;
use crate::{Config, FetchContext, ReadLegacy, SearchContext, SearchLegacy, SearchLibraries};

/// How long a check of the service's health waits for an answer: 5 s. The slowest of the vendor's
/// calls that look something up take 3.2 s (package `@upstash/context7-mcp` 4.1.1, p99.9), and a
/// check looks nothing up.
pub const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);

/// Context7, registered as `context7`.
///
/// | capability | request | cached |
/// |---|---|---|
/// | `library_resolution` | [`ResolveLibrary`] | yes |
/// | `document_fetching` | [`FetchDocs`] | yes, topic by topic |
/// | `library_search` | [`SearchLibraries`] | yes |
/// | `documentation_context` | [`FetchContext`] | yes |
/// | `documentation_search` | [`SearchContext`] | yes |
/// | `legacy_documentation` | [`ReadLegacy`] | yes |
/// | `legacy_library_search` | [`SearchLegacy`] | yes |
///
/// Calls run under the stack; what is kept lies outside of it, so that it costs nothing of the
/// allowance.
///
/// # Behavior
///
/// - [`ResolveLibrary`] gives libraries whose documentation can be fetched, in the service's order.
///   An empty name is refused as unsupported: Context7 does not list its libraries.
/// - [`FetchDocs`] asks about each of the [topics](crate::DocsConfig::topics), and puts together what comes
///   by the page that it is from. A document's path is that of its page, its order within that of
///   the page, so the same answers give the same documents. It fails as a whole when a topic does:
///   half of a library would look like one that has lost the other half. Asked again, it goes on
///   with what is kept. Without a cache nothing is: then every page of documents costs a call for
///   each topic, and where the service answers otherwise than before, a document may be missed or
///   come twice; ask for all of them in one page.
/// - A library that is not finalized is [`ErrorKind::NotReady`], which the stack repeats after the
///   wait.
///
/// # Examples
///
/// ```no_run
/// use contexter_adapter::ServiceAdapter;
/// use contexter_context7::{Config, Context7Adapter, FetchContext};
/// use contexter_service::Service;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let adapter = Context7Adapter::new(Config::new("ctx7sk-…"))?;
/// let context = adapter.capabilities().handle::<FetchContext>().ok_or("no such ability")?;
/// let request = FetchContext::new("/tokio-rs/tokio".parse()?, "graceful shutdown");
/// for snippet in &context.call(request).await?.content.snippets().ok_or("no snippets")?.code {
///     println!("{}", snippet.title.as_deref().unwrap_or_default());
/// }
/// # Ok(())
/// # }
/// ```
pub struct Context7Adapter {
    client: Client,
    capabilities: Capabilities,
    stack: StandardStack,
}

impl Context7Adapter {
    /// Makes the adapter with the stack of [`Config::stack`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] with every setting that cannot be used.
    pub fn new(config: Config) -> Result<Self, Error> {
        config.validate().map_err(invalid)?;
        let stack = config.stack().build().map_err(invalid)?;
        Self::with_stack(config, stack)
    }

    /// Makes the adapter with a stack of the caller's. Answers are kept if the settings of the stack
    /// have a cache.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_stack(config: Config, stack: StandardStack) -> Result<Self, Error> {
        // The stack knows how long an attempt may take; the transport only must not be quicker.
        let http = HttpConfig::default();
        let http = if config.timeout > Duration::from_secs(30) {
            http.read_timeout(config.timeout)
        } else {
            http
        };
        Self::with_http(config, &contexter_http::Client::new(&http)?, stack)
    }

    /// Makes the adapter with an HTTP client of the caller's: through a proxy, with further
    /// certificates, or with connections shared.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_http(
        config: Config,
        http: &contexter_http::Client,
        stack: StandardStack,
    ) -> Result<Self, Error> {
        config.validate().map_err(invalid)?;
        if let Some(key) = &config.api_key
            && !key.expose().starts_with(KEY_PREFIX)
        {
            tracing::warn!(
                service = NAME,
                expected = KEY_PREFIX,
                "the key does not begin as keys of Context7 do"
            );
        }
        let client = Client::new(&config, http)?;
        let stack = stack.named(NAME);
        let owner = Owner {
            base_url: client.base_url().into(),
            account: Account::of(config.api_key.as_ref()),
        };
        let cache = stack.config().cache;
        let guarded = |operation| stack.service(client.clone()).operation(operation);
        let libraries = guarded(operation::SEARCH_LIBRARIES);
        let libraries = around::<SearchLibraries, _>(libraries, cache, &owner).map_err(invalid)?;
        let context = guarded(operation::FETCH_CONTEXT);
        let context = around::<FetchContext, _>(context, cache, &owner).map_err(invalid)?;
        let context = Handle::new(Whole(context));
        let search = guarded(operation::SEARCH_CONTEXT);
        let search = around::<SearchContext, _>(search, cache, &owner).map_err(invalid)?;
        let search = Handle::new(Whole(search));
        let legacy = guarded(operation::READ_LEGACY);
        let legacy = around::<ReadLegacy, _>(legacy, cache, &owner).map_err(invalid)?;
        let old_search = guarded(operation::SEARCH_LEGACY);
        let old_search = around::<SearchLegacy, _>(old_search, cache, &owner).map_err(invalid)?;
        let docs = Docs::new(context.clone(), config.docs);
        let capabilities = Capabilities::new()
            .with::<ResolveLibrary>(Resolver(libraries.clone()))
            .with::<FetchDocs>(docs)
            .with::<SearchLibraries>(libraries)
            .with::<FetchContext>(context)
            .with::<SearchContext>(search)
            .with::<ReadLegacy>(legacy)
            .with::<SearchLegacy>(old_search);
        Ok(Self {
            client,
            capabilities,
            stack,
        })
    }

    async fn check(&self) -> (Result<(), Error>, bool) {
        if let Some(state) = self.client.pulse().last() {
            return (state, false);
        }
        let outcome = tokio::time::timeout(HEALTH_TIMEOUT, self.client.probe())
            .await
            .unwrap_or_else(|_elapsed| {
                Err(Error::new(
                    ErrorKind::Timeout,
                    format!("no answer within {HEALTH_TIMEOUT:?}"),
                )
                .with_service(NAME)
                .with_operation(operation::HEALTH_CHECK))
            });
        self.client.pulse().heard(outcome.as_ref().copied());
        (outcome, true)
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is given to map_err, which passes values"
)]
fn invalid(faults: contexter_service::InvalidConfig) -> Error {
    Error::new(ErrorKind::Invalid, faults.to_string()).with_service(NAME)
}

impl fmt::Debug for Context7Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context7Adapter")
            .field("base_url", &self.client.base_url())
            .field("capabilities", &self.capabilities)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl ServiceAdapter for Context7Adapter {
    fn name(&self) -> &str {
        NAME
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Asks the service once, without looking anything up, and waits for the answer for
    /// [`HEALTH_TIMEOUT`].
    ///
    /// # Errors
    ///
    /// A key that is refused, or an address at which there is no such service. A service that is
    /// merely down, or an allowance that is used up, is no reason to do without it for good.
    async fn initialize(&self) -> Result<(), AdapterError> {
        match self.check().await.0 {
            Err(error)
                if error.again() == Again::No && error.kind() != ErrorKind::QuotaExhausted =>
            {
                Err(error.into())
            }
            _ => Ok(()),
        }
    }

    /// Tells how the last call ended and how long it took, if that is recent enough, and otherwise
    /// asks the service for a refusal: a search without the parameters that it needs. Whoever is
    /// refused for that has been let in, and nothing is looked up. Whether the vendor counts it is
    /// not documented, so a healthy service is asked once in
    /// [`Config::health_interval`](crate::Config::health_interval). The answer is waited for
    /// [`HEALTH_TIMEOUT`].
    ///
    /// A rate limit is degraded health; a refused key, a used-up allowance and a failure are
    /// unhealthy.
    async fn health_check(&self) -> ServiceHealth {
        let start = DefaultClock.now();
        let (state, asked) = self.check().await;
        let waited = DefaultClock.now().saturating_duration_since(start);
        let last = (!asked).then(|| self.stack.snapshot().last_operation);
        let took = last.flatten().unwrap_or(waited);
        let status = match &state {
            Ok(()) => HealthStatus::Healthy,
            Err(error) if error.kind() == ErrorKind::RateLimited => HealthStatus::Degraded,
            Err(_) => HealthStatus::Unhealthy,
        };
        let health = ServiceHealth::new(status, took, Timestamp::now()).with_detail("asked", asked);
        match state {
            Ok(()) => health,
            Err(error) => health.with_error(error.to_string()),
        }
    }

    fn snapshot(&self) -> AdapterSnapshot {
        self.stack.snapshot().into()
    }
}

impl ResilientAdapter for Context7Adapter {
    fn stack(&self) -> &StandardStack {
        &self.stack
    }
}

/// A search for libraries in the terms of the model.
#[derive(Clone, Debug)]
struct Resolver(Handle<SearchLibraries>);

impl Service<ResolveLibrary> for Resolver {
    type Response = Vec<Library>;
    type Error = Error;

    async fn call(&self, request: ResolveLibrary) -> Result<Vec<Library>, Error> {
        if request.name.trim().is_empty() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "the service does not list its libraries; give the name of one",
            )
            .with_service(NAME)
            .with_operation("resolve_library"));
        }
        let found = self
            .0
            .call(SearchLibraries::new(request.name.as_str()))
            .await?;
        Ok(resolved(found, &request))
    }
}
