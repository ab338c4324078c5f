//! From a configuration to the adapter.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contexter_adapter::Capabilities;
use contexter_http::{Api, Auth, Client};
use contexter_model::{Error, ErrorKind, FetchDocs, FetchPage, ResolveLibrary, SearchWeb};
use contexter_resilience::StandardStack;
use contexter_service::{Handle, InvalidConfig};

use super::BrightDataAdapter;
use super::pulse::Pulse;
use crate::config::{Config, ProxyConfig};
use crate::dataset::{
    CancelSnapshot, CountParts, Datasets, FetchSnapshot, ScrapeDataset, SnapshotProgress,
    TriggerDataset,
};
use crate::job::{CollectJob, Jobs, SubmitPage, SubmitSearch};
use crate::link::Link;
use crate::pages::WebPages;
use crate::proxy::{FetchByProxy, NativeProxy};
use crate::serp::{SearchPage, Searcher};
use crate::throttle::ThrottleBudget;
use crate::unlock::{TakeScreenshot, Unlock, Unlocker};
use crate::usage::Meter;

impl BrightDataAdapter {
    /// Puts the adapter together; the configuration is valid.
    pub(super) fn assemble(
        config: &Config,
        http: &Client,
        stack: StandardStack,
        budget: ThrottleBudget,
    ) -> Result<Self, Error> {
        let key = config.api_key.clone().filter(|key| !key.is_empty());
        let auth = match &key {
            Some(key) => Auth::Bearer(key.expose().to_owned()),
            // A proxy alone has credentials of its own.
            None => Auth::None,
        };
        let has_key = key.is_some();
        let api = Api::new(http, &config.base_url, auth)
            .map_err(|error| error.with_service(crate::NAME))?
            .with_service(crate::NAME)
            .with_max_body(config.max_body);
        // The name of a visitor tells it.
        let mut secrets: Vec<String> = config.customer.clone().into_iter().collect();
        // The visitor of the proxy is of the same country, unless its user name has another.
        let proxy = config.proxy.clone().map(|mut proxy| {
            proxy.user.country = proxy.user.country.or_else(|| config.country.clone());
            proxy
        });
        let ca = match &proxy {
            Some(proxy) => {
                secrets.push(proxy.password.expose().to_owned());
                secrets.push(proxy.user.customer.clone());
                if let Ok(name) = proxy.user.name() {
                    // As it travels.
                    let login = format!("{name}:{}", proxy.password.expose());
                    secrets.push(STANDARD.encode(login));
                    secrets.push(name);
                }
                certificate(proxy)?
            }
            None => None,
        };
        let api = api.with_secrets(secrets);
        let link = Link {
            api,
            stack: stack.named(crate::NAME),
            budget,
            meter: Meter::default(),
            timeout: config.timeout,
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
        let mut capabilities = Capabilities::new();
        if has_key {
            capabilities = capabilities
                .with::<TriggerDataset>(datasets.clone())
                .with::<ScrapeDataset>(datasets.clone())
                .with::<SnapshotProgress>(datasets.clone())
                .with::<FetchSnapshot>(datasets.clone())
                .with::<CountParts>(datasets.clone())
                .with::<CancelSnapshot>(datasets.clone());
        }
        let mut adapter = Self {
            capabilities,
            proxy: None,
            has_key,
            pulse: Pulse::default(),
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
        adapter.add_pages(config, proxy.as_ref(), ca)?;
        Ok(adapter)
    }

    /// Adds what the zones and the proxy of the configuration make possible.
    fn add_pages(
        &mut self,
        config: &Config,
        proxy: Option<&ProxyConfig>,
        ca: Option<String>,
    ) -> Result<(), Error> {
        let mut capabilities = std::mem::take(&mut self.capabilities);
        let country = config.country.as_deref();
        let mut pages: Option<Handle<FetchPage>> = None;
        if let Some(proxy) = proxy {
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
            self.proxy = Some(proxy.clone());
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
}

/// How much longer the transport waits than the request may take, so that the request's time limit speaks.
pub(super) const GRACE: std::time::Duration = std::time::Duration::from_secs(5);

/// The proxy is another far side than the REST interface, with a breaker of its own.
const PROXY_STACK: &str = "brightdata_proxy";

/// A certificate larger than this is none.
const MAX_CERTIFICATE: u64 = 1 << 20;

pub(super) fn invalid(faults: &InvalidConfig) -> Error {
    Error::new(ErrorKind::Invalid, faults.to_string()).with_service(crate::NAME)
}

fn certificate(proxy: &ProxyConfig) -> Result<Option<String>, Error> {
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
    let unreadable = |error| failed("cannot be read").with_source(error);
    let mut pem = String::new();
    // What a file says about its size need not be true.
    let read = std::fs::File::open(file)
        .map_err(unreadable)?
        .take(MAX_CERTIFICATE.saturating_add(1))
        .read_to_string(&mut pem)
        .map_err(unreadable)?;
    // Lossless: no buffer in memory is longer than u64::MAX.
    if read as u64 > MAX_CERTIFICATE {
        return Err(failed("is too large for a certificate"));
    }
    Ok(Some(pem))
}
