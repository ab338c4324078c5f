//! Bright Data: pages of the web through its unlocker, search results, data sets, and its proxy.
//!
//! [`BrightDataAdapter`] maps the vendor's interfaces to requests of the model and to a few of its own.
//! Its rules:
//!
//! - **The status of an answer decides last.** The vendor answers 200 also where it failed; [`judge`]
//!   reads all layers in the documented order. An empty 200 of a blocked page is never content.
//! - **Every documented code is data** ([`CodeEntry`]): what is at fault, which kind of error it is,
//!   whether trying again can help. The cause of an error is a [`Refusal`].
//! - **Refusals by policy are final.** No other zone, country or session is tried.
//! - **Too many refusals for too many requests block the address**, so that the process has one
//!   [`ThrottleBudget`] of them.
//! - **Only the public web is fetched** ([`PublicUrl`]), also where a page redirects to.
//! - **What is billed is counted** ([`BilledUsage`]), and a failure that is billed is not repeated.
//!
//! # Examples
//!
//! ```no_run
//! use contexter_adapter::ServiceAdapter;
//! use contexter_brightdata::{BrightDataAdapter, Config};
//! use contexter_model::FetchPage;
//! use contexter_service::Service;
//!
//! # async fn example(key: String) -> Result<(), Box<dyn std::error::Error>> {
//! let adapter = BrightDataAdapter::new(Config::new(key).with_zone("web_unlocker1"))?;
//! let pages = adapter.capabilities().handle::<FetchPage>().ok_or("no zone")?;
//! let page = pages.call(FetchPage::new("https://example.org/")).await?;
//! println!("{}", page.text);
//! # Ok(())
//! # }
//! ```

mod adapter;
mod alike;
mod catalogue;
mod config;
mod dataset;
mod job;
mod judge;
mod lines;
mod link;
mod markdown;
mod pages;
mod passing;
mod proxy;
mod proxy_status;
mod refusal;
mod serp;
mod target;
mod text;
mod throttle;
mod unlock;
mod usage;
mod user;

pub use adapter::{BrightDataAdapter, Builder, HEALTH_KEPT, HEALTH_TIMEOUT};
pub use catalogue::CodeEntry;
pub use config::{Config, ProxyConfig};
pub use contexter_resilience::RetryConfig;
pub use dataset::{
    CancelSnapshot, CountParts, DatasetId, DatasetRecord, Download, FetchSnapshot, JobStatus, Part,
    Progress, RecordError, Records, ScrapeDataset, Scraped, SnapshotFormat, SnapshotId,
    SnapshotProgress, TriggerDataset, UnreadableRecords, judge_dataset, read_records,
};
pub use job::{
    CollectJob, Job, JobKind, JobState, LONGEST_JOB, RESULT_KEPT, SubmitPage, SubmitSearch,
};
pub use judge::{Passed, judge, judge_proxied};
pub use pages::WebLibrary;
pub use proxy::FetchByProxy;
pub use refusal::{Class, Refusal, Retry};
pub use serp::{Engine, Organic, SearchPage, SerpPage, UnreadableResults, read_results};
pub use target::{MAX_URL_BYTES, PublicUrl};
pub use throttle::{BLOCKED_AT, BUDGET, ThrottleBudget, WINDOW};
pub use unlock::{
    DataFormat, Envelope, Expect, MAX_REDIRECTS, TakeScreenshot, Unlock, Unlocked, judge_envelope,
};
pub use usage::BilledUsage;
pub use user::{Dns, InvalidUserName, ProxyUser, RouteErr, ZoneKind};

/// The name of the service.
const NAME: &str = "brightdata";
