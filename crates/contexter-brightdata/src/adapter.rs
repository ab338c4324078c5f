//! The services of Bright Data as one adapter.

use std::fmt;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contexter_adapter::{
    AdapterError, AdapterSnapshot, Capabilities, HealthStatus, ServiceAdapter, ServiceHealth,
};
use contexter_http::{Api, Auth, Client};
use contexter_model::{Error, ErrorKind, FetchDocs, FetchPage, Page, ResolveLibrary, SearchWeb};
use contexter_resilience::{ResilientAdapter, StandardStack};
use contexter_service::{Clock as _, Cx, DefaultClock, Handle};
use jiff::Timestamp;

use crate::config::Config;
use crate::dataset::{
    CancelSnapshot, CountParts, Datasets, FetchSnapshot, Records, ScrapeDataset, SnapshotId,
    SnapshotProgress, TriggerDataset,
};
use crate::job::{CollectJob, Job, Jobs, SubmitPage, SubmitSearch};
use crate::judge::judge;
use crate::link::{Attempt, Link};
use crate::pages::WebPages;
use crate::proxy::{FetchByProxy, NativeProxy};
use crate::serp::{SearchPage, Searcher, SerpPage};
use crate::throttle::ThrottleBudget;
use crate::unlock::{TakeScreenshot, Unlock, Unlocked, Unlocker};
use crate::usage::{BilledUsage, Meter};

/// The services of Bright Data, registered as `brightdata`.
///
/// | ability | request | needs |
/// |---|---|---|
/// | `fetch_page` | [`FetchPage`] | `zone`, or `proxy` |
/// | `unlock_page`, `screenshot` | [`Unlock`], [`TakeScreenshot`] | `zone` |
/// | `unlock_later` | [`SubmitPage`], [`CollectJob`] | `zone` with the asynchronous option |
/// | `web_search`, `search_results` | [`SearchWeb`], [`SearchPage`] | `serp_zone` |
/// | `search_later` | [`SubmitSearch`] | `serp_zone` with the asynchronous option |
/// | `datasets` | [`TriggerDataset`], [`SnapshotProgress`], [`FetchSnapshot`], [`ScrapeDataset`], [`CountParts`], [`CancelSnapshot`] | |
/// | `proxy_fetch` | [`FetchByProxy`] | `proxy` |
/// | `document_fetching`, `library_resolution` | [`FetchDocs`], [`ResolveLibrary`] | `libraries` |
///
/// # Examples
///
/// ```
/// use contexter_adapter::ServiceAdapter;
/// use contexter_brightdata::{BrightDataAdapter, Config};
///
/// let adapter = BrightDataAdapter::new(&Config::new("s3cret").zone("web_unlocker1"))?;
/// assert!(adapter.capabilities().contains("fetch_page"));
/// assert!(!adapter.capabilities().contains("web_search"));
/// # Ok::<(), contexter_model::Error>(())
/// ```
pub struct BrightDataAdapter {
    link: Link,
    jobs: Jobs,
    datasets: Datasets,
    zones: Vec<String>,
    capabilities: Capabilities,
}

impl BrightDataAdapter {
    /// Makes the adapter with the stack of its configuration.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] with everything that is wrong with the configuration, and if a certificate
    /// cannot be read.
    pub fn new(config: &Config) -> Result<Self, Error> {
        config.validate().map_err(|faults| invalid(&faults))?;
        let stack = StandardStack::new(config.stack()).map_err(|faults| invalid(&faults))?;
        Self::with_stack(config, stack)
    }

