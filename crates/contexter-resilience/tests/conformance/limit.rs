//! The faces of rate limiter, bulkhead and adaptive limit.

use std::marker::PhantomData;
use std::time::Duration;

use contexter_conformance::resilience::{
    AdaptiveSettings, AdaptiveSubject, Body, BulkheadSettings, BulkheadSubject, Call, Failure,
    Fault, Op, RateLimitSubject, RateSettings, Reply, Suite, Time, Value, ready_at_once,
};
use contexter_conformance::{Refusal, Unsupported};
use contexter_limit::{
    AdaptiveConfig, AdaptiveLimit, Bulkhead, BulkheadConfig, Error, Quota, RateLimitConfig,
    RateLimiter,
};
use contexter_service::{ByVerdict, Classify, Cx, Policy, Sample, Service};
use tower_layer::Layer;

use crate::far_side::{FarSide, Request, TowerFarSide, run, tower_at_once, tower_call};

pub(crate) type Pacing = RateLimiter<Time, ByVerdict>;
pub(crate) type Bounding = Bulkhead<Time>;
type Adapting = AdaptiveLimit<Time, ByVerdict>;

/// As long as a wait without a limit can be told.
const LONG: Duration = Duration::from_hours(24);

pub(crate) fn add_to(suite: &mut Suite) {
    suite.adaptive("call", adaptive::<PlainCall>);
    suite.adaptive("guard", adaptive::<Guard>);
    suite.adaptive("policy", adaptive::<AsPolicy>);
    suite.adaptive("service", adaptive::<AsService>);
    suite.adaptive("tower", adaptive::<AsTower>);
    suite.bulkhead("call", bulkhead::<PlainCall>);
    suite.bulkhead("guard", bulkhead::<Guard>);
    suite.bulkhead("policy", bulkhead::<AsPolicy>);
    suite.bulkhead("service", bulkhead::<AsService>);
    suite.bulkhead("tower", bulkhead::<AsTower>);
    suite.rate_limit("call", rate_limit::<PlainCall>);
    suite.rate_limit("guard", rate_limit::<Guard>);
    suite.rate_limit("policy", rate_limit::<AsPolicy>);
    suite.rate_limit("service", rate_limit::<AsService>);
    suite.rate_limit("tower", rate_limit::<AsTower>);
}

/// One face of the mechanism `M`: how a call is made through it.
trait Face<M>: Send + Sync + 'static {
    fn call(limit: M, op: Op) -> Call;

    /// Whether it sees the outcome.
    const READS_OUTCOMES: bool = true;

    /// A call whose place stays taken until its body is dropped.
    fn call_with_body(limit: M, op: Op) -> Result<Call<Result<Body, Failure>>, Unsupported> {
        let _ = (limit, op);
        Err(Unsupported::new(
            "gives the place back when the call ends; a permit can be held with the body instead",
        ))
    }

    fn at_once(limit: &M, op: &Op) -> Result<Reply, Unsupported>;
}

struct PlainCall;

fn flat<R: Into<Failure>>(out: Result<Value, Error<Fault, R>>) -> Reply {
    out.map_err(|error| match error {
        Error::Refused(refusal) => refusal.into(),
        Error::Inner(fault) => Failure::Op(fault),
    })
}

struct Guard;

struct AsPolicy;

struct AsService;

struct AsTower;

macro_rules! faces {
    ($($mechanism:ty),+) => {$(
        impl Face<$mechanism> for PlainCall {
            fn call(limit: $mechanism, op: Op) -> Call {
                Box::pin(async move { flat(limit.call(|| op.begin(Cx::new())).await) })
            }

            fn at_once(limit: &$mechanism, op: &Op) -> Result<Reply, Unsupported> {
                ready_at_once(limit.call(|| op.begin(Cx::new()))).map(flat)
            }
        }

        impl Face<$mechanism> for AsPolicy {
            fn call(limit: $mechanism, op: Op) -> Call {
                Box::pin(async move { limit.run(Cx::new(), |cx| run(&op, cx)).await })
            }

            fn at_once(limit: &$mechanism, op: &Op) -> Result<Reply, Unsupported> {
                ready_at_once(limit.run(Cx::new(), |cx| run(op, cx)))
            }
        }

        impl Face<$mechanism> for AsService {
            fn call(limit: $mechanism, op: Op) -> Call {
                let service = limit.service(FarSide);
                Box::pin(async move { service.call(Request::new(&op)).await })
            }

            fn at_once(limit: &$mechanism, op: &Op) -> Result<Reply, Unsupported> {
                ready_at_once(limit.service(FarSide).call(Request::new(op)))
            }
        }

        impl Face<$mechanism> for AsTower {
            fn call(limit: $mechanism, op: Op) -> Call {
                let request = Request::new(&op);
                tower_call(limit.layer(TowerFarSide::new(&op)), request)
            }

            fn at_once(limit: &$mechanism, op: &Op) -> Result<Reply, Unsupported> {
                tower_at_once(limit.layer(TowerFarSide::new(op)), Request::new(op))
            }
        }
    )+};
}

faces!(Pacing, Bounding, Adapting);

impl Face<Pacing> for Guard {
    const READS_OUTCOMES: bool = false;

    fn call(limit: Pacing, op: Op) -> Call {
        Box::pin(async move {
            limit.try_acquire(1)?;
            Ok(op.begin(Cx::new()).await?)
        })
    }

    fn at_once(limit: &Pacing, op: &Op) -> Result<Reply, Unsupported> {
        ready_at_once(async {
            limit.try_acquire(1)?;
            Ok(op.begin(Cx::new()).await?)
        })
    }
}

