//! The promises of the mechanisms' shape: what composes, what is `Send`, what needs no box.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use contexter_adapter::Capabilities;
use contexter_breaker::Breaker;
use contexter_resilience::{Scope, StackConfig, StandardStack};
use contexter_retry::Retry;
use contexter_service::{
    Again, ByVerdict, Capability, Cx, Either, Elapsed, Full, Handle, Limited, ManualClock, Open,
    Policy, Sample, Service, Verdict,
};
use contexter_timeout::Timeout;
use futures_util::future::{self, Either as First};

/// An error type of somebody else, which takes rejections up with `From`.
#[derive(Debug, PartialEq, thiserror::Error)]
enum AppError {
    #[error("breaker")]
    Open(#[from] Open),
    #[error("time")]
    Elapsed(#[from] Elapsed),
    #[error("bulkhead")]
    Full(#[from] Full),
    #[error("rate limit")]
    Limited(#[from] Limited),
    #[error("status {0}")]
    Status(u16),
}

impl Verdict for AppError {
    fn sample(&self) -> Sample {
        match self {
            Self::Open(_) | Self::Full(_) | Self::Limited(_) | Self::Status(429) => Sample::Neutral,
            Self::Elapsed(_) | Self::Status(500..) => Sample::Failure,
            Self::Status(_) => Sample::Success,
        }
    }

    fn again(&self) -> Again {
        match self {
            Self::Elapsed(_) | Self::Status(429 | 500..) => Again::Yes { after: None },
            Self::Open(_) | Self::Full(_) | Self::Limited(_) | Self::Status(_) => Again::No,
        }
    }
}

/// A client that fails a number of times before it answers.
#[derive(Default)]
struct Client {
    failures: AtomicU32,
    calls: AtomicU32,
}

impl Client {
    fn failing(times: u32) -> Self {
        Self {
            failures: AtomicU32::new(times),
            calls: AtomicU32::new(0),
        }
    }

    async fn get(&self, path: &str) -> Result<String, AppError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        let left = self
            .failures
            .try_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        match left {
            Ok(_) => Err(AppError::Status(503)),
            Err(_) => Ok(format!("page {path}")),
        }
    }
}

#[derive(Clone, Debug)]
struct Get(String);

impl Capability for Get {
    const NAME: &'static str = "page_fetching";
    type Response = String;
    type Error = AppError;
}

impl Service<Get> for Arc<Client> {
    type Response = String;
    type Error = AppError;

    async fn call(&self, Get(path): Get) -> Result<String, AppError> {
        self.get(&path).await
    }
}

/// What every part of the stack is made of, with a classifier for `AppError`.
fn mechanisms() -> (
    Timeout,
    Retry<contexter_service::DefaultClock, ByVerdict>,
    Breaker,
) {
    (
        Timeout::new(Duration::from_secs(30)).unwrap(),
        Retry::new(contexter_retry::Config::new())
            .unwrap()
            .classify_by(ByVerdict),
        Breaker::new(contexter_breaker::Config::new()).unwrap(),
    )
}

fn spawnable<F: Future + Send + 'static>(future: F) -> F {
    future
}

#[tokio::test(start_paused = true)]
async fn a_task_runs_a_borrowed_client_under_nested_policies() {
    let task = tokio::spawn(async {
        let client = Client::failing(2);
        let path = String::from("/index");
        let stack = mechanisms();
        let out = stack.run(Cx::new(), |_cx| client.get(&path)).await;
        (out, client.calls.load(Ordering::SeqCst))
    });
    assert_eq!(task.await.unwrap(), (Ok("page /index".to_owned()), 3));
}

#[tokio::test(start_paused = true)]
async fn a_foreign_error_type_stays_flat_through_every_mechanism() {
    let stack = mechanisms();
    let out: Result<(), AppError> = stack
        .run(Cx::new(), |_cx| async { Err(AppError::Status(404)) })
        .await;
    assert_eq!(out, Err(AppError::Status(404)));

    let out: Result<(), AppError> = stack.run(Cx::new(), |_cx| future::pending()).await;
    assert!(matches!(out, Err(AppError::Elapsed(_))), "{out:?}");

    stack.2.isolate();
    let out: Result<(), AppError> = stack
        .run(Cx::new(), |_cx| async { Err(AppError::Status(404)) })
        .await;
    assert_eq!(out, Err(AppError::Open(Open { retry_after: None })));
}

#[tokio::test(start_paused = true)]
async fn a_disabled_layer_is_transparent() {
    let (timeout, _retry, _breaker) = mechanisms();
    let stack: (Option<Timeout>, Option<Retry>, Option<Breaker>, ()) =
        (Some(timeout), None, None, ());
    let client = Client::failing(1);
    let out = stack.run(Cx::new(), |_cx| client.get("/")).await;
    assert_eq!(
        out,
        Err(AppError::Status(503)),
        "no retry hides the failure"
    );
    assert_eq!(client.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_disabled_stack_starts_nothing_before_it_is_polled() {
    let client = Client::default();
    let stack: (Option<Breaker>, Either<(), Option<Timeout>>) = (None, Either::Left(()));
    let future = stack.run(Cx::new(), |_cx| client.get("/"));
    drop(future);
    assert_eq!(client.calls.load(Ordering::SeqCst), 0);
}

/// Runs the operation twice at the same time and takes what ends first, as a hedge does.
struct Twice;

impl<Out: Send> Policy<Out> for Twice {
    async fn run<'a, Op, Fut>(&'a self, cx: Cx, op: Op) -> Out
    where
        Op: Fn(Cx) -> Fut + Clone + Send + Sync + 'a,
        Fut: Future<Output = Out> + Send + 'a,
        Out: 'a,
    {
        let first = std::pin::pin!(op(cx.with_attempt(1)));
        let second = std::pin::pin!(op(cx.with_attempt(2)));
        match future::select(first, second).await {
            First::Left((out, _)) | First::Right((out, _)) => out,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_attempts_of_one_operation_run_at_the_same_time() {
    let (timeout, retry, breaker) = mechanisms();
    let stack = (timeout, Twice, (retry, breaker.clone()), ());
    let started = AtomicU32::new(0);
    let task = spawnable(async move {
        let out: Result<u32, AppError> = stack
            .run(Cx::new(), |_cx| async {
                let number = started.fetch_add(1, Ordering::SeqCst);
                if number == 0 {
                    future::pending::<()>().await;
                }
                Ok(number)
            })
            .await;
        (out, started.load(Ordering::SeqCst))
    });
    assert_eq!(tokio::spawn(task).await.unwrap(), (Ok(1), 2));
    assert_eq!(
        breaker.failure_count(),
        1,
        "the abandoned attempt gave its permit back and was counted"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stack_behind_an_arc_serves_many_tasks_with_one_state() {
    let stack = Arc::new(mechanisms());
    let client = Arc::new(Client::default());
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let (stack, client) = (Arc::clone(&stack), Arc::clone(&client));
            tokio::spawn(async move { stack.run(Cx::new(), |_cx| client.get("/")).await })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap().is_ok());
    }
    stack.2.isolate();
    let out = Arc::clone(&stack)
        .run(Cx::new(), |_cx| client.get("/"))
        .await;
    assert!(matches!(out, Err(AppError::Open(_))), "{out:?}");
}

#[tokio::test(start_paused = true)]
async fn a_guarded_service_is_stored_erased_by_capability() {
    for scope in [Scope::Call, Scope::Attempt] {
        let client = Arc::new(Client::failing(2));
        let stack = StandardStack::new(StackConfig::new().scope(scope)).unwrap();
        let capabilities = Capabilities::new().with::<Get>(stack.service(Arc::clone(&client)));
        let handle: Handle<Get> = capabilities.handle().expect("it was registered above");
        let out = tokio::spawn(async move { handle.call(Get("/a".into())).await })
            .await
            .unwrap();
        assert_eq!(out, Ok("page /a".to_owned()), "{scope:?}");
        assert_eq!(client.calls.load(Ordering::SeqCst), 3, "{scope:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn policies_nest_to_eight_levels_outermost_first() {
    let trace = std::sync::Mutex::new(Vec::new());
    let stack = (
        Mark("a", &trace),
        Mark("b", &trace),
        Mark("c", &trace),
        Mark("d", &trace),
        Mark("e", &trace),
        Mark("f", &trace),
        Mark("g", &trace),
        (Mark("h", &trace), Some(Mark("i", &trace))),
    );
    let out: Result<u32, AppError> = stack
        .run(Cx::new(), |cx| async move { Ok(cx.attempt()) })
        .await;
    assert_eq!(out, Ok(1));
    assert_eq!(trace.lock().unwrap().concat(), "abcdefghi");
}

/// Notes when it is entered.
struct Mark<'t>(&'static str, &'t std::sync::Mutex<Vec<&'static str>>);

impl<Out: Send> Policy<Out> for Mark<'_> {
    async fn run<'a, Op, Fut>(&'a self, cx: Cx, op: Op) -> Out
    where
        Op: Fn(Cx) -> Fut + Clone + Send + Sync + 'a,
        Fut: Future<Output = Out> + Send + 'a,
        Out: 'a,
    {
        self.1.lock().unwrap().push(self.0);
        op(cx).await
    }
}

#[test]
fn every_mechanism_runs_on_the_manual_clock_without_a_runtime() {
    let clock = ManualClock::new();
    let stack = StandardStack::with(
        StackConfig::new().scope(Scope::Attempt),
        clock.clone(),
        ByVerdict,
    )
    .unwrap();
    let client = Client::default();
    let mut call = std::pin::pin!(stack.run(Cx::new(), |_cx| async {
        match client.calls.fetch_add(1, Ordering::SeqCst) {
            0 => Err(AppError::Status(503)),
            1 => future::pending().await,
            _ => Ok("third"),
        }
    }));
    let waker = futures_util::task::noop_waker();
    let mut context = std::task::Context::from_waker(&waker);
    assert!(
        call.as_mut().poll(&mut context).is_pending(),
        "waits to retry"
    );
    clock.advance(Duration::from_secs(1));
    assert!(call.as_mut().poll(&mut context).is_pending(), "hangs");
    clock.advance(Duration::from_secs(30));
    assert!(call.as_mut().poll(&mut context).is_pending(), "waits again");
    clock.advance(Duration::from_secs(2));
    assert_eq!(
        call.as_mut().poll(&mut context),
        std::task::Poll::Ready(Ok("third"))
    );
    assert_eq!(clock.sleepers(), 0);
}

#[test]
fn everything_shared_is_send_and_sync() {
    fn check<T: Send + Sync>() {}
    check::<StandardStack>();
    check::<StandardStack<ManualClock, ByVerdict>>();
    check::<Breaker>();
    check::<Retry>();
    check::<Timeout>();
    check::<Handle<Get>>();
}

async fn fetch(url: &str) -> Result<String, std::io::Error> {
    tokio::task::yield_now().await;
    Ok(format!("the page at {url}"))
}

#[tokio::test(start_paused = true)]
async fn five_lines_put_breaker_and_retry_around_any_future()
-> Result<(), Box<dyn std::error::Error>> {
    use contexter_breaker::Breaker;
    use contexter_retry::Retry;
    let breaker = Breaker::new(contexter_breaker::Config::new())?;
    let retry = Retry::new(contexter_retry::Config::new())?;
    let page = breaker
        .call(|| retry.call(|| fetch("https://docs.rs")))
        .await?;
    assert_eq!(page, "the page at https://docs.rs");
    Ok(())
}
