//! The faces of the timeout.

use std::marker::PhantomData;
use std::time::Duration;

use contexter_conformance::resilience::{
    Call, Failure, Fault, Op, Reply, Suite, Time, TimeoutSubject, Value, ready_at_once,
};
use contexter_conformance::{Refusal, Unsupported};
use contexter_service::{Cx, Policy, Service};
use contexter_timeout::{Error, Timeout};
use tower_layer::Layer;

use crate::far_side::{FarSide, Request, TowerFarSide, run, tower_at_once, tower_call};

type Timing = Timeout<Time>;

pub(crate) fn add_to(suite: &mut Suite) {
    suite.timeout("call", build::<PlainCall>);
    suite.timeout("policy", build::<AsPolicy>);
    suite.timeout("service", build::<AsService>);
    suite.timeout("tower", build::<AsTower>);
}

/// One face: how a call is made through it.
trait Face: Send + Sync + 'static {
    /// Whether the deadline of a context reaches it.
    const TAKES_DEADLINE: bool = false;

    fn call(timeout: Timing, cx: Cx, op: Op) -> Call;

    fn at_once(timeout: &Timing, op: &Op) -> Result<Reply, Unsupported>;
}

struct PlainCall;

fn flat(out: Result<Value, Error<Fault>>) -> Reply {
    out.map_err(|error| match error {
        Error::Elapsed(elapsed) => Failure::Elapsed(elapsed),
        Error::Inner(fault) => Failure::Op(fault),
    })
}

impl Face for PlainCall {
    fn call(timeout: Timing, cx: Cx, op: Op) -> Call {
        Box::pin(async move { flat(timeout.call(|| op.begin(cx)).await) })
    }

    fn at_once(timeout: &Timing, op: &Op) -> Result<Reply, Unsupported> {
        ready_at_once(timeout.call(|| op.begin(Cx::new()))).map(flat)
    }
}

struct AsPolicy;

impl Face for AsPolicy {
    const TAKES_DEADLINE: bool = true;

    fn call(timeout: Timing, cx: Cx, op: Op) -> Call {
        Box::pin(async move { timeout.run(cx, |cx| run(&op, cx)).await })
    }

    fn at_once(timeout: &Timing, op: &Op) -> Result<Reply, Unsupported> {
        ready_at_once(timeout.run(Cx::new(), |cx| run(op, cx)))
    }
}

struct AsService;

impl Face for AsService {
    fn call(timeout: Timing, cx: Cx, op: Op) -> Call {
        let service = timeout.service(FarSide);
        Box::pin(async move { service.call(Request::with(&op, cx)).await })
    }

    fn at_once(timeout: &Timing, op: &Op) -> Result<Reply, Unsupported> {
        ready_at_once(timeout.service(FarSide).call(Request::new(op)))
    }
}

struct AsTower;

impl Face for AsTower {
    fn call(timeout: Timing, cx: Cx, op: Op) -> Call {
        tower_call(
            timeout.layer(TowerFarSide::new(&op)),
            Request::with(&op, cx),
        )
    }

    fn at_once(timeout: &Timing, op: &Op) -> Result<Reply, Unsupported> {
        tower_at_once(timeout.layer(TowerFarSide::new(op)), Request::new(op))
    }
}

struct Subject<F> {
    timeout: Timing,
    face: PhantomData<F>,
}

fn build<F: Face>(limit: &Duration, time: &Time) -> Result<Box<dyn TimeoutSubject>, Refusal> {
    Ok(Box::new(Subject {
        timeout: Timeout::with_timer(*limit, time.clone())?,
        face: PhantomData::<F>,
    }))
}

impl<F: Face> TimeoutSubject for Subject<F> {
    fn call(&self, cx: Cx, op: &Op) -> Result<Call, Unsupported> {
        if cx.deadline().is_some() && !F::TAKES_DEADLINE {
            return Err(Unsupported::new(
                "carries no context: a deadline above it is the timeout of whoever set it",
            ));
        }
        Ok(F::call(self.timeout.clone(), cx, op.clone()))
    }

    fn at_once(&self, op: &Op) -> Result<Reply, Unsupported> {
        F::at_once(&self.timeout, op)
    }
}