impl Face<Bounding> for Guard {
    fn call(limit: Bounding, op: Op) -> Call {
        Box::pin(async move {
            let _permit = limit.acquire().await?;
            Ok(op.begin(Cx::new()).await?)
        })
    }

    fn call_with_body(limit: Bounding, op: Op) -> Result<Call<Result<Body, Failure>>, Unsupported> {
        Ok(Box::pin(async move {
            let permit = limit.acquire().await?;
            let value = op.begin(Cx::new()).await?;
            let body: Body = Box::new(permit.hold(value));
            Ok(body)
        }))
    }

    fn at_once(limit: &Bounding, op: &Op) -> Result<Reply, Unsupported> {
        ready_at_once(async {
            let _permit = limit.acquire().await?;
            Ok(op.begin(Cx::new()).await?)
        })
    }
}

impl Guard {
    async fn adapted(limit: &Adapting, op: &Op) -> Reply {
        let permit = limit.acquire().await?;
        let out = op.begin(Cx::new()).await;
        let sample: Sample = ByVerdict.sample(&out);
        permit.record(sample);
        Ok(out?)
    }
}

impl Face<Adapting> for Guard {
    fn call(limit: Adapting, op: Op) -> Call {
        Box::pin(async move { Self::adapted(&limit, &op).await })
    }

    fn at_once(limit: &Adapting, op: &Op) -> Result<Reply, Unsupported> {
        ready_at_once(Self::adapted(limit, op))
    }
}

struct Subject<M, F> {
    limit: M,
    face: PhantomData<F>,
}

fn rate_limit<F: Face<Pacing>>(
    settings: &RateSettings,
    time: &Time,
) -> Result<Box<dyn RateLimitSubject>, Refusal> {
    Ok(Box::new(Subject {
        limit: pacing(settings, time)?,
        face: PhantomData::<F>,
    }))
}

/// A rate limiter with the suite's settings, which refuses and does not wait.
pub(crate) fn pacing(settings: &RateSettings, time: &Time) -> Result<Pacing, Refusal> {
    let limit = RateLimiter::with_clock(rate_config(settings), time.clone())?;
    Ok(limit.classify_by(ByVerdict))
}

/// The suite's settings in the rate limiter's words.
pub(crate) fn rate_config(settings: &RateSettings) -> RateLimitConfig {
    let quota = Quota::new(u64::from(settings.limit), settings.period);
    RateLimitConfig::new()
        .requests(quota)
        .max_wait(Duration::ZERO)
}

fn bulkhead<F: Face<Bounding>>(
    settings: &BulkheadSettings,
    time: &Time,
) -> Result<Box<dyn BulkheadSubject>, Refusal> {
    Ok(Box::new(Subject {
        limit: bounding(settings, time)?,
        face: PhantomData::<F>,
    }))
}

/// A bulkhead with the suite's settings.
pub(crate) fn bounding(settings: &BulkheadSettings, time: &Time) -> Result<Bounding, Refusal> {
    Ok(Bulkhead::with_clock(
        bulkhead_config(settings),
        time.clone(),
    )?)
}

/// The suite's settings in the bulkhead's words.
pub(crate) fn bulkhead_config(settings: &BulkheadSettings) -> BulkheadConfig {
    BulkheadConfig::new()
        .max_concurrent(settings.limit)
        .max_queue(settings.queue)
        .max_wait(settings.max_wait.unwrap_or(LONG))
}

fn adaptive<F: Face<Adapting>>(
    settings: &AdaptiveSettings,
    time: &Time,
) -> Result<Box<dyn AdaptiveSubject>, Refusal> {
    let config = AdaptiveConfig::new()
        .initial(settings.initial)
        .min(settings.min)
        .max(settings.max)
        .max_queue(0);
    let limit = AdaptiveLimit::with_clock(config, time.clone())?;
    Ok(Box::new(Subject {
        limit: limit.classify_by(ByVerdict),
        face: PhantomData::<F>,
    }))
}

impl<F: Face<Pacing>> RateLimitSubject for Subject<Pacing, F> {
    fn call(&self, op: &Op) -> Call {
        F::call(self.limit.clone(), op.clone())
    }

    fn sibling(&self) -> Box<dyn RateLimitSubject> {
        Box::new(Self {
            limit: self.limit.clone(),
            face: PhantomData,
        })
    }

    fn pause(&self, wait: Duration) -> Result<(), Unsupported> {
        self.limit.pause_for(wait);
        Ok(())
    }

    fn reads_outcomes(&self) -> bool {
        F::READS_OUTCOMES
    }

    fn at_once(&self, op: &Op) -> Result<Reply, Unsupported> {
        F::at_once(&self.limit, op)
    }
}

impl<F: Face<Bounding>> BulkheadSubject for Subject<Bounding, F> {
    fn call(&self, op: &Op) -> Call {
        F::call(self.limit.clone(), op.clone())
    }

    fn sibling(&self) -> Box<dyn BulkheadSubject> {
        Box::new(Self {
            limit: self.limit.clone(),
            face: PhantomData,
        })
    }

    fn call_with_body(&self, op: &Op) -> Result<Call<Result<Body, Failure>>, Unsupported> {
        F::call_with_body(self.limit.clone(), op.clone())
    }

    fn at_once(&self, op: &Op) -> Result<Reply, Unsupported> {
        F::at_once(&self.limit, op)
    }
}

impl<F: Face<Adapting>> AdaptiveSubject for Subject<Adapting, F> {
    fn call(&self, op: &Op) -> Call {
        F::call(self.limit.clone(), op.clone())
    }

    fn limit(&self) -> usize {
        self.limit.limit()
    }

    fn at_once(&self, op: &Op) -> Result<Reply, Unsupported> {
        F::at_once(&self.limit, op)
    }
}
