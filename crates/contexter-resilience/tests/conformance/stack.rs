//! Two mechanisms, one around the other, by each way of nesting them.

use std::marker::PhantomData;
use std::time::Duration;

use contexter_conformance::resilience::{
    BreakerSettings, BulkheadSettings, Call, HedgeSettings, Op, RateSettings, RetrySettings, Shape,
    StackSubject, Suite, Time, Trip,
};
use contexter_conformance::{Refusal, Unsupported};
use contexter_service::{BreakerState, Cx, Policy, Service};
use tower::ServiceBuilder;

use crate::breaker::{Guarding, guarding};
use crate::far_side::{ByRequest, FarSide, Request, TowerFarSide, run, tower_call};
use crate::hedge::{Hedging, hedging};
use crate::limit::{Bounding, Pacing, bounding, pacing};
use crate::retry::{Retrying, retrying};

pub(crate) fn add_to(suite: &mut Suite) {
    suite.stack("policy", |shape, time| build::<Tuples>(*shape, time));
    suite.stack("service", |shape, time| build::<Services>(*shape, time));
    suite.stack("tower", |shape, time| build::<Layers>(*shape, time));
}

/// All mechanisms that a shape may need.
#[derive(Clone)]
struct Kit {
    shape: Shape,
    retry: Retrying,
    hedge: Hedging,
    breaker: Guarding,
    bulkhead: Bounding,
    rate: Pacing,
}

/// The settings that a [`Shape`] stands for.
pub(crate) struct Settings {
    pub(crate) retry: RetrySettings,
    pub(crate) hedge: HedgeSettings,
    pub(crate) breaker: BreakerSettings,
    pub(crate) bulkhead: BulkheadSettings,
    pub(crate) rate: RateSettings,
}

impl Settings {
    pub(crate) fn of(shape: Shape) -> Self {
        let mut breaker = BreakerSettings::default();
        breaker.trip = Trip::Streak(2);
        breaker.break_for = Duration::from_mins(1);
        let mut bulkhead = BulkheadSettings::default();
        bulkhead.limit = if shape == Shape::HedgeBulkhead { 2 } else { 1 };
        let mut rate = RateSettings::default();
        rate.limit = 1;
        rate.period = Duration::from_hours(1);
        let mut retry = RetrySettings::default();
        retry.max_attempts = 3;
        retry.factor = 1.0;
        Self {
            retry,
            hedge: HedgeSettings::default(),
            breaker,
            bulkhead,
            rate,
        }
    }
}

fn kit(shape: Shape, time: &Time) -> Result<Kit, Refusal> {
    let settings = Settings::of(shape);
    Ok(Kit {
        shape,
        retry: retrying(&settings.retry, time)?,
        hedge: hedging(&settings.hedge, time)?,
        breaker: guarding(&settings.breaker, time)?,
        bulkhead: bounding(&settings.bulkhead, time)?,
        rate: pacing(&settings.rate, time)?,
    })
}

/// One way to nest them.
trait Nesting: Send + Sync + 'static {
    fn call(kit: Kit, op: Op) -> Result<Call, Unsupported>;
}

fn unknown() -> Unsupported {
    Unsupported::new("knows no such composition")
}

struct Tuples;

impl Nesting for Tuples {
    fn call(kit: Kit, op: Op) -> Result<Call, Unsupported> {
        macro_rules! nested {
            ($outer:ident, $inner:ident) => {{
                let stack = (kit.$outer, kit.$inner);
                Box::pin(async move { stack.run(Cx::new(), |cx| run(&op, cx)).await })
            }};
        }
        Ok(match kit.shape {
            Shape::RetryBreaker => nested!(retry, breaker),
            Shape::RetryBulkhead => nested!(retry, bulkhead),
            Shape::HedgeBreaker => nested!(hedge, breaker),
            Shape::HedgeBulkhead => nested!(hedge, bulkhead),
            Shape::BreakerBulkhead => nested!(breaker, bulkhead),
            Shape::BreakerRateLimit => nested!(breaker, rate),
            _ => return Err(unknown()),
        })
    }
}

struct Services;

impl Nesting for Services {
    fn call(kit: Kit, op: Op) -> Result<Call, Unsupported> {
        macro_rules! nested {
            ($service:expr) => {{
                let service = $service;
                Box::pin(async move { service.call(Request::new(&op)).await })
            }};
        }
        let (breaker, bulkhead) = (kit.breaker.service(FarSide), kit.bulkhead.service(FarSide));
        Ok(match kit.shape {
            Shape::RetryBreaker => nested!(kit.retry.service(breaker).repeat_by(ByRequest)),
            Shape::RetryBulkhead => nested!(kit.retry.service(bulkhead).repeat_by(ByRequest)),
            Shape::HedgeBreaker => nested!(kit.hedge.service(breaker).repeat_by(ByRequest)),
            Shape::HedgeBulkhead => nested!(kit.hedge.service(bulkhead).repeat_by(ByRequest)),
            Shape::BreakerBulkhead => nested!(kit.breaker.service(bulkhead)),
            Shape::BreakerRateLimit => nested!(kit.breaker.service(kit.rate.service(FarSide))),
            _ => return Err(unknown()),
        })
    }
}

struct Layers;

impl Nesting for Layers {
    fn call(kit: Kit, op: Op) -> Result<Call, Unsupported> {
        macro_rules! nested {
            ($outer:ident, $inner:ident) => {{
                let service = ServiceBuilder::new()
                    .layer(kit.$outer)
                    .layer(kit.$inner)
                    .service(TowerFarSide::new(&op));
                tower_call(service, Request::new(&op))
            }};
        }
        Ok(match kit.shape {
            Shape::RetryBreaker => nested!(retry, breaker),
            Shape::RetryBulkhead => nested!(retry, bulkhead),
            Shape::HedgeBreaker => nested!(hedge, breaker),
            Shape::HedgeBulkhead => nested!(hedge, bulkhead),
            Shape::BreakerBulkhead => nested!(breaker, bulkhead),
            Shape::BreakerRateLimit => nested!(breaker, rate),
            _ => return Err(unknown()),
        })
    }
}

struct Subject<N> {
    kit: Kit,
    nesting: PhantomData<N>,
}

fn build<N: Nesting>(shape: Shape, time: &Time) -> Result<Box<dyn StackSubject>, Refusal> {
    Ok(Box::new(Subject {
        kit: kit(shape, time)?,
        nesting: PhantomData::<N>,
    }))
}

impl<N: Nesting> StackSubject for Subject<N> {
    fn call(&self, op: &Op) -> Result<Call, Unsupported> {
        N::call(self.kit.clone(), op.clone())
    }

    fn state(&self) -> Result<BreakerState, Unsupported> {
        Ok(self.kit.breaker.state())
    }
}
