//! What the far side asks for.

use std::future::ready;
use std::time::{Duration, SystemTime};

use contexter_retry::{Config, Retry, parse_retry_after, parse_retry_after_ms};
use contexter_service::{Again, Clock, Cx, DefaultClock, Sample};

use crate::{Log, plain};

/// An error with the wait that came with it.
type Asked = Result<(), Option<Duration>>;

async fn attempts_at(config: Config, cx: Cx, after: Duration) -> (Asked, Vec<u64>) {
    let log = Log::new();
    let retry = Retry::new(config)
        .unwrap()
        .classify_by(|out: &Asked| match out {
            Ok(()) => (Sample::Success, Again::No),
            Err(after) => (Sample::Neutral, Again::Yes { after: *after }),
        });
    let out = retry
        .call_with(cx, |_cx| {
            log.note();
            ready(Asked::Err(Some(after)))
        })
        .await;
    assert_eq!(
        log.elapsed_ms(),
        *log.at().last().unwrap(),
        "gives up at once"
    );
    (out, log.at())
}

#[tokio::test(start_paused = true)]
async fn the_wait_is_what_the_far_side_asks_for() {
    let (_, at) = attempts_at(plain(), Cx::new(), Duration::from_secs(10)).await;
    assert_eq!(at, [0, 10_000, 20_000]);
}

#[tokio::test(start_paused = true)]
async fn it_is_never_shorter_than_the_backoff() {
    let (_, at) = attempts_at(plain(), Cx::new(), Duration::ZERO).await;
    assert_eq!(at, [0, 1000, 3000]);
}

#[tokio::test(start_paused = true)]
async fn jitter_only_adds_to_it() {
    for _ in 0..100 {
        let (_, at) = attempts_at(Config::new(), Cx::new(), Duration::from_secs(10)).await;
        for wait in at.windows(2).map(|pair| pair[1] - pair[0]) {
            assert!((10_000..=11_000).contains(&wait), "{wait}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn above_the_ceiling_it_gives_up_at_once_with_the_original_error() {
    let day = Duration::from_hours(24);
    let (out, at) = attempts_at(plain(), Cx::new(), day).await;
    assert_eq!(out, Err(Some(day)));
    assert_eq!(at, [0]);
    let ceiling = plain().max_retry_after(day);
    let (_, at) = attempts_at(ceiling, Cx::new(), day).await;
    assert_eq!(at.len(), 3, "the ceiling itself is allowed");
}

#[tokio::test(start_paused = true)]
async fn beyond_the_deadline_it_gives_up_at_once() {
    let cx = Cx::new().with_deadline(DefaultClock.now() + Duration::from_secs(15));
    let (_, at) = attempts_at(plain(), cx, Duration::from_secs(10)).await;
    assert_eq!(at, [0, 10_000]);
}

#[tokio::test(start_paused = true)]
async fn what_jitter_adds_does_not_miss_a_deadline_that_the_far_side_keeps() {
    let asked = Duration::from_millis(9900);
    for seed in 0..50 {
        let cx = Cx::new().with_deadline(DefaultClock.now() + Duration::from_secs(10));
        let config = Config::new().max_attempts(2).seed(seed);
        let (_, at) = attempts_at(config, cx, asked).await;
        assert!((9900..9999).contains(&at[1]), "seed {seed}: {at:?}");
    }
}

#[test]
fn the_field_is_seconds_or_a_date() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for (value, wait) in [
        ("0", Some(0.0)),
        ("120", Some(120.0)),
        (" 7 ", Some(7.0)),
        ("1.5", Some(1.5)),
        ("Sun, 09 Sep 2001 01:47:40 GMT", Some(60.0)),
        ("Sunday, 09-Sep-01 01:47:40 GMT", Some(60.0)),
        ("Sun, 09 Sep 2001 01:46:00 GMT", Some(0.0)),
        ("", None),
        ("-5", None),
        ("+5", None),
        ("1e3", None),
        ("1.", None),
        (".5", None),
        ("1.2.3", None),
        ("inf", None),
        ("NaN", None),
        ("soon", None),
        ("5 minutes", None),
        ("Sun, 99 Sep 2001 01:47:40 GMT", None),
    ] {
        assert_eq!(
            parse_retry_after(value, now),
            wait.map(Duration::from_secs_f64),
            "{value:?}"
        );
    }
    assert_eq!(
        parse_retry_after("99999999999999999999999", now),
        Some(Duration::MAX),
        "a wait for ever is above every ceiling"
    );
}

#[test]
fn the_field_in_milliseconds() {
    assert_eq!(
        parse_retry_after_ms("250"),
        Some(Duration::from_millis(250))
    );
    assert_eq!(parse_retry_after_ms("0"), Some(Duration::ZERO));
    assert_eq!(parse_retry_after_ms("abc"), None);
}
