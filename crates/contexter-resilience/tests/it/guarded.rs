//! Services with the stack around them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use contexter_fallback::CacheConfig;
use contexter_limit::{Quota, RateLimitConfig};
use contexter_model::{Error, ErrorKind};
use contexter_service::{Cx, Service};
use tokio::time::{Instant, sleep};

use crate::{plain, stack};

/// Answers with the length of the text, fails as often as it is told, and counts the calls.
#[derive(Default)]
struct Length {
    calls: AtomicU32,
    failures: AtomicU32,
}

impl Length {
    /// The answer to this text, once it has been given, is that there is no such thing.
    const GONE: &str = "gone";

    fn fail(&self, times: u32) {
        self.failures.store(times, Ordering::SeqCst);
    }

    fn take_calls(&self) -> u32 {
        self.calls.swap(0, Ordering::SeqCst)
    }
}

impl Service<String> for Length {
    type Response = usize;
    type Error = Error;

    async fn call(&self, text: String) -> Result<usize, Error> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let left = self
            .failures
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        sleep(Duration::from_secs(1)).await;
        match left {
            Ok(_) if text == Self::GONE => Err(Error::new(ErrorKind::NotFound, "gone")),
            Ok(_) => Err(Error::new(ErrorKind::Unavailable, "down")),
            Err(_) => Ok(text.len()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_context_of_a_request_says_whether_it_may_be_repeated() {
    let guarded = stack(plain())
        .service(Length::default())
        .context_by(|text: &String| Cx::new().with_idempotent(text.starts_with("get ")));
    guarded.get_ref().fail(1);
    assert_eq!(guarded.call("get a".to_owned()).await.unwrap(), 5);
    assert_eq!(guarded.get_ref().take_calls(), 2);
    guarded.get_ref().fail(1);
    let error = guarded.call("post a".to_owned()).await.unwrap_err();
    assert_eq!(
        (error.kind(), guarded.get_ref().take_calls()),
        (ErrorKind::Unavailable, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn the_weight_of_a_request_is_taken_from_the_token_quota() {
    let tokens = Quota::per_minute(10).burst(10);
    let limit = RateLimitConfig::new()
        .tokens(tokens)
        .max_wait(Duration::ZERO);
    let guarded = stack(plain().rate_limit(limit))
        .service(Length::default())
        .context_by(|text: &String| Cx::new().with_weight(u32::try_from(text.len()).unwrap()));
    assert_eq!(guarded.call("seven..".to_owned()).await.unwrap(), 7);
    let error = guarded.call("four".to_owned()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert_eq!(guarded.get_ref().take_calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_has_the_deadline_that_its_caller_gives() {
    let guarded = stack(plain()).service(Length::default());
    let started = Instant::now();
    let cx = Cx::new().with_deadline(started.into_std() + Duration::from_millis(300));
    let error = guarded.call_with(cx, "text".to_owned()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(started.elapsed(), Duration::from_millis(300));
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_stack_says_whose_it_is() {
    let guarded = stack(
        plain()
            .retry(None)
            .attempt_timeout(Duration::from_millis(300)),
    )
    .named("lengths")
    .service(Length::default())
    .operation("measure");
    let error = guarded.call("text".to_owned()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(
        error.to_string(),
        "lengths measure: operation timed out after 300ms"
    );
    guarded.stack().breaker().unwrap().isolate();
    let error = guarded.call("text".to_owned()).await.unwrap_err();
    assert!(error.is_rejection(), "{error}");
    assert_eq!(
        (error.service(), error.operation()),
        (Some("lengths"), Some("measure"))
    );
}

/// Fails with an error that says whose it is.
struct Signed;

impl Service<String> for Signed {
    type Response = usize;
    type Error = Error;

    async fn call(&self, _text: String) -> Result<usize, Error> {
        Err(Error::new(ErrorKind::Invalid, "no")
            .with_service("inner")
            .with_operation("refuse"))
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_that_says_whose_it_is_stays_as_it_is() {
    let guarded = stack(plain())
        .named("outer")
        .service(Signed)
        .operation("ask");
    let error = guarded.call("text".to_owned()).await.unwrap_err();
    assert_eq!(error.to_string(), "inner refuse: no");
}

#[tokio::test(start_paused = true)]
async fn a_cached_service_asks_once_and_serves_what_is_stale_when_all_attempts_failed() {
    let far = Arc::<Length>::default();
    let config = plain().cache(
        CacheConfig::new()
            .fresh_for(Duration::from_secs(10))
            .stale_if_error_for(Duration::from_mins(1)),
    );
    let cached = stack(config)
        .service(Arc::clone(&far))
        .cached_by(String::clone)
        .unwrap();
    let ask = || cached.call("text".to_owned());
    let (first, second) = tokio::join!(ask(), ask());
    assert_eq!(
        (first.unwrap(), second.unwrap(), far.take_calls()),
        (4, 4, 1)
    );
    assert_eq!((ask().await.unwrap(), far.take_calls()), (4, 0));
    sleep(Duration::from_secs(11)).await;
    far.fail(3);
    assert_eq!((ask().await.unwrap(), far.take_calls()), (4, 3));
}

#[tokio::test(start_paused = true)]
async fn a_stale_value_stands_in_for_trouble_and_not_for_an_answer() {
    let far = Arc::<Length>::default();
    let cached = stack(plain().cache(CacheConfig::new().fresh_for(Duration::from_secs(10))))
        .named("lengths")
        .service(Arc::clone(&far))
        .cached_by(String::clone)
        .unwrap();
    let ask = || cached.call(Length::GONE.to_owned());
    assert_eq!(ask().await.unwrap(), 4);
    sleep(Duration::from_secs(11)).await;
    far.fail(1);
    assert_eq!(ask().await.unwrap_err().kind(), ErrorKind::NotFound);
}
