//! An adapter that is quick to repeat and shares its budget with nobody.

use std::time::Duration;

use contexter_adapter::ServiceAdapter as _;
use contexter_brightdata::{BrightDataAdapter, Config, ThrottleBudget};
use contexter_model::Error;
use contexter_resilience::{StackConfig, StandardStack};
use contexter_retry::Config as Retry;
use contexter_service::{Capability, Service as _};
use contexter_testkit::{Scripted, ScriptedServer};

pub(crate) const KEY: &str = "brd-key-0123456789abcdef";

/// Every test that waits ends by then.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn config(server: &ScriptedServer) -> Config {
    let mut config = Config::new(KEY)
        .with_base_url(server.base_url())
        .with_zone("web_unlocker1")
        .with_serp_zone("serp_api1");
    config.debug = false;
    config.timeout = Duration::from_secs(20);
    config.poll_interval = Duration::from_millis(5);
    config.max_poll_interval = Duration::from_millis(20);
    config
}

/// Three attempts, a millisecond apart.
pub(crate) fn quick() -> StackConfig {
    StackConfig::bright_data()
        .retry(Retry::constant(Duration::from_millis(1)))
        .breaker(None)
}

pub(crate) fn adapter(config: &Config) -> BrightDataAdapter {
    with_stack(config, quick())
}

pub(crate) fn with_stack(config: &Config, stack: StackConfig) -> BrightDataAdapter {
    let stack = StandardStack::new(stack).unwrap();
    BrightDataAdapter::builder()
        .stack(stack)
        .budget(ThrottleBudget::new())
        .build(config.clone())
        .unwrap()
}

/// Starts a server that answers so, and an adapter for it.
pub(crate) async fn start(script: Vec<Scripted>) -> (ScriptedServer, BrightDataAdapter) {
    let server = ScriptedServer::start(script).await;
    let adapter = adapter(&config(&server));
    (server, adapter)
}

/// Calls an ability of the adapter.
pub(crate) async fn call<Req>(
    adapter: &BrightDataAdapter,
    request: Req,
) -> Result<Req::Response, Error>
where
    Req: Capability<Error = Error>,
{
    let handle = adapter
        .capabilities()
        .handle::<Req>()
        .expect("the adapter has the ability");
    tokio::time::timeout(LIMIT, handle.call(request))
        .await
        .expect("the call ends in time")
}

/// An answer of the unlocker that failed, in the vendor's way: 200 and empty.
pub(crate) fn failure(code: &str, status: u16, error: &str) -> Scripted {
    Scripted::status(200)
        .header("x-brd-error", error)
        .header("x-brd-error-code", code)
        .header("x-brd-status-code", &status.to_string())
}
