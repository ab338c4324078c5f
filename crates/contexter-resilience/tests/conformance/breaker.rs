//! The faces of the breaker.

use std::marker::PhantomData;

use contexter_breaker::{Abandoned, Breaker, Config, Error, Window};
use contexter_conformance::resilience::{
    Abandonment, BreakerSettings, BreakerSubject, Call, Failure, Fault, Listener, Op, Reply, Suite,
    Time, Trip, Value, ready_at_once,
};
use contexter_conformance::{Refusal, Unsupported};
use contexter_service::{BreakerState, ByVerdict, Classify, Cx, Policy, Sample, Service};
use tower_layer::Layer;

use crate::far_side::{FarSide, Request, TowerFarSide, run, tower_at_once, tower_call};
use crate::gauges::Gauges;

pub(crate) type Guarding = Breaker<Time, ByVerdict>;

pub(crate) fn add_to(suite: &mut Suite) {
    suite.breaker("call", build::<PlainCall>);
    suite.breaker("guard", build::<Guard>);
    suite.breaker("policy", build::<AsPolicy>);
    suite.breaker("service", build::<AsService>);
    suite.breaker("tower", build::<AsTower>);
}

/// One face: how a call is made through it.
trait Face: Send + Sync + 'static {
    const READIES: bool = false;

    fn call(breaker: Guarding, op: Op) -> Call;

    fn at_once(breaker: &Guarding, op: &Op) -> Result<Reply, Unsupported>;
}

struct PlainCall;

fn flat(out: Result<Value, Error<Fault>>) -> Reply {
    out.map_err(|error| match error {
        Error::Open(open) => Failure::Open(open),
        Error::Inner(fault) => Failure::Op(fault),
    })
}

impl Face for PlainCall {
    fn call(breaker: Guarding, op: Op) -> Call {
        Box::pin(async move { flat(breaker.call(|| op.begin(Cx::new())).await) })
    }

    fn at_once(breaker: &Guarding, op: &Op) -> Result<Reply, Unsupported> {
        ready_at_once(breaker.call(|| op.begin(Cx::new()))).map(flat)
    }
}

struct Guard;

impl Guard {
    async fn guarded(breaker: &Guarding, op: &Op) -> Reply {
        let permit = breaker.try_acquire()?;
        let out = op.begin(Cx::new()).await;
        let sample: Sample = ByVerdict.sample(&out);
        permit.record(sample);
        Ok(out?)
    }
}

impl Face for Guard {
    fn call(breaker: Guarding, op: Op) -> Call {
        Box::pin(async move { Self::guarded(&breaker, &op).await })
    }

    fn at_once(breaker: &Guarding, op: &Op) -> Result<Reply, Unsupported> {
        ready_at_once(Self::guarded(breaker, op))
    }
}

struct AsPolicy;

impl Face for AsPolicy {
    fn call(breaker: Guarding, op: Op) -> Call {
        Box::pin(async move { breaker.run(Cx::new(), |cx| run(&op, cx)).await })
    }

    fn at_once(breaker: &Guarding, op: &Op) -> Result<Reply, Unsupported> {
        ready_at_once(breaker.run(Cx::new(), |cx| run(op, cx)))
    }
}

struct AsService;

impl Face for AsService {
    fn call(breaker: Guarding, op: Op) -> Call {
        let service = breaker.service(FarSide);
        Box::pin(async move { service.call(Request::new(&op)).await })
    }

    fn at_once(breaker: &Guarding, op: &Op) -> Result<Reply, Unsupported> {
        ready_at_once(breaker.service(FarSide).call(Request::new(op)))
    }
}

struct AsTower;

impl Face for AsTower {
    const READIES: bool = true;

    fn call(breaker: Guarding, op: Op) -> Call {
        let request = Request::new(&op);
        tower_call(breaker.layer(TowerFarSide::new(&op)), request)
    }

    fn at_once(breaker: &Guarding, op: &Op) -> Result<Reply, Unsupported> {
        tower_at_once(breaker.layer(TowerFarSide::new(op)), Request::new(op))
    }
}

struct Subject<F> {
    breaker: Guarding,
    gauges: Gauges,
    face: PhantomData<F>,
}

