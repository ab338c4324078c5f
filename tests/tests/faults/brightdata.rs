//! The calls of the Bright Data adapter, over its REST interface and its proxy.

use std::time::Duration;

use contexter_brightdata::{
    BrightDataAdapter, Config, Envelope, FetchByProxy, ProxyConfig, ProxyUser, SearchPage,
    SubmitPage, TakeScreenshot, ThrottleBudget, TriggerDataset, Unlock,
};
use contexter_model::{FetchPage, SearchWeb};
use contexter_retry::Config as Retry;
use contexter_sandbox::{BrightDataConfig, Sandbox, SandboxConfig, Server};
use serde_json::json;

use crate::cases;
use crate::leaks::MARK;
use crate::matrix::{self, Call, Ground, deadline};

const PAGE: &str = "https://docs.example.com/guide/install";
/// A page without TLS, so that the proxy answers itself.
const PLAIN_PAGE: &str = "http://docs.example.com/guide/install";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_on_every_call_of_brightdata() {
    matrix::run(Server::Brightdata, &cases::pages(), async || {
        ground(rest_calls()).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_on_the_proxy_of_brightdata() {
    matrix::run(Server::BrightdataProxy, &cases::pages(), async || {
        ground(proxy_calls()).await
    })
    .await;
}

async fn ground(calls: Vec<Call<BrightDataAdapter>>) -> Ground<BrightDataAdapter> {
    let server = BrightDataConfig::new()
        .api_key(format!("brd-{MARK}"))
        .zone_password(format!("zone-{MARK}"))
        .job_time(Duration::from_millis(20));
    let sandbox = Sandbox::start(SandboxConfig::new().brightdata(server))
        .await
        .unwrap();
    let addresses = sandbox.addresses();
    let servers = sandbox.brightdata();
    let (_, proxy) = addresses.brightdata_proxy.rsplit_once('@').unwrap();
    let (host, port) = proxy.rsplit_once(':').unwrap();
    let user = ProxyUser::new(servers.customer(), servers.zone());
    let proxy = ProxyConfig::new(user, servers.zone_password())
        .at(host, port.parse().unwrap())
        .ca(servers.ca_pem());
    let config = Config::new(addresses.brightdata_api_key.as_str())
        .base_url(addresses.brightdata_base_url.as_str())
        .zone(addresses.brightdata_zone.as_str())
        .serp_zone(servers.serp_zone())
        .proxy(proxy);
    let make = move |limit| {
        let mut config = config.clone();
        config.timeout = limit;
        let stack = config
            .stack()
            .retry(Retry::constant(Duration::from_millis(10)).max_attempts(2))
            .attempt_timeout(limit)
            .deadline(deadline(limit))
            .build()
            .unwrap();
        // One of its own: that of the process would soon be used up.
        BrightDataAdapter::with_budget(&config, stack, ThrottleBudget::new()).unwrap()
    };
    Ground {
        sandbox,
        make: Box::new(make),
        calls,
    }
}

fn rest_calls() -> Vec<Call<BrightDataAdapter>> {
    vec![
        Call::ask("fetch a page", FetchPage::new(PAGE), |page| {
            assert!(!page.text.trim().is_empty(), "an empty page is none");
            Ok(())
        }),
        Call::ask(
            "unlock in an envelope",
            Unlock::new(PAGE).envelope(Envelope::Json),
            |unlocked| {
                assert!(!unlocked.body.is_empty(), "an empty page is none");
                Ok(())
            },
        ),
        Call::ask("take a screenshot", TakeScreenshot::new(PAGE), |picture| {
            assert!(!picture.is_empty(), "an empty picture is none");
            Ok(())
        }),
        Call::ask("search", SearchWeb::new("ferry"), |_results| Ok(())),
        Call::ask(
            "a page of results",
            SearchPage::new("ferry"),
            |_page| Ok(()),
        ),
        Call::ask(
            "submit a page",
            SubmitPage::new(Unlock::new(PAGE)),
            |_job| Ok(()),
        ),
        Call::ask(
            "trigger a data set",
            TriggerDataset::new("gd_sandbox".parse().unwrap()).input(json!({ "url": PAGE })),
            |_snapshot| Ok(()),
        ),
    ]
}

fn proxy_calls() -> Vec<Call<BrightDataAdapter>> {
    vec![
        Call::ask("fetch by proxy", FetchByProxy::new(PLAIN_PAGE), |page| {
            // A page may really have no content, and says so.
            assert!(
                !page.body.is_empty() || page.status == 204,
                "an empty page is none"
            );
            Ok(())
        }),
        Call::ask("fetch by tunnel", FetchByProxy::new(PAGE), |page| {
            // A page may really have no content, and says so.
            assert!(
                !page.body.is_empty() || page.status == 204,
                "an empty page is none"
            );
            Ok(())
        }),
    ]
}
