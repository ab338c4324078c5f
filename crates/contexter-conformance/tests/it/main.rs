//! The suite itself: a naive mechanism of each kind keeps every rule, and one with a known defect
//! breaks exactly the rules that the defect is against.

mod adaptive;
mod breaker;
mod bulkhead;
mod fallback;
mod hedge;
mod keyed;
mod naive_breaker;
mod rate_limit;
mod report;
mod retry;
mod stack;
mod timeout;

use contexter_conformance::resilience::Suite;
use contexter_conformance::{Report, Verdict};

/// Runs what `add` adds; a rule that does not apply is a mistake of the test.
fn report_of(add: impl FnOnce(&mut Suite)) -> Report {
    let mut suite = Suite::new().with_heap(heap::heap());
    add(&mut suite);
    let report = suite.run();
    for entry in report.entries() {
        assert!(
            !matches!(entry.verdict, Verdict::NotApplicable(_)),
            "{entry:?}"
        );
    }
    report
}

/// Asserts that exactly the rules with these numbers are broken.
#[track_caller]
fn assert_breaks(defect: impl std::fmt::Debug, expected: &[u8], add: impl FnOnce(&mut Suite)) {
    let report = report_of(add);
    let broken: Vec<_> = report
        .entries()
        .iter()
        .filter(|entry| entry.verdict.is_fail())
        .collect();
    assert_eq!(report.failures(), expected, "{defect:?}: {broken:#?}");
}

mod heap {
    //! Counts of memory that a mechanism claims to have used. The tests of this program run side by
    //! side, so a real allocator would tell each of all the others.

    use std::cell::Cell;

    use contexter_conformance::resilience::Heap;

    thread_local! {
        static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
        static BYTES: Cell<u64> = const { Cell::new(0) };
    }

    /// Claims one allocation of this many bytes, which is never given back.
    pub(crate) fn claim(bytes: u64) {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        BYTES.set(BYTES.get() + bytes);
    }

    pub(crate) fn heap() -> Heap {
        Heap {
            allocations: || ALLOCATIONS.get(),
            live_bytes: || BYTES.get(),
        }
    }
}
