//! The ways to put a limit around an operation.

use std::future::ready;
use std::time::Duration;

use contexter_limit::{
    AdaptiveLimit, Bulkhead, BulkheadConfig, Error, Quota, RateLimitConfig, RateLimiter,
};
use contexter_service::{
    Again, Classify, Clock, Cx, FromTower, Full, Limited, ManualClock, Policy, Sample, Service,
};
use futures_util::future::BoxFuture;
use tower::{ServiceBuilder, ServiceExt, service_fn};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Failure {
    /// The far side refused: 429 with `Retry-After`.
    TooMany(Duration),
    /// The far side does not work.
    Down,
    Limited(Limited),
    Full(Full),
}

impl From<Limited> for Failure {
    fn from(limited: Limited) -> Self {
        Self::Limited(limited)
    }
}

impl From<Full> for Failure {
    fn from(full: Full) -> Self {
        Self::Full(full)
    }
}

#[derive(Clone, Copy)]
pub(crate) struct ByFailure;

impl Classify<Outcome> for ByFailure {
    fn sample(&self, out: &Outcome) -> Sample {
        match out {
            Ok(_) => Sample::Success,
            Err(Failure::Down) => Sample::Failure,
            Err(_) => Sample::Neutral,
        }
    }

    fn again(&self, out: &Outcome) -> Again {
        match out {
            Err(Failure::TooMany(after)) => Again::Yes {
                after: Some(*after),
            },
            _ => Again::No,
        }
    }
}

pub(crate) type Outcome = Result<u32, Failure>;
pub(crate) type Op<'a> = &'a (dyn Fn() -> BoxFuture<'a, Outcome> + Send + Sync);

pub(crate) const FACES: [Face; 5] = [
    Face::Call,
    Face::Policy,
    Face::Service,
    Face::Tower,
    Face::TowerAndBack,
];

#[derive(Clone, Copy, Debug)]
pub(crate) enum Face {
    Call,
    Policy,
    Service,
    Tower,
    TowerAndBack,
}

struct Operating<'a>(Op<'a>);

impl Service<()> for Operating<'_> {
    type Response = u32;
    type Error = Failure;

    async fn call(&self, (): ()) -> Outcome {
        (self.0)().await
    }
}

macro_rules! through {
    ($($name:ident: $limit:ty;)+) => {
        impl Face {$(
            pub(crate) fn $name<'a>(self, limit: &'a $limit, op: Op<'a>) -> BoxFuture<'a, Outcome> {
                let by_tower = move |()| op();
                match self {
                    Self::Call => Box::pin(async move {
                        limit.call(op).await.map_err(|error| match error {
                            Error::Refused(refusal) => refusal.into(),
                            Error::Inner(failure) => failure,
                        })
                    }),
                    Self::Policy => Box::pin(limit.run(Cx::new(), move |_cx| op())),
                    Self::Service => {
                        Box::pin(async move { limit.service(Operating(op)).call(()).await })
                    }
                    Self::Tower => {
                        let builder = ServiceBuilder::new().layer(limit.clone());
                        Box::pin(builder.service(service_fn(by_tower)).oneshot(()))
                    }
                    Self::TowerAndBack => Box::pin(async move {
                        let service = limit.service(FromTower::new(service_fn(by_tower)));
                        service.call(()).await
                    }),
                }
            }
        )+}
    };
}

through! {
    rate: RateLimiter<ManualClock, ByFailure>;
    bulkhead: Bulkhead<ManualClock>;
    adaptive: AdaptiveLimit<ManualClock, ByFailure>;
}

/// Takes three requests through a limiter of ten tokens, each weighing what it says.
#[test]
fn a_request_weighs_what_its_context_says() {
    let weigh = |req: &u32| Cx::new().with_weight(*req);
    let limiter = |clock: &ManualClock| {
        let config = RateLimitConfig::new()
            .tokens(Quota::per_minute(10).burst(10))
            .max_wait(Duration::ZERO);
        RateLimiter::with_clock(config, clock.clone())
            .unwrap()
            .classify_by(ByFailure)
    };
    let answer = |req: u32| ready(Outcome::Ok(req));

    let clock = ManualClock::new();
    let plain = limiter(&clock);
    let mut outs = Vec::new();
    for req in [6, 4, 1] {
        let out = clock.run_until_stalled(plain.call_with(weigh(&req), |cx| answer(cx.weight())));
        outs.push(out.unwrap().is_ok());
    }
    assert_eq!(outs, [true, true, false], "a plain call");

    let clock = ManualClock::new();
    let service = limiter(&clock)
        .service(FromTower::new(service_fn(answer)))
        .context_by(weigh);
    let outs = [6, 4, 1].map(|req| clock.run_until_stalled(Service::call(&service, req)));
    assert_eq!(outs.map(|out| out.unwrap().is_ok()), [true, true, false]);

    let clock = ManualClock::new();
    let service = limiter(&clock)
        .service(service_fn(answer))
        .context_by(weigh);
    let outs = [6, 4, 1].map(|req| clock.run_until_stalled(service.clone().oneshot(req)));
    assert_eq!(
        outs.map(|out| out.unwrap().is_ok()),
        [true, true, false],
        "tower"
    );
}

#[test]
fn a_call_does_not_wait_past_its_own_deadline() {
    let clock = ManualClock::new();
    let config = BulkheadConfig::new()
        .max_concurrent(1)
        .max_queue(1)
        .max_wait(Duration::from_secs(1));
    let bulkhead = Bulkhead::with_clock(config, clock.clone()).unwrap();
    let _place = bulkhead.try_acquire().unwrap();
    let deadline = clock.now() + Duration::from_millis(10);
    let cx = Cx::new().with_deadline(deadline);
    let out = clock.run_until_stalled(bulkhead.call_with(cx, |_cx| ready(Outcome::Ok(1))));
    assert!(matches!(out, Some(Err(Error::Refused(_)))));
    assert_eq!(clock.now(), deadline);
}
