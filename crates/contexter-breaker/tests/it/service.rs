//! The face for services, ours and tower's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use contexter_breaker::{Config, Error};
use contexter_service::{BreakerState, Open, Service};

use crate::breaker;

#[derive(Clone, Default)]
struct Counting {
    calls: Arc<AtomicU32>,
}

impl Service<bool> for Counting {
    type Response = ();
    type Error = Error<&'static str>;

    async fn call(&self, works: bool) -> Result<(), Self::Error> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        works.then_some(()).ok_or(Error::Inner("down"))
    }
}

#[tokio::test]
async fn an_open_breaker_does_not_call_the_service() {
    let (breaker, _clock) = breaker(Config::new().failure_threshold(2));
    let inner = Counting::default();
    let service = breaker.service(inner.clone());
    assert_eq!(service.call(true).await, Ok(()));
    for _ in 0..2 {
        assert_eq!(service.call(false).await, Err(Error::Inner("down")));
    }
    assert_eq!(
        service.call(true).await,
        Err(Error::Open(Open {
            retry_after: Some(crate::BREAK)
        }))
    );
    assert_eq!(inner.calls.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn all_services_of_one_breaker_share_its_state() {
    let (breaker, _clock) = breaker(Config::new().failure_threshold(2));
    let (one, other) = (
        breaker.service(Counting::default()),
        breaker.service(Counting::default()),
    );
    assert!(one.call(false).await.is_err());
    assert!(other.call(false).await.is_err());
    assert_eq!(breaker.state(), BreakerState::Open);
    assert!(one.clone().call(true).await.unwrap_err().is_open());
    assert_eq!(one.breaker().state(), other.breaker().state());
}