fn build<F: Face>(
    settings: &BreakerSettings,
    time: &Time,
) -> Result<Box<dyn BreakerSubject>, Refusal> {
    let breaker = guarding(settings, time)?;
    let gauges = Gauges::default();
    let breaker = metrics::with_local_recorder(&gauges, || breaker.named("conformance"));
    Ok(Box::new(Subject {
        breaker,
        gauges,
        face: PhantomData::<F>,
    }))
}

/// A breaker with the suite's settings.
pub(crate) fn guarding(settings: &BreakerSettings, time: &Time) -> Result<Guarding, Refusal> {
    let breaker = Breaker::with_clock(config(settings)?, time.clone())?;
    Ok(breaker.classify_by(ByVerdict))
}

/// Tells another breaker's face of the suite, as the plain call.
pub(crate) fn subject_of(breaker: Guarding) -> Box<dyn BreakerSubject> {
    Box::new(Subject {
        breaker,
        gauges: Gauges::default(),
        face: PhantomData::<PlainCall>,
    })
}

/// The suite's settings in the breaker's words.
pub(crate) fn config(settings: &BreakerSettings) -> Result<Config, Refusal> {
    let config = match settings.trip {
        // The defaults of the breaker, all of them.
        Trip::Default => return Ok(Config::new()),
        Trip::Streak(failures) => Config::new().failure_threshold(failures),
        Trip::CountWindow {
            size,
            minimum,
            rate,
        } => Config::new()
            .window(Window::Calls(size))
            .minimum_calls(minimum)
            .failure_rate(rate),
        Trip::TimeWindow {
            length,
            minimum,
            rate,
        } => Config::new()
            .window(Window::Time(length))
            .minimum_calls(minimum)
            .failure_rate(rate),
        _ => return Err(Refusal::unsupported("knows no such reason to open")),
    };
    let mut config = config
        .recovery_timeout(settings.break_for)
        .permitted_probes(settings.probes)
        .success_threshold(settings.successes)
        .abandoned(match settings.abandoned {
            Abandonment::Ignore => Abandoned::Neutral,
            Abandonment::Failure => Abandoned::Failure,
        });
    if let Some(slow) = settings.slow {
        config = config.slow_call(slow.threshold).slow_call_rate(slow.rate);
    }
    if let Some(growth) = settings.growth {
        config = config
            .recovery_multiplier(growth.factor)
            .max_recovery_timeout(growth.cap)
            .recovery_jitter(growth.jitter);
    }
    if let Some(limit) = settings.half_open_for {
        config = config.max_half_open(limit);
    }
    Ok(config)
}

impl<F: Face> BreakerSubject for Subject<F> {
    fn call(&self, op: &Op) -> Call {
        self.gauges.hear(F::call(self.breaker.clone(), op.clone()))
    }

    fn sibling(&self) -> Box<dyn BreakerSubject> {
        Box::new(Self {
            breaker: self.breaker.clone(),
            gauges: self.gauges.clone(),
            face: PhantomData,
        })
    }

    fn state(&self) -> Result<BreakerState, Unsupported> {
        Ok(self.breaker.state())
    }

    fn failures(&self) -> Result<u64, Unsupported> {
        Ok(u64::from(self.breaker.failure_count()))
    }

    fn isolate(&self) -> Result<(), Unsupported> {
        self.breaker.isolate();
        Ok(())
    }

    fn force_close(&self) -> Result<(), Unsupported> {
        self.breaker.force_close();
        Ok(())
    }

    fn release(&self) -> Result<(), Unsupported> {
        self.breaker.release();
        Ok(())
    }

    fn reconfigure(&self, settings: &BreakerSettings) -> Result<(), Refusal> {
        Ok(self.breaker.reconfigure(config(settings)?)?)
    }

    fn listen(&self, listener: Listener) -> Result<(), Unsupported> {
        // Listeners belong to the breaker, not to the handle.
        let _heard = self
            .breaker
            .clone()
            .on_transition(move |transition| listener(transition.from, transition.to));
        Ok(())
    }

    fn gauges(&self) -> Result<Vec<(BreakerState, f64)>, Unsupported> {
        Ok(self.gauges.values())
    }

    fn at_once(&self, op: &Op) -> Result<Reply, Unsupported> {
        F::at_once(&self.breaker, op)
    }

    fn readies(&self) -> bool {
        F::READIES
    }
}
