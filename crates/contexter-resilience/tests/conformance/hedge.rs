//! The faces of the hedge.

use std::marker::PhantomData;

use contexter_conformance::resilience::{
    Call, Failure, HedgeSettings, HedgeSubject, Op, Reply, Suite, Time, ready_at_once,
};
use contexter_conformance::{Refusal, Unsupported};
use contexter_retry::{Hedge, HedgeConfig, HedgeService};
use contexter_service::{ByVerdict, Cx, Policy, Service};
use tower_layer::Layer;

use crate::far_side::{ByRequest, FarSide, Request, TowerFarSide, run, tower_at_once, tower_call};
use crate::retry::budget;

pub(crate) type Hedging = Hedge<Time, ByVerdict>;

pub(crate) fn add_to(suite: &mut Suite) {
    suite.hedge("call", build::<PlainCall>);
    suite.hedge("policy", build::<AsPolicy>);
    suite.hedge("service", build::<AsService>);
    suite.hedge("tower", build::<AsTower>);
}

/// One face: how a call is made through it.
trait Face: Send + Sync + 'static {
    const READIES: bool = false;

    fn call(hedge: Hedging, cx: Cx, op: Op) -> Call;

    fn at_once(hedge: &Hedging, op: &Op) -> Result<Reply, Unsupported>;
}

struct PlainCall;

impl Face for PlainCall {
    fn call(hedge: Hedging, cx: Cx, op: Op) -> Call {
        Box::pin(async move {
            let out = hedge.call_with(cx, |cx| op.begin(cx)).await;
            out.map_err(Failure::Op)
        })
    }

    fn at_once(hedge: &Hedging, op: &Op) -> Result<Reply, Unsupported> {
        ready_at_once(hedge.call(|| op.begin(Cx::new()))).map(|out| out.map_err(Failure::Op))
    }
}

struct AsPolicy;

impl Face for AsPolicy {
    fn call(hedge: Hedging, cx: Cx, op: Op) -> Call {
        Box::pin(async move { hedge.run(cx, |cx| run(&op, cx)).await })
    }

    fn at_once(hedge: &Hedging, op: &Op) -> Result<Reply, Unsupported> {
        ready_at_once(hedge.run(Cx::new(), |cx| run(op, cx)))
    }
}

struct AsService;

impl Face for AsService {
    fn call(hedge: Hedging, cx: Cx, op: Op) -> Call {
        let service = hedge.service(FarSide).repeat_by(ByRequest);
        Box::pin(async move { service.call(Request::with(&op, cx)).await })
    }

    fn at_once(hedge: &Hedging, op: &Op) -> Result<Reply, Unsupported> {
        let service = hedge.service(FarSide).repeat_by(ByRequest);
        ready_at_once(service.call(Request::new(op)))
    }
}

struct AsTower;

impl AsTower {
    fn service(hedge: &Hedging, op: &Op) -> HedgeService<TowerFarSide, Time, ByVerdict, ByRequest> {
        hedge.layer(TowerFarSide::new(op)).repeat_by(ByRequest)
    }
}

impl Face for AsTower {
    const READIES: bool = true;

    fn call(hedge: Hedging, cx: Cx, op: Op) -> Call {
        tower_call(Self::service(&hedge, &op), Request::with(&op, cx))
    }

    fn at_once(hedge: &Hedging, op: &Op) -> Result<Reply, Unsupported> {
        tower_at_once(Self::service(hedge, op), Request::new(op))
    }
}

struct Subject<F> {
    hedge: Hedging,
    face: PhantomData<F>,
}

fn build<F: Face>(settings: &HedgeSettings, time: &Time) -> Result<Box<dyn HedgeSubject>, Refusal> {
    Ok(Box::new(Subject {
        hedge: hedging(settings, time)?,
        face: PhantomData::<F>,
    }))
}

/// A hedge with the suite's settings.
pub(crate) fn hedging(settings: &HedgeSettings, time: &Time) -> Result<Hedging, Refusal> {
    Ok(Hedge::with_timer(config(settings), time.clone())?.classify_by(ByVerdict))
}

/// The suite's settings in the hedge's words.
pub(crate) fn config(settings: &HedgeSettings) -> HedgeConfig {
    let mut config = HedgeConfig::new()
        .delay(settings.delay)
        .max_attempts(settings.max_attempts);
    if let Some(settings) = settings.budget {
        config = config.budget(budget(settings));
    }
    config
}

impl<F: Face> HedgeSubject for Subject<F> {
    fn call(&self, cx: Cx, op: &Op) -> Result<Call, Unsupported> {
        Ok(F::call(self.hedge.clone(), cx, op.clone()))
    }

    fn at_once(&self, op: &Op) -> Result<Reply, Unsupported> {
        F::at_once(&self.hedge, op)
    }

    fn readies(&self) -> bool {
        F::READIES
    }
}
