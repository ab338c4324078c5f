//! The fallback around services, ours and tower's, and the cache around ours.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use contexter_fallback::{CacheConfig, Fallback, ResponseCache};
use contexter_service::{Both, ManualClock, Service};

#[derive(Clone, Debug, PartialEq)]
enum Failed {
    Status(u16),
    Twice(Box<Both<Failed>>),
}

impl From<Both<Failed>> for Failed {
    fn from(both: Both<Failed>) -> Self {
        Self::Twice(Box::new(both))
    }
}

/// Answers every request with its number as status.
#[derive(Clone, Default)]
struct Client {
    calls: Arc<AtomicU32>,
}

impl Service<u16> for Client {
    type Response = String;
    type Error = Failed;

    async fn call(&self, status: u16) -> Result<String, Failed> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        match status {
            200 => Ok("page".to_owned()),
            _ => Err(Failed::Status(status)),
        }
    }
}

fn mirror(error: &Failed) -> Ready<Result<String, Failed>> {
    ready(match error {
        Failed::Status(503) => Ok("copy".to_owned()),
        _ => Err(Failed::Status(410)),
    })
}

fn both(status: u16) -> Failed {
    Failed::Twice(Box::new(Both {
        original: Failed::Status(status),
        fallback: Failed::Status(410),
    }))
}

#[tokio::test]
async fn a_service_has_a_fallback_that_sees_the_original_error() {
    let fallback = Fallback::with(mirror);
    let service = fallback.service(Client::default());
    assert_eq!(service.call(200).await, Ok("page".to_owned()));
    assert_eq!(service.call(503).await, Ok("copy".to_owned()));
    assert_eq!(service.call(500).await, Err(both(500)));
    assert_eq!(fallback.snapshot().counter("served"), Some(1));
    assert_eq!(fallback.snapshot().counter("failed"), Some(1));
}

#[tokio::test]
async fn a_cached_service_is_a_service_of_the_same_requests_and_responses() {
    let clock = ManualClock::new();
    let config = CacheConfig::new();
    let cache = ResponseCache::with_clock(config, clock.clone()).unwrap();
    let client = Client::default();
    let service = cache.service(client.clone(), |status: &u16| *status);
    for _ in 0..3 {
        assert_eq!(service.call(200).await, Ok("page".to_owned()));
        assert_eq!(service.call(404).await, Err(Failed::Status(404)));
    }
    assert_eq!(
        client.calls.load(Ordering::SeqCst),
        1 + 3,
        "errors are not stored"
    );
    clock.advance(config.fresh_for);
    assert_eq!(service.call(200).await, Ok("page".to_owned()));
    assert_eq!(client.calls.load(Ordering::SeqCst), 5);
}

#[cfg(feature = "tower")]
mod tower_faces {
    use std::future::Future;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
    use std::task::{Context, Poll};

    use contexter_fallback::Fallback;
    use tower::{ServiceBuilder, ServiceExt, service_fn};
    use tower_service::Service;

    use super::{Failed, both, mirror};

    async fn status(status: u16) -> Result<String, Failed> {
        match status {
            200 => Ok("page".to_owned()),
            _ => Err(Failed::Status(status)),
        }
    }

    #[tokio::test]
    async fn all_services_of_a_layer_share_the_numbers() {
        let fallback =
            Fallback::with(mirror).when(|failed: &Failed| *failed != Failed::Status(404));
        let one = ServiceBuilder::new()
            .layer(fallback.clone())
            .service(service_fn(status));
        let other = ServiceBuilder::new()
            .layer(fallback.clone())
            .service(service_fn(status));
        assert_eq!(one.clone().oneshot(200).await, Ok("page".to_owned()));
        assert_eq!(one.clone().oneshot(404).await, Err(Failed::Status(404)));
        assert_eq!(one.oneshot(503).await, Ok("copy".to_owned()));
        assert_eq!(other.clone().oneshot(503).await, Ok("copy".to_owned()));
        assert_eq!(other.oneshot(500).await, Err(both(500)));
        assert_eq!(fallback.snapshot().counter("served"), Some(2));
        assert_eq!(fallback.snapshot().counter("failed"), Some(1));
    }

    /// Panics when it is called without having been ready, as services with permits do. A clone is
    /// not ready.
    #[derive(Default)]
    struct Strict {
        ready: bool,
        broken: Arc<AtomicBool>,
        calls: Arc<AtomicU32>,
    }

    impl Clone for Strict {
        fn clone(&self) -> Self {
            Self {
                ready: false,
                broken: Arc::clone(&self.broken),
                calls: Arc::clone(&self.calls),
            }
        }
    }

    impl Service<u16> for Strict {
        type Response = String;
        type Error = Failed;
        type Future = Pin<Box<dyn Future<Output = Result<String, Failed>> + Send>>;

        fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
            if self.broken.load(Ordering::SeqCst) {
                return Poll::Ready(Err(Failed::Status(503)));
            }
            self.ready = true;
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, req: u16) -> Self::Future {
            assert!(
                std::mem::take(&mut self.ready),
                "called before it was ready"
            );
            self.calls.fetch_add(1, Ordering::SeqCst);
            Box::pin(status(req))
        }
    }

    #[tokio::test]
    async fn the_instance_that_is_called_is_the_one_that_was_ready() {
        let strict = Strict::default();
        let mut service = Fallback::value("copy".to_owned()).service(strict.clone());
        for _ in 0..3 {
            assert_eq!(
                service.ready().await.unwrap().call(200).await.unwrap(),
                "page"
            );
        }
        strict.broken.store(true, Ordering::SeqCst);
        assert_eq!(
            service.call(200).await.unwrap(),
            "copy",
            "a service that is never ready has a fallback too"
        );
        assert_eq!(strict.calls.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn the_future_is_named_and_outlives_its_service() {
        type Call = contexter_fallback::TowerCall<
            Strict,
            u16,
            contexter_fallback::Value<String>,
            contexter_fallback::AnyError,
        >;
        let mut service = Fallback::value("copy".to_owned()).service(Strict::default());
        let call: Call = service.call(500);
        drop(service);
        assert_eq!(tokio::spawn(call).await.unwrap().unwrap(), "copy");
    }
}