    /// Makes the adapter with mechanisms of one's own around its calls.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_stack(config: &Config, stack: StandardStack) -> Result<Self, Error> {
        Self::with_budget(config, stack, ThrottleBudget::shared(&config.base_url))
    }

    /// As [`with_stack`](Self::with_stack), with a budget that is not that of the process: for a process
    /// whose calls leave by more than one address.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_budget(
        config: &Config,
        stack: StandardStack,
        budget: ThrottleBudget,
    ) -> Result<Self, Error> {
        config.validate().map_err(|faults| invalid(&faults))?;
        let key = config.api_key.clone().unwrap_or_else(|| "".into());
        let client = Client::new(
            &contexter_http::Config::default()
                // The attempt's own time limit ends it first.
                .read_timeout(config.timeout.saturating_add(GRACE))
                .total_timeout(config.timeout.saturating_add(GRACE)),
        )?;
        let api = Api::new(
            &client,
            &config.base_url,
            Auth::Bearer(key.expose().to_owned()),
        )
        .map_err(|error| error.with_service(crate::NAME))?
        .with_service(crate::NAME)
        .with_max_body(config.max_body);
        let mut secrets = vec![key];
        let ca = match &config.proxy {
            Some(proxy) => {
                secrets.push(proxy.password.clone());
                if let Ok(name) = proxy.user.name() {
                    // As it travels.
                    let login = format!("{name}:{}", proxy.password.expose());
                    secrets.push(STANDARD.encode(login).into());
                    secrets.push(name.into());
                }
                certificate(proxy)?
            }
            None => None,
        };
        let link = Link {
            api,
            stack: stack.named(crate::NAME),
            budget,
            meter: Meter::default(),
            secrets,
            bills_failures: config.bills_failures,
        };
        let polling = config.polling().map_err(|faults| invalid(&faults))?;
        let jobs = Jobs::new(
            link.clone(),
            config.customer.as_deref(),
            config.zone.as_deref(),
            config.serp_zone.as_deref(),
            config.country.as_deref(),
            polling,
        );
        let datasets = Datasets::new(link.clone(), config.max_snapshot, polling);
        let mut adapter = Self {
            capabilities: Capabilities::new()
                .with::<TriggerDataset>(datasets.clone())
                .with::<ScrapeDataset>(datasets.clone())
                .with::<SnapshotProgress>(datasets.clone())
                .with::<FetchSnapshot>(datasets.clone())
                .with::<CountParts>(datasets.clone())
                .with::<CancelSnapshot>(datasets.clone()),
            zones: config
                .zone
                .iter()
                .chain(&config.serp_zone)
                .cloned()
                .collect(),
            link,
            jobs,
            datasets,
        };
        adapter.add_pages(config, ca)?;
        Ok(adapter)
    }

    /// Adds what the zones and the proxy of the configuration make possible.
    fn add_pages(&mut self, config: &Config, ca: Option<String>) -> Result<(), Error> {
        let mut capabilities = std::mem::take(&mut self.capabilities);
        let country = config.country.as_deref();
        let mut pages: Option<Handle<FetchPage>> = None;
        if let Some(proxy) = &config.proxy {
            let stack = StandardStack::new(self.link.stack.config())
                .map_err(|faults| invalid(&faults))?
                .named(PROXY_STACK);
            let link = Link {
                stack,
                ..self.link.clone()
            };
            let timeout = config.timeout.saturating_add(GRACE);
            let proxy = NativeProxy::new(link, proxy, ca, timeout, config.max_body)
                .map_err(|error| error.with_service(crate::NAME))?;
            pages = Some(Handle::new(proxy.clone()));
            capabilities = capabilities.with::<FetchByProxy>(proxy);
        }
        if let Some(zone) = &config.zone {
            let unlocker = Unlocker::new(self.link.clone(), zone, country, config.debug);
            pages = Some(Handle::new(unlocker.clone()));
            capabilities = capabilities
                .with::<Unlock>(unlocker.clone())
                .with::<TakeScreenshot>(unlocker)
                .with::<SubmitPage>(self.jobs.clone())
                .with::<CollectJob>(self.jobs.clone());
        }
        if let Some(zone) = &config.serp_zone {
            let unlocker = Unlocker::new(self.link.clone(), zone, country, config.debug);
            let searcher = Searcher::new(unlocker, config.search_engine);
            capabilities = capabilities
                .with::<SearchWeb>(searcher.clone())
                .with::<SearchPage>(searcher)
                .with::<SubmitSearch>(self.jobs.clone())
                .with::<CollectJob>(self.jobs.clone());
        }
        if let Some(pages) = pages {
            capabilities = capabilities.with::<FetchPage>(pages.clone());
            if !config.libraries.is_empty() {
                let libraries = WebPages::new(&config.libraries, pages);
                capabilities = capabilities
                    .with::<FetchDocs>(libraries.clone())
                    .with::<ResolveLibrary>(libraries);
            }
        }
        self.capabilities = capabilities;
        Ok(())
    }

    /// Returns what was used since the adapter was made.
    #[must_use]
    pub fn usage(&self) -> BilledUsage {
        self.link.meter.read()
    }

    /// Returns the budget of refusals for too many requests.
    #[must_use]
    pub fn throttle_budget(&self) -> &ThrottleBudget {
        &self.link.budget
    }

    /// Fetches a page by the asynchronous unlocker: submits it, asks for the result until it is there,
    /// reads it. Markdown is made here, since this interface delivers HTML.
    ///
    /// The time is that of `cx`; without a deadline it is [`LONGEST_JOB`](crate::LONGEST_JOB). It is over
    /// too early, the error names the job, which [`wait_for_job`](Self::wait_for_job) can go on with.
    ///
    /// # Errors
    ///
    /// As [`FetchPage`]; [`ErrorKind::Timeout`] if the job is not done in time. That is not repeated: a
    /// submission is billed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the asking; the job goes on at the vendor.
    pub async fn fetch_page_later(&self, request: FetchPage, cx: Cx) -> Result<Page, Error> {
        self.jobs.page(request, cx).await
    }

    /// Searches by the asynchronous interface, as [`fetch_page_later`](Self::fetch_page_later) fetches.
    ///
    /// # Errors
    ///
    /// As [`SearchPage`], and [`ErrorKind::Timeout`] if the job is not done in time.
    ///
    /// # Cancel safety
    ///
    /// As [`fetch_page_later`](Self::fetch_page_later).
    pub async fn search_later(&self, search: SearchPage, cx: Cx) -> Result<SerpPage, Error> {
        self.jobs.search(search, cx).await
    }

    /// Asks for the result of a job until it is there, within the time of `cx`.
    ///
    /// # Errors
    ///
    /// What the job ended with, and [`ErrorKind::Timeout`] if it is not done in time.
    ///
    /// # Cancel safety
    ///
    /// As [`fetch_page_later`](Self::fetch_page_later).
    pub async fn wait_for_job(&self, job: &Job, cx: Cx) -> Result<Unlocked, Error> {
        self.jobs.wait(job, cx).await
    }

    /// Waits for the job of a data set within the time of `cx`, and fetches all its records; in parts of
    /// `batch_size` records, at least 1,000, where one is given.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the job failed, [`ErrorKind::Timeout`] if it is not ready in time,
    /// and whatever fetching ends with.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the asking; the job goes on at the vendor and its snapshot is kept.
    pub async fn fetch_records(
        &self,
        snapshot: &SnapshotId,
        batch_size: Option<u32>,
        cx: Cx,
    ) -> Result<Records, Error> {
        self.datasets
            .fetch_when_ready(snapshot, batch_size, cx)
            .await
    }

    /// Returns the names of the account's active zones. It is free.
    ///
    /// # Errors
    ///
    /// The vendor's refusal, or [`ErrorKind::Protocol`] for a list that cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the request up.
    pub async fn active_zones(&self) -> Result<Vec<String>, Error> {
        let attempt = Attempt {
            operation: "active_zones",
            about: "",
            hidden: None,
            number: 1,
        };
        let request = self.link.api.get("zone/get_active_zones");
        let reply = self.link.send(request, attempt).await?;
        let headers: Vec<(&str, &str)> = reply.headers().collect();
        let judged = judge(reply.status(), &headers, reply.bytes());
        self.link.settle(&reply, judged, None, attempt)?;
        let zones: serde_json::Value = reply
            .json()
            .map_err(|error| self.link.signed(error, attempt))?;
        let zones = zones
            .as_array()
            .ok_or_else(|| self.link.malformed(attempt, "the zones are no list"))?;
        Ok(zones
            .iter()
            .filter_map(|zone| zone.get("name").unwrap_or(zone).as_str())
            .map(str::to_owned)
            .collect())
    }
}

