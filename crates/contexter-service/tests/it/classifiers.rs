//! What outcomes mean.

use std::convert::Infallible;
use std::time::Duration;

use contexter_service::{
    Again, ByStatus, ByVerdict, Classify, Elapsed, ErrIsFailure, FromRejection, Full, HttpStatus,
    Limited, Open, Sample, Verdict, WithSent, WithTrip, http_status,
};

const WAIT: Duration = Duration::from_secs(7);

#[test]
fn http_statuses_mean_what_their_rfcs_say() {
    let yes = Again::Yes { after: None };
    for (codes, expected) in [
        (
            &[100, 200, 201, 204, 206, 301, 304, 399][..],
            (Sample::Success, Again::No),
        ),
        (
            &[400, 404, 405, 409, 410, 413, 422, 431, 451, 499],
            (Sample::Success, Again::No),
        ),
        (&[401, 402, 403, 407], (Sample::Neutral, Again::No)),
        (&[425, 429], (Sample::Neutral, yes)),
        (
            &[408, 500, 502, 503, 504, 506, 507, 529, 599],
            (Sample::Failure, yes),
        ),
        (&[501, 505, 511], (Sample::Failure, Again::No)),
        (&[0, 99, 600, 999, u16::MAX], (Sample::Failure, yes)),
    ] {
        for &code in codes {
            assert_eq!(http_status(code), expected, "{code}");
            let status = HttpStatus::from(code);
            assert_eq!((status.sample(), status.again()), expected, "{code}");
            assert!(status.sent(), "what has a status was answered: {code}");
        }
    }
}

#[test]
fn a_wait_is_told_only_where_a_retry_can_help_and_only_a_used_up_quota_trips() {
    for code in 0..=999 {
        let status = HttpStatus {
            code,
            retry_after: Some(WAIT),
        };
        match status.again() {
            Again::Yes { after } => assert_eq!(after, Some(WAIT), "{code}"),
            Again::No => assert_eq!(http_status(code).1, Again::No, "{code}"),
        }
        assert_eq!(status.trip(), (code == 402).then_some(WAIT), "{code}");
        assert_eq!(HttpStatus::from(code).trip(), None, "{code}");
    }
}

/// A response, or that there was none.
type Reply = Result<(u16, Option<Duration>), Elapsed>;

fn status(out: &Reply) -> Option<HttpStatus> {
    let (code, retry_after) = out.ok()?;
    Some(HttpStatus { code, retry_after })
}

#[test]
fn an_outcome_is_classified_by_its_status() {
    let by_status = ByStatus::new(status);
    let busy = Ok((429, Some(WAIT)));
    assert_eq!(by_status.sample(&busy), Sample::Neutral);
    assert_eq!(by_status.again(&busy), Again::Yes { after: Some(WAIT) });
    assert_eq!(by_status.trip(&busy), None);
    assert_eq!(by_status.trip(&Ok((402, Some(WAIT)))), Some(WAIT));
    assert!(by_status.sent(&busy));
}

#[test]
fn an_outcome_without_a_status_is_for_the_other_classifier() {
    let refused = Err(Elapsed {
        after: Duration::ZERO,
    });
    let by_status = ByStatus::new(status);
    assert_eq!(by_status.sample(&refused), Sample::Failure);
    assert_eq!(by_status.again(&refused), Again::Yes { after: None });
    assert!(by_status.sent(&refused));

    let by_status = by_status.or(ByVerdict);
    assert_eq!(by_status.sample(&refused), Sample::Neutral);
    assert_eq!(by_status.again(&refused), Again::No);
    assert!(!by_status.sent(&refused));
    assert_eq!(by_status.trip(&refused), None);

    let open: Result<u16, Open> = Err(Open {
        retry_after: Some(WAIT),
    });
    let status = |out: &Result<u16, Open>| out.ok().map(HttpStatus::from);
    let by_status = ByStatus::new(status).or(ByVerdict);
    assert_eq!(by_status.refused(&open), Some(WAIT));
    assert_eq!(by_status.refused(&Ok(503)), None);
}

