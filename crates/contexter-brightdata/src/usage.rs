//! What was asked for and what of it is billed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// What an adapter has used since it was made, as far as its answers tell.
///
/// The vendor bills successful unlocker and search requests, every asynchronous submission, and the
/// records of a data set that are not errors. Failures are billed only in zones that have custom headers
/// and cookies or the manual expect feature
/// ([`Config::bills_failures`](crate::Config::bills_failures)). Where an answer carries `x-brd-debug`,
/// that decides. Sources: <https://docs.brightdata.com/scraping-automation/web-unlocker/error-codes>,
/// <https://docs.brightdata.com/scraping-automation/serp-api/debugging>.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BilledUsage {
    /// Requests that were sent to the unlocker, the search or the proxy, repeats included.
    pub requests: u64,
    /// Those of them that are billed, failures included.
    pub billed: u64,
    /// Failures that are billed.
    pub billed_failures: u64,
    /// Requests that are not billed.
    pub unbilled: u64,
    /// Requests whose end is not known here: broken off, timed out, or given up by the caller.
    pub uncertain: u64,
    /// Asynchronous submissions, each billed when it was accepted.
    pub submissions: u64,
    /// Records of data sets that were delivered.
    pub records: u64,
    /// Records of data sets that failed, which are not billed.
    pub failed_records: u64,
    /// Bytes that went up, as far as the vendor told.
    pub bytes_up: u64,
    /// Bytes that came down, as far as the vendor told.
    pub bytes_down: u64,
}

#[derive(Debug, Default)]
struct Counters {
    requests: AtomicU64,
    billed: AtomicU64,
    billed_failures: AtomicU64,
    unbilled: AtomicU64,
    uncertain: AtomicU64,
    submissions: AtomicU64,
    records: AtomicU64,
    failed_records: AtomicU64,
    bytes_up: AtomicU64,
    bytes_down: AtomicU64,
}

/// The counters behind a [`BilledUsage`]. They guard nothing, so all orderings are relaxed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter(Arc<Counters>);

/// A request that is under way; dropped before it is settled, it counts as uncertain.
#[derive(Debug)]
pub(crate) struct UnderWay {
    counters: Arc<Counters>,
    settled: bool,
}

fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

impl Meter {
    pub(crate) fn begin(&self) -> UnderWay {
        add(&self.0.requests, 1);
        UnderWay {
            counters: Arc::clone(&self.0),
            settled: false,
        }
    }

    pub(crate) fn submitted(&self) {
        add(&self.0.submissions, 1);
    }

    pub(crate) fn delivered(&self, records: u64, failed: u64) {
        add(&self.0.records, records);
        add(&self.0.failed_records, failed);
    }

    pub(crate) fn transferred(&self, up: u64, down: u64) {
        add(&self.0.bytes_up, up);
        add(&self.0.bytes_down, down);
    }

    pub(crate) fn read(&self) -> BilledUsage {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &*self.0;
        BilledUsage {
            requests: read(&counters.requests),
            billed: read(&counters.billed),
            billed_failures: read(&counters.billed_failures),
            unbilled: read(&counters.unbilled),
            uncertain: read(&counters.uncertain),
            submissions: read(&counters.submissions),
            records: read(&counters.records),
            failed_records: read(&counters.failed_records),
            bytes_up: read(&counters.bytes_up),
            bytes_down: read(&counters.bytes_down),
        }
    }
}

impl UnderWay {
    /// Settles a request that the vendor answered.
    pub(crate) fn settle(mut self, billed: bool, failed: bool) {
        self.settled = true;
        if billed {
            add(&self.counters.billed, 1);
            if failed {
                add(&self.counters.billed_failures, 1);
            }
        } else {
            add(&self.counters.unbilled, 1);
        }
    }

    /// Settles a request that surely never reached the vendor.
    pub(crate) fn not_sent(mut self) {
        self.settled = true;
        add(&self.counters.unbilled, 1);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if !self.settled {
            add(&self.counters.uncertain, 1);
        }
    }
}
