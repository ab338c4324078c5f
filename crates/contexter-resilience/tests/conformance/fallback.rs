//! The faces of the fallback.

use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use contexter_conformance::resilience::{
    Call, Failure, FallbackSubject, Fault, Op, Recovery, Reply, Suite, Time, Value, ready_at_once,
};
use contexter_conformance::{Refusal, Unsupported};
use contexter_fallback::{Error, Fallback, FallbackService, Operation};
use contexter_service::{Both, Cx, Policy, Service};
use futures_util::TryFutureExt;
use tower_layer::Layer;

use crate::far_side::{FarSide, Ran, Request, TowerFarSide, run, tower_at_once, tower_call};

/// The fallback operation as a function of the flat error.
type Flat = Box<dyn Fn(&Failure) -> Ran + Send + Sync>;
/// The same as a function of the operation's own error.
type Plain = Box<dyn Fn(&Fault) -> Ran + Send + Sync>;

type Flattening = Fallback<Operation<Flat>>;

pub(crate) fn add_to(suite: &mut Suite) {
    suite.fallback("call", build::<PlainCall>);
    suite.fallback("policy", build::<AsPolicy>);
    suite.fallback("service", build::<AsService>);
    suite.fallback("tower", build::<AsTower>);
}

/// One face: how a call is made through it.
trait Face: Send + Sync + 'static {
    fn call(kit: &Kit, op: Op) -> Call;

    fn at_once(kit: &Kit, op: &Op) -> Result<Reply, Unsupported>;
}

/// What the faces need; services are made once, as users make them.
struct Kit {
    plain: Arc<Fallback<Operation<Plain>>>,
    flat: Flattening,
    service: Arc<FallbackService<FarSide, Operation<Flat>>>,
    tower: OnceLock<FallbackService<TowerFarSide, Operation<Flat>>>,
}

struct PlainCall;

fn flattened(out: Result<Value, Error<Fault, Failure>>) -> Reply {
    out.map_err(|error| match error {
        Error::Inner(fault) => Failure::Op(fault),
        Error::Both(Both { original, fallback }) => Both {
            original: Failure::Op(original),
            fallback,
        }
        .into(),
    })
}

impl Face for PlainCall {
    fn call(kit: &Kit, op: Op) -> Call {
        let fallback = Arc::clone(&kit.plain);
        Box::pin(async move { flattened(fallback.call(|| op.begin(Cx::new())).await) })
    }

    fn at_once(kit: &Kit, op: &Op) -> Result<Reply, Unsupported> {
        ready_at_once(kit.plain.call(|| op.begin(Cx::new()))).map(flattened)
    }
}

struct AsPolicy;

impl Face for AsPolicy {
    fn call(kit: &Kit, op: Op) -> Call {
        let fallback = kit.flat.clone();
        Box::pin(async move { fallback.run(Cx::new(), |cx| run(&op, cx)).await })
    }

    fn at_once(kit: &Kit, op: &Op) -> Result<Reply, Unsupported> {
        ready_at_once(kit.flat.run(Cx::new(), |cx| run(op, cx)))
    }
}

struct AsService;

impl Face for AsService {
    fn call(kit: &Kit, op: Op) -> Call {
        let service = Arc::clone(&kit.service);
        Box::pin(async move { service.call(Request::new(&op)).await })
    }

    fn at_once(kit: &Kit, op: &Op) -> Result<Reply, Unsupported> {
        ready_at_once(kit.service.call(Request::new(op)))
    }
}

struct AsTower;

impl Face for AsTower {
    fn call(kit: &Kit, op: Op) -> Call {
        let request = Request::new(&op);
        tower_call(kit.flat.layer(TowerFarSide::new(&op)), request)
    }

    fn at_once(kit: &Kit, op: &Op) -> Result<Reply, Unsupported> {
        let service = kit
            .tower
            .get_or_init(|| kit.flat.layer(TowerFarSide::new(op)));
        tower_at_once(service.clone(), Request::new(op))
    }
}

struct Subject<F> {
    kit: Kit,
    face: PhantomData<F>,
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "a fallback has no settings to refuse"
)]
fn build<F: Face>(recovery: &Recovery, _time: &Time) -> Result<Box<dyn FallbackSubject>, Refusal> {
    let of_fault = recovery.clone();
    let of_failure = recovery.clone();
    let plain: Plain = Box::new(move |fault| {
        of_fault
            .begin(&Failure::Op(fault.clone()))
            .map_err(Failure::Op)
    });
    let flat: Flat = Box::new(move |failure| of_failure.begin(failure).map_err(Failure::Op));
    let flat = Fallback::with(flat);
    Ok(Box::new(Subject {
        kit: Kit {
            plain: Arc::new(Fallback::with(plain)),
            service: Arc::new(flat.service(FarSide)),
            flat,
            tower: OnceLock::new(),
        },
        face: PhantomData::<F>,
    }))
}

impl<F: Face> FallbackSubject for Subject<F> {
    fn call(&self, op: &Op) -> Call {
        F::call(&self.kit, op.clone())
    }

    fn at_once(&self, op: &Op) -> Result<Reply, Unsupported> {
        F::at_once(&self.kit, op)
    }
}
