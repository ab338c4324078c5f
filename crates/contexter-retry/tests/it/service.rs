//! Retry and hedge around services of this workspace.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contexter_retry::{Hedge, HedgeConfig, Repeat, Retry};
use contexter_service::{Cx, Service};
use tokio::time::sleep;

use crate::plain;

/// A request that counts how often it was cloned.
#[derive(Debug)]
pub(crate) struct Counting {
    pub(crate) clones: Arc<AtomicU32>,
    pub(crate) attempt: u32,
}

impl Counting {
    pub(crate) fn new() -> (Self, Arc<AtomicU32>) {
        let clones = Arc::default();
        let request = Self {
            clones: Arc::clone(&clones),
            attempt: 0,
        };
        (request, clones)
    }
}

impl Clone for Counting {
    fn clone(&self) -> Self {
        self.clones.fetch_add(1, Ordering::Relaxed);
        Self {
            clones: Arc::clone(&self.clones),
            attempt: self.attempt,
        }
    }
}

/// Says what the request asks for, and tells it its attempt.
#[derive(Clone, Copy)]
pub(crate) struct Telling {
    pub(crate) cx: Cx,
    pub(crate) copies: bool,
}

impl Repeat<Counting> for Telling {
    fn cx(&self, _req: &Counting) -> Cx {
        self.cx
    }

    fn copy(&self, req: &Counting) -> Option<Counting> {
        self.copies.then(|| req.clone())
    }

    fn prepare(&self, req: &mut Counting, cx: Cx) {
        req.attempt = cx.attempt();
    }
}

pub(crate) const TELLING: Telling = Telling {
    cx: Cx::new(),
    copies: true,
};

/// Notes the attempt of every request and fails until the `succeeds_at`th, slowly.
struct Far {
    seen: Mutex<Vec<u32>>,
    succeeds_at: usize,
    takes: Duration,
}

impl Far {
    fn new(succeeds_at: usize) -> Self {
        Self {
            seen: Mutex::default(),
            succeeds_at,
            takes: Duration::ZERO,
        }
    }

    fn seen(&self) -> Vec<u32> {
        self.seen.lock().unwrap().clone()
    }
}

impl Service<Counting> for Far {
    type Response = usize;
    type Error = &'static str;

    async fn call(&self, req: Counting) -> Result<usize, &'static str> {
        let number = {
            let mut seen = self.seen.lock().unwrap();
            seen.push(req.attempt);
            seen.len()
        };
        sleep(self.takes).await;
        if number == self.succeeds_at {
            Ok(number)
        } else {
            Err("down")
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_attempt_sends_the_original_itself() {
    for (max_attempts, expected) in [(1, 0), (2, 1), (3, 2)] {
        let retry = Retry::new(plain().max_attempts(max_attempts)).unwrap();
        let (request, clones) = Counting::new();
        let out = retry.service(Far::new(0)).call(request).await;
        assert_eq!(out, Err("down"));
        assert_eq!(clones.load(Ordering::Relaxed), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn every_request_is_told_its_attempt() {
    let service = Retry::new(plain())
        .unwrap()
        .service(Far::new(3))
        .repeat_by(TELLING);
    assert_eq!(service.call(Counting::new().0).await, Ok(3));
    assert_eq!(service.get_ref().seen(), [1, 2, 3]);
    assert_eq!(service.retry().snapshot().counter("retries"), Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_copied_is_sent_once() {
    let once = Telling {
        copies: false,
        ..TELLING
    };
    let service = Retry::new(plain())
        .unwrap()
        .service(Far::new(2))
        .repeat_by(once);
    let started = tokio::time::Instant::now();
    assert_eq!(service.call(Counting::new().0).await, Err("down"));
    assert_eq!(service.get_ref().seen(), [1]);
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_request_may_say_that_it_must_not_be_repeated() {
    let once = |_req: &Counting| Cx::new().with_idempotent(false);
    let service = Retry::new(plain())
        .unwrap()
        .service(Far::new(2))
        .repeat_by(once);
    assert_eq!(service.call(Counting::new().0).await, Err("down"));
    assert_eq!(service.get_ref().seen().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn services_of_one_retry_share_its_budget() {
    let budget = contexter_retry::BudgetConfig::new().ratio(0.001).reserve(1);
    let retry = Retry::new(plain().budget(budget)).unwrap();
    let services = [retry.service(Far::new(0)), retry.service(Far::new(0))];
    for service in &services {
        assert_eq!(service.call(Counting::new().0).await, Err("down"));
    }
    let calls = services
        .each_ref()
        .map(|service| service.get_ref().seen().len());
    assert_eq!(calls, [2, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_hedged_service_sends_beside_a_slow_one() {
    let hedge = Hedge::new(HedgeConfig::new().delay(Duration::from_millis(10))).unwrap();
    let far = Far {
        takes: Duration::from_secs(1),
        ..Far::new(2)
    };
    let service = hedge.service(far).repeat_by(TELLING);
    let (request, clones) = Counting::new();
    assert_eq!(service.call(request).await, Ok(2));
    assert_eq!(service.get_ref().seen(), [1, 2]);
    assert_eq!(clones.load(Ordering::Relaxed), 1);
    assert_eq!(service.hedge().snapshot().counter("won"), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_hedged_request_that_cannot_be_copied_is_sent_once() {
    let hedge = Hedge::new(HedgeConfig::new().delay(Duration::from_millis(10))).unwrap();
    for telling in [
        Telling {
            copies: false,
            ..TELLING
        },
        Telling {
            cx: Cx::new().with_idempotent(false),
            copies: true,
        },
    ] {
        let far = Far {
            takes: Duration::from_secs(1),
            ..Far::new(0)
        };
        let service = hedge.service(far).repeat_by(telling);
        let (request, clones) = Counting::new();
        assert_eq!(service.call(request).await, Err("down"));
        assert_eq!(service.get_ref().seen(), [1]);
        assert_eq!(clones.load(Ordering::Relaxed), 0);
    }
}