/// How much longer the transport waits than the attempt, so that the attempt's time limit speaks.
const GRACE: std::time::Duration = std::time::Duration::from_secs(5);

/// The proxy is another far side than the REST interface, with a breaker of its own.
const PROXY_STACK: &str = "brightdata_proxy";

/// A certificate larger than this is none.
const MAX_CERTIFICATE: u64 = 1 << 20;

fn invalid(faults: &contexter_service::InvalidConfig) -> Error {
    Error::new(ErrorKind::Invalid, faults.to_string()).with_service(crate::NAME)
}

fn certificate(proxy: &crate::ProxyConfig) -> Result<Option<String>, Error> {
    let Some(file) = &proxy.ca_file else {
        return Ok(proxy.ca.clone());
    };
    let failed = |problem: &str| {
        Error::new(
            ErrorKind::Invalid,
            format!("proxy.ca_file {} {problem}", file.display()),
        )
        .with_service(crate::NAME)
    };
    let size = std::fs::metadata(file)
        .map_err(|error| failed("cannot be read").with_source(error))?
        .len();
    if size > MAX_CERTIFICATE {
        return Err(failed("is too large for a certificate"));
    }
    std::fs::read_to_string(file)
        .map(Some)
        .map_err(|error| failed("cannot be read").with_source(error))
}