#[test]
fn a_refined_classifier_differs_in_one_answer() {
    let outs: [Reply; 3] = [
        Ok((200, None)),
        Ok((402, Some(WAIT))),
        Err(Elapsed { after: WAIT }),
    ];
    let base = ByStatus::new(status).or(ByVerdict);
    let trips = WithTrip::new(base, |_: &Reply| Some(WAIT * 2));
    let unsent = WithSent::new(base, |_: &Reply| false);
    for out in &outs {
        assert_eq!(trips.trip(out), Some(WAIT * 2));
        assert!(!unsent.sent(out));
        assert_eq!(unsent.trip(out), base.trip(out));
        assert_eq!(trips.sent(out), base.sent(out));
        for other in [&trips as &dyn Classify<Reply>, &unsent] {
            assert_eq!(other.sample(out), base.sample(out));
            assert_eq!(other.again(out), base.again(out));
            assert_eq!(other.refused(out), base.refused(out));
        }
    }
}

#[test]
fn by_default_everything_was_sent_and_nothing_trips() {
    struct Plain;

    impl Verdict for Plain {
        fn sample(&self) -> Sample {
            Sample::Failure
        }

        fn again(&self) -> Again {
            Again::No
        }
    }

    let closure = |_: &Result<(), Plain>| (Sample::Neutral, Again::No);
    let classifiers: [&dyn Classify<Result<(), Plain>>; 3] = [&closure, &ErrIsFailure, &ByVerdict];
    for classifier in classifiers {
        for out in [Ok(()), Err(Plain)] {
            assert!(classifier.sent(&out));
            assert_eq!(classifier.trip(&out), None);
            assert_eq!(classifier.refused(&out), None);
        }
    }
}

/// A verdict that answers every question unlike the defaults.
struct Quota;

impl Verdict for Quota {
    fn sample(&self) -> Sample {
        Sample::Neutral
    }

    fn again(&self) -> Again {
        Again::Yes { after: Some(WAIT) }
    }

    fn sent(&self) -> bool {
        false
    }

    fn trip(&self) -> Option<Duration> {
        Some(WAIT)
    }

    fn refused(&self) -> Option<Duration> {
        Some(WAIT * 2)
    }
}

#[test]
fn a_verdict_answers_every_question() {
    let out: Result<(), Quota> = Err(Quota);
    assert_eq!(ByVerdict.sample(&out), Sample::Neutral);
    assert_eq!(ByVerdict.again(&out), Again::Yes { after: Some(WAIT) });
    assert!(!ByVerdict.sent(&out));
    assert_eq!(ByVerdict.trip(&out), Some(WAIT));
    assert_eq!(ByVerdict.refused(&out), Some(WAIT * 2));
}

#[test]
fn a_rejection_was_not_sent_and_an_elapsed_time_was_unless_none_was_left() {
    let rejections: [&dyn Verdict; 4] = [
        &Open { retry_after: None },
        &Full { limit: 1 },
        &Limited { retry_after: None },
        &Elapsed {
            after: Duration::ZERO,
        },
    ];
    for rejection in rejections {
        assert_eq!(rejection.sample(), Sample::Neutral);
        assert_eq!(rejection.again(), Again::No);
        assert!(!rejection.sent());
        assert_eq!(rejection.trip(), None);
    }
    let elapsed = Elapsed { after: WAIT };
    assert_eq!(elapsed.sample(), Sample::Failure);
    assert_eq!(elapsed.again(), Again::Yes { after: None });
    assert!(elapsed.sent());
}

#[test]
fn an_error_that_takes_up_every_rejection_is_recognised() {
    #[derive(Debug, PartialEq)]
    struct Text(String);

    macro_rules! from {
        ($($rejection:ty),+) => {$(
            impl From<$rejection> for Text {
                fn from(rejection: $rejection) -> Self {
                    Self(rejection.to_string())
                }
            }
        )+};
    }
    from!(Open, Full, Limited, Elapsed);

    fn refused<E: FromRejection>() -> [E; 4] {
        [
            Open {
                retry_after: Some(WAIT),
            }
            .into(),
            Full { limit: 3 }.into(),
            Limited { retry_after: None }.into(),
            Elapsed { after: WAIT }.into(),
        ]
    }

    let texts = refused::<Text>().map(|text| text.0);
    assert_eq!(
        texts,
        [
            "circuit breaker is open, try again in 7s",
            "too many concurrent calls: limit 3",
            "rate limit reached",
            "operation timed out after 7s",
        ]
    );
    let _: fn(Result<(), Infallible>) = drop;
}
