//! Two failures of one call, and what several callers share.

use std::error::Error as _;
use std::time::Duration;

use contexter_service::{Again, Both, Clock, Cx, Elapsed, Open, Sample, StdClock, Verdict};

#[test]
fn of_two_failures_the_original_is_the_cause_and_gives_the_verdict() {
    let after = Duration::from_secs(2);
    let both = Both {
        original: Elapsed { after },
        fallback: Open { retry_after: None },
    };
    assert_eq!(
        both.to_string(),
        "the fallback failed too: circuit breaker is open"
    );
    assert_eq!(
        both.source().unwrap().to_string(),
        "operation timed out after 2s"
    );
    assert_eq!(both.sample(), Sample::Failure);
    assert_eq!(both.again(), Again::Yes { after: None });
    assert!(both.sent());
    assert_eq!((both.trip(), both.refused()), (None, None));
}

#[test]
fn without_its_deadline_a_context_is_otherwise_the_same() {
    let cx = Cx::new().with_attempt(3).with_weight(2);
    let bounded = cx.with_deadline(StdClock.now());
    assert_ne!(bounded, cx);
    assert_eq!(bounded.without_deadline(), cx);
}
