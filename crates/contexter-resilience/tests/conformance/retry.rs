//! The faces of the retry.

use std::marker::PhantomData;
use std::time::{Duration, SystemTime};

use contexter_conformance::resilience::{
    BudgetSettings, Call, Failure, Op, Reply, RetrySettings, RetrySubject, Suite, Time, WaitHeader,
    ready_at_once,
};
use contexter_conformance::{Refusal, Unsupported};
use contexter_retry::{
    BudgetConfig, Config, Retry, RetryService, parse_retry_after, parse_retry_after_ms,
};
use contexter_service::{ByVerdict, Cx, Policy, Service};
use tower_layer::Layer;

use crate::far_side::{ByRequest, FarSide, Request, TowerFarSide, run, tower_at_once, tower_call};

pub(crate) type Retrying = Retry<Time, ByVerdict>;

pub(crate) fn add_to(suite: &mut Suite) {
    suite.retry("call", build::<PlainCall>);
    suite.retry("policy", build::<AsPolicy>);
    suite.retry("service", build::<AsService>);
    suite.retry("tower", build::<AsTower>);
}

/// One face: how a call is made through it.
trait Face: Send + Sync + 'static {
    const READIES: bool = false;

    fn call(retry: Retrying, cx: Cx, op: Op) -> Call;

    fn counted(retry: Retrying, cx: Cx, op: Op) -> Result<Call<(Reply, u32)>, Unsupported> {
        let _ = (retry, cx, op);
        Err(Unsupported::new(
            "tells the number of attempts to each attempt, not to the caller",
        ))
    }

    fn at_once(retry: &Retrying, op: &Op) -> Result<Reply, Unsupported>;
}

struct PlainCall;

impl Face for PlainCall {
    fn call(retry: Retrying, cx: Cx, op: Op) -> Call {
        Box::pin(async move {
            let out = retry.call_with(cx, |cx| op.begin(cx)).await;
            out.map_err(Failure::Op)
        })
    }

    fn counted(retry: Retrying, cx: Cx, op: Op) -> Result<Call<(Reply, u32)>, Unsupported> {
        Ok(Box::pin(async move {
            let (out, attempts) = retry.call_with(cx, |cx| op.begin(cx)).counted().await;
            (out.map_err(Failure::Op), attempts)
        }))
    }

    fn at_once(retry: &Retrying, op: &Op) -> Result<Reply, Unsupported> {
        ready_at_once(retry.call(|| op.begin(Cx::new()))).map(|out| out.map_err(Failure::Op))
    }
}

struct AsPolicy;

impl Face for AsPolicy {
    fn call(retry: Retrying, cx: Cx, op: Op) -> Call {
        Box::pin(async move { retry.run(cx, |cx| run(&op, cx)).await })
    }

    fn at_once(retry: &Retrying, op: &Op) -> Result<Reply, Unsupported> {
        ready_at_once(retry.run(Cx::new(), |cx| run(op, cx)))
    }
}

struct AsService;

impl Face for AsService {
    fn call(retry: Retrying, cx: Cx, op: Op) -> Call {
        let service = retry.service(FarSide).repeat_by(ByRequest);
        Box::pin(async move { service.call(Request::with(&op, cx)).await })
    }

    fn at_once(retry: &Retrying, op: &Op) -> Result<Reply, Unsupported> {
        let service = retry.service(FarSide).repeat_by(ByRequest);
        ready_at_once(service.call(Request::new(op)))
    }
}

struct AsTower;

impl AsTower {
    fn service(
        retry: &Retrying,
        op: &Op,
    ) -> RetryService<TowerFarSide, Time, ByVerdict, ByRequest> {
        retry.layer(TowerFarSide::new(op)).repeat_by(ByRequest)
    }
}

impl Face for AsTower {
    const READIES: bool = true;

    fn call(retry: Retrying, cx: Cx, op: Op) -> Call {
        tower_call(Self::service(&retry, &op), Request::with(&op, cx))
    }

    fn at_once(retry: &Retrying, op: &Op) -> Result<Reply, Unsupported> {
        tower_at_once(Self::service(retry, op), Request::new(op))
    }
}

struct Subject<F> {
    retry: Retrying,
    face: PhantomData<F>,
}

fn build<F: Face>(settings: &RetrySettings, time: &Time) -> Result<Box<dyn RetrySubject>, Refusal> {
    Ok(Box::new(Subject {
        retry: retrying(settings, time)?,
        face: PhantomData::<F>,
    }))
}

/// A retry with the suite's settings.
pub(crate) fn retrying(settings: &RetrySettings, time: &Time) -> Result<Retrying, Refusal> {
    Ok(Retry::with_timer(config(settings), time.clone())?.classify_by(ByVerdict))
}

/// The suite's settings in the retry's words.
pub(crate) fn config(settings: &RetrySettings) -> Config {
    let mut config = Config::new()
        .max_attempts(settings.max_attempts)
        .base_delay(settings.base)
        .max_delay(settings.cap)
        .backoff_multiplier(settings.factor)
        .jitter(settings.jitter)
        .max_retry_after(settings.max_retry_after);
    if let Some(limit) = settings.max_elapsed {
        config = config.max_elapsed(limit);
    }
    if let Some(seed) = settings.seed {
        config = config.seed(seed);
    }
    if let Some(settings) = settings.budget {
        config = config.budget(budget(settings));
    }
    config
}

/// The suite's budget in the retry's words.
pub(crate) fn budget(settings: BudgetSettings) -> BudgetConfig {
    BudgetConfig::new()
        .ratio(settings.ratio)
        .reserve(settings.reserve)
        .max_tokens(settings.reserve.max(1_000))
}

impl<F: Face> RetrySubject for Subject<F> {
    fn call(&self, cx: Cx, op: &Op) -> Result<Call, Unsupported> {
        Ok(F::call(self.retry.clone(), cx, op.clone()))
    }

    fn sibling(&self) -> Box<dyn RetrySubject> {
        Box::new(Self {
            retry: self.retry.clone(),
            face: PhantomData,
        })
    }

    fn counted(&self, cx: Cx, op: &Op) -> Result<Call<(Reply, u32)>, Unsupported> {
        F::counted(self.retry.clone(), cx, op.clone())
    }

    fn read_wait(
        &self,
        header: WaitHeader<'_>,
        now: SystemTime,
    ) -> Result<Option<Duration>, Unsupported> {
        Ok(match header {
            WaitHeader::RetryAfter(value) => parse_retry_after(value, now),
            WaitHeader::RetryAfterMs(value) => parse_retry_after_ms(value),
        })
    }

    fn exhaustions(&self) -> Result<u64, Unsupported> {
        let budget = self.retry.budget();
        let exhausted = budget.and_then(|budget| budget.snapshot().counter("exhausted"));
        exhausted.ok_or_else(|| Unsupported::new("counts no budget that is used up"))
    }

    fn at_once(&self, op: &Op) -> Result<Reply, Unsupported> {
        F::at_once(&self.retry, op)
    }

    fn readies(&self) -> bool {
        F::READIES
    }
}
