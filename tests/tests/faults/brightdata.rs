//! The calls of the Bright Data adapter, over its REST interface and its proxy.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contexter_adapter::ServiceAdapter as _;
use contexter_brightdata::{
    BrightDataAdapter, CancelSnapshot, CollectJob, Config, CountParts, Download, Envelope,
    FetchByProxy, FetchSnapshot, Job, JobKind, JobState, JobStatus, ProxyConfig, ProxyUser,
    Records, ScrapeDataset, Scraped, SearchPage, SnapshotFormat, SnapshotId, SnapshotProgress,
    SubmitPage, SubmitSearch, TakeScreenshot, ThrottleBudget, TriggerDataset, Unlock, Unlocked,
};
use contexter_model::{Error, FetchPage, SearchWeb};
use contexter_retry::Config as Retry;
use contexter_sandbox::{BrightDataConfig, Sandbox, SandboxConfig, Server};
use contexter_service::{Capability, Service as _};
use serde_json::json;

use crate::cases::Case;
use crate::leaks::MARK;
use crate::matrix::{self, Call, Ground, PATIENT, Where, deadline};
use crate::wire::Wire;
use crate::{cases, echoes};

const PAGE: &str = "https://docs.example.com/guide/install";
const CUSTOMER: &str = "hl_sandbox";
const ZONE: &str = "web_unlocker1";
/// A page without TLS, so that the proxy answers itself.
const PLAIN_PAGE: &str = "http://docs.example.com/guide/install";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_on_every_call_of_brightdata() {
    matrix::run(Server::Brightdata, &faults(), async || {
        ground(Wire::Http1, rest_calls).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_on_every_call_of_brightdata_over_http2() {
    matrix::run(Server::Brightdata, &cases::pages(), async || {
        ground(Wire::Http2, rest_calls).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_on_the_proxy_of_brightdata() {
    matrix::run(Server::BrightdataProxy, &faults(), async || {
        ground(Wire::Http1, |_| proxy_calls()).await
    })
    .await;
}

/// The proxy opens the tunnel, and what travels in it goes wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_within_a_tunnel_of_brightdata() {
    let within = Where {
        server: Server::BrightdataProxy,
        method: Some("GET"),
    };
    matrix::run(within, &faults(), async || {
        ground(Wire::Http1, |_| vec![tunnelled()]).await
    })
    .await;
}

fn key() -> String {
    format!("brd-{MARK}")
}

/// With letters that are written otherwise in an address and in JSON.
fn password() -> String {
    format!("zone-/{MARK}\"+p")
}

fn faults() -> Vec<Case> {
    let login = format!("brd-customer-{CUSTOMER}-zone-{ZONE}:{}", password());
    let mut cases = cases::pages();
    cases.extend(echoes::http(&[key(), password(), STANDARD.encode(login)]));
    cases
}

async fn ground(
    wire: Wire,
    calls: fn(Prepared) -> Vec<Call<BrightDataAdapter>>,
) -> Ground<BrightDataAdapter> {
    let server = BrightDataConfig::new()
        .api_key(key())
        .customer(CUSTOMER)
        .zone(ZONE)
        .zone_password(password())
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
        .with_address(host, port.parse().unwrap())
        .with_ca(servers.ca_pem());
    let reached = wire.to(&addresses.brightdata_base_url).await;
    let config = Config::new(addresses.brightdata_api_key.as_str())
        .with_base_url(reached.base_url.as_str())
        .with_zone(addresses.brightdata_zone.as_str())
        .with_serp_zone(servers.serp_zone())
        .with_proxy(proxy);
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
        // A budget of its own: that of the process would soon be used up.
        BrightDataAdapter::builder()
            .stack(stack)
            .http(reached.http().clone())
            .budget(ThrottleBudget::new())
            .build(config)
            .unwrap()
    };
    let prepared = Prepared::new(&make(PATIENT)).await;
    Ground {
        sandbox,
        make: Box::new(make),
        calls: calls(prepared),
    }
}

/// What the calls of jobs are about; both have come to an end.
struct Prepared {
    page: Job,
    snapshot: SnapshotId,
}

impl Prepared {
    async fn new(adapter: &BrightDataAdapter) -> Self {
        let page = SubmitPage::new(Unlock::new(PAGE));
        let page = ask(adapter, page).await.unwrap();
        let snapshot = ask(adapter, trigger()).await.unwrap();
        let ended = async || {
            let page = ask(adapter, CollectJob::new(page.clone())).await.unwrap();
            let progress = SnapshotProgress::new(snapshot.clone());
            let progress = ask(adapter, progress).await.unwrap();
            matches!(page, JobState::Done(_)) && !progress.status.is_under_way()
        };
        tokio::time::timeout(PATIENT, async { while !ended().await {} })
            .await
            .unwrap();
        Self { page, snapshot }
    }
}

async fn ask<R>(adapter: &BrightDataAdapter, request: R) -> Result<R::Response, Error>
where
    R: Capability<Error = Error> + Send + 'static,
{
    let handle = adapter.capabilities().handle::<R>().unwrap();
    handle.call(request).await
}

fn trigger() -> TriggerDataset {
    TriggerDataset::new("gd_sandbox".parse().unwrap()).input(json!({ "url": PAGE }))
}

fn rest_calls(prepared: Prepared) -> Vec<Call<BrightDataAdapter>> {
    let mut calls = pages();
    calls.extend(jobs(prepared));
    calls
}

fn pages() -> Vec<Call<BrightDataAdapter>> {
    vec![
        Call::ask("fetch a page", FetchPage::new(PAGE), |page| {
            assert!(!page.text.trim().is_empty(), "an empty page is none");
            Ok(())
        }),
        Call::ask(
            "unlock in an envelope",
            Unlock::new(PAGE).envelope(Envelope::Json),
            |unlocked| {
                let text = String::from_utf8_lossy(&unlocked.body);
                assert!(text.contains("<h1>Installing Ferry</h1>"), "{text}");
                Ok(())
            },
        ),
        Call::ask("take a screenshot", TakeScreenshot::new(PAGE), |picture| {
            assert!(picture.starts_with(b"\x89PNG"), "that is no picture");
            Ok(())
        }),
        Call::ask("search", SearchWeb::new("ferry"), |results| {
            assert!(!results.is_empty());
            for result in results {
                assert!(
                    result.url.starts_with("https://docs.example.com/"),
                    "{result:?}"
                );
                assert!(!result.title.is_empty() && !result.description.is_empty());
            }
            Ok(())
        }),
        Call::ask("a page of results", SearchPage::new("ferry"), |page| {
            assert_eq!(page.total, Some(page.organic.len() as u64));
            assert!(!page.organic.is_empty());
            for (rank, result) in (1..).zip(page.organic) {
                assert_eq!(result.rank, rank);
                assert!(
                    result.url.starts_with("https://docs.example.com/"),
                    "{result:?}"
                );
            }
            Ok(())
        }),
    ]
}

fn jobs(prepared: Prepared) -> Vec<Call<BrightDataAdapter>> {
    let Prepared { page, snapshot } = prepared;
    vec![
        Call::ask("submit a page", SubmitPage::new(Unlock::new(PAGE)), |job| {
            assert_eq!((job.kind, job.about.as_str()), (JobKind::Page, PAGE));
            assert!(job.response_id.starts_with("sandbox-"), "{job:?}");
            Ok(())
        }),
        Call::ask(
            "submit a search",
            SubmitSearch::new(SearchPage::new("ferry")),
            |job| {
                assert_eq!(job.kind, JobKind::Search);
                assert!(job.response_id.starts_with("sandbox-"), "{job:?}");
                Ok(())
            },
        ),
        Call::ask(
            "collect a page",
            CollectJob::new(page),
            |state| match state {
                JobState::Done(page) => {
                    assert_real(&page);
                    Ok(())
                }
                // It has ended long ago.
                pending => panic!("{pending:?}"),
            },
        ),
        Call::ask("trigger a data set", trigger(), |snapshot| {
            assert!(snapshot.as_str().starts_with("s_sandbox"), "{snapshot:?}");
            Ok(())
        }),
        Call::ask(
            "scrape a data set",
            ScrapeDataset::new("gd_sandbox".parse().unwrap(), vec![json!({ "url": PAGE })]),
            |scraped| match scraped {
                Scraped::Done(records) => {
                    assert_ours(&records);
                    Ok(())
                }
                // It takes no minute here.
                other => panic!("{other:?}"),
            },
        ),
        Call::ask(
            "see how far a snapshot is",
            SnapshotProgress::new(snapshot.clone()),
            |progress| {
                assert_eq!(progress.status, JobStatus::Ready);
                assert_eq!((progress.records, progress.error_message), (Some(1), None));
                Ok(())
            },
        ),
        Call::ask(
            "count the parts of a snapshot",
            CountParts::new(snapshot.clone(), 1_000),
            |parts| {
                assert_eq!(parts, 1);
                Ok(())
            },
        ),
        Call::ask(
            "fetch a snapshot",
            FetchSnapshot::new(snapshot.clone()),
            |download| {
                assert_one_record(&download);
                Ok(())
            },
        ),
        Call::ask(
            "fetch a snapshot line by line, compressed",
            FetchSnapshot::new(snapshot)
                .format(SnapshotFormat::Ndjson)
                .compressed(),
            |download| {
                assert_one_line(&download);
                Ok(())
            },
        ),
        Call::new("cancel a snapshot", |adapter: Arc<BrightDataAdapter>| {
            async move {
                let snapshot = ask(&adapter, trigger()).await?;
                match ask(&adapter, CancelSnapshot::new(snapshot)).await {
                    // It was ready sooner.
                    Err(error) if error.message().contains("not running") => Ok(()),
                    ended => ended,
                }
            }
        })
        .of(2),
    ]
}

/// The one input is there.
fn assert_one_record(download: &Download) {
    match download {
        Download::Records(records) => assert_ours(records),
        // It has ended long ago.
        other => panic!("{other:?}"),
    }
}

/// There is one line. What stands in it is a record, also if nothing does.
fn assert_one_line(download: &Download) {
    match download {
        Download::Records(records) if records.records[0].fields.is_empty() => {
            assert_eq!(records.records.len(), 1, "{records:?}");
        }
        other => assert_one_record(other),
    }
}

fn assert_ours(records: &Records) {
    assert_eq!(
        (records.records.len(), records.good().count()),
        (1, 1),
        "{records:?}"
    );
    let record = &records.records[0].fields;
    assert!(record.values().any(|field| field == PAGE), "{record:?}");
}

fn proxy_calls() -> Vec<Call<BrightDataAdapter>> {
    vec![
        Call::ask("fetch by proxy", FetchByProxy::new(PLAIN_PAGE), |page| {
            assert_real(&page);
            Ok(())
        }),
        tunnelled(),
    ]
}

fn tunnelled() -> Call<BrightDataAdapter> {
    Call::ask("fetch by tunnel", FetchByProxy::new(PAGE), |page| {
        assert_real(&page);
        Ok(())
    })
    .tunnelled()
}

fn assert_real(page: &Unlocked) {
    // A page may really have no content, and says so.
    assert!(
        !page.body.is_empty() || page.status == 204,
        "an empty page is none"
    );
}
