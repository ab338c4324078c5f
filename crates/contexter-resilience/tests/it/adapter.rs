//! An adapter with a stack: erased services, `execute_with_resilience`, and its snapshot.

use std::time::Duration;

use contexter_adapter::{
    AdapterSnapshot, Capabilities, HealthStatus, ServiceAdapter, ServiceHealth,
};
use contexter_model::{Error, ErrorKind};
use contexter_resilience::{ResilientAdapter, StandardStack};
use contexter_service::{Capability, Service};

use crate::{Attempts, plain, stack, timed};

/// Asks for the length of a text; how long the answer takes is in the request.
#[derive(Clone)]
struct Measure {
    text: String,
    takes: Duration,
}

impl Capability for Measure {
    const NAME: &'static str = "measuring";
    type Response = usize;
    type Error = Error;
}

struct FarSide {
    attempts: Attempts,
    failures: u32,
}

impl Service<Measure> for FarSide {
    type Response = usize;
    type Error = Error;

    async fn call(&self, req: Measure) -> Result<usize, Error> {
        let attempt = self
            .attempts
            .0
            .fetch_add(1, std::sync::atomic::Ordering::SeqCst)
            + 1;
        tokio::time::sleep(req.takes).await;
        if attempt <= self.failures {
            return Err(Error::new(ErrorKind::Unavailable, "down"));
        }
        Ok(req.text.len())
    }
}

struct Adapter {
    capabilities: Capabilities,
    stack: StandardStack,
}

impl Adapter {
    fn new(attempts: Attempts, failures: u32) -> Self {
        let stack = stack(plain()).named("measuring");
        let far_side = FarSide { attempts, failures };
        Self {
            capabilities: Capabilities::new().with::<Measure>(stack.service(far_side)),
            stack,
        }
    }
}

#[async_trait::async_trait]
impl ServiceAdapter for Adapter {
    fn name(&self) -> &'static str {
        "measuring"
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn health_check(&self) -> ServiceHealth {
        ServiceHealth::new(
            HealthStatus::Healthy,
            Duration::ZERO,
            jiff::Timestamp::now(),
        )
    }

    fn snapshot(&self) -> AdapterSnapshot {
        self.stack.snapshot().into()
    }
}

impl ResilientAdapter for Adapter {
    fn stack(&self) -> &StandardStack {
        &self.stack
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_through_an_erased_handle_is_retried() {
    let attempts = Attempts::default();
    let adapter: Box<dyn ServiceAdapter> = Box::new(Adapter::new(attempts.clone(), 2));
    let handle = adapter
        .capabilities()
        .handle::<Measure>()
        .expect("it is registered");
    let request = Measure {
        text: "four".into(),
        takes: Duration::from_millis(20),
    };
    let (took, out) = timed(tokio::spawn(async move { handle.call(request).await })).await;
    assert_eq!(out.unwrap().unwrap(), 4);
    assert_eq!(attempts.take(), 3);
    assert_eq!(took, Duration::from_millis(20 + 1000 + 20 + 2000 + 20));
}

#[tokio::test(start_paused = true)]
async fn the_snapshot_tells_the_breaker_and_the_last_operation() {
    let adapter = Adapter::new(Attempts::default(), u32::MAX);
    let fresh = adapter.snapshot();
    assert_eq!(fresh.breaker_state.as_deref(), Some("closed"));
    assert_eq!((fresh.last_failure, fresh.last_operation), (None, None));

    let handle = adapter
        .capabilities()
        .handle::<Measure>()
        .expect("it is registered");
    for _ in 0..5 {
        let request = Measure {
            text: String::new(),
            takes: Duration::from_millis(70),
        };
        assert!(handle.call(request).await.is_err());
    }
    let before = jiff::Timestamp::now();
    tokio::time::advance(Duration::from_secs(10)).await;
    let snapshot = adapter.snapshot();
    assert_eq!(snapshot.breaker_state.as_deref(), Some("open"));
    assert_eq!(snapshot.failure_count, 5);
    assert_eq!(snapshot.last_operation, Some(Duration::from_millis(70)));
    let ago = before.duration_since(snapshot.last_failure.expect("calls have failed"));
    assert!((9..=10).contains(&ago.as_secs()), "{ago:?}");
}

#[tokio::test(start_paused = true)]
async fn any_operation_can_be_executed_with_resilience() {
    let adapter = Adapter::new(Attempts::default(), 0);
    let left = std::sync::atomic::AtomicU32::new(2);
    let text = String::from("borrowed");
    let out: Result<usize, Error> = adapter
        .execute_with_resilience(|| async {
            if left.fetch_sub(1, std::sync::atomic::Ordering::SeqCst) == 1 {
                Ok(text.len())
            } else {
                Err(Error::new(ErrorKind::Unavailable, "down"))
            }
        })
        .await;
    assert_eq!(out.unwrap(), 8);
}