impl fmt::Debug for BrightDataAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrightDataAdapter")
            .field("link", &self.link)
            .field("zones", &self.zones)
            .field("capabilities", &self.capabilities)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl ServiceAdapter for BrightDataAdapter {
    fn name(&self) -> &str {
        crate::NAME
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Asks for the account's zones, which is free, and fails if the key is refused.
    async fn initialize(&self) -> Result<(), AdapterError> {
        match self.active_zones().await {
            Err(error) if error.kind() == ErrorKind::Unauthorized => Err(error.into()),
            // A service that is away for now may be back when it is needed.
            _ => Ok(()),
        }
    }

    /// Asks for the account's zones, which is free: degraded if a configured zone is not among them, or
    /// if the vendor has refused for too many requests so often that calls wait.
    async fn health_check(&self) -> ServiceHealth {
        let started = DefaultClock.now();
        let outcome = self.active_zones().await;
        let took = DefaultClock.now().saturating_duration_since(started);
        let health = |status| ServiceHealth::new(status, took, Timestamp::now());
        let budget = self.link.budget.left();
        let health = match outcome {
            Err(error) => health(HealthStatus::Unhealthy).with_error(error.to_string()),
            Ok(active) => {
                let missing: Vec<&str> = self
                    .zones
                    .iter()
                    .filter(|zone| !active.contains(zone))
                    .map(String::as_str)
                    .collect();
                if !missing.is_empty() {
                    health(HealthStatus::Degraded).with_error(format!(
                        "not among the active zones: {}",
                        missing.join(", ")
                    ))
                } else if budget == 0 {
                    health(HealthStatus::Degraded)
                        .with_error("refused for too many requests; nothing is sent for now")
                } else {
                    health(HealthStatus::Healthy)
                }
                .with_detail("active_zones", active.len())
            }
        };
        health.with_detail("throttle_budget", budget)
    }

    fn snapshot(&self) -> AdapterSnapshot {
        self.link.stack.snapshot().into()
    }
}

impl ResilientAdapter for BrightDataAdapter {
    fn stack(&self) -> &StandardStack {
        &self.link.stack
    }
}
