//! The ways to put a limit around an operation.

use std::time::Duration;

use contexter_limit::{AdaptiveLimit, Bulkhead, Error, RateLimiter};
use contexter_service::{
    Again, Classify, Cx, FromTower, Full, Limited, ManualClock, Policy, Sample, Service,
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
