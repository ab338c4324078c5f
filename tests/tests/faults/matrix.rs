//! Runs every call under every fault.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use contexter_adapter::ServiceAdapter;
use contexter_model::{Error, ErrorKind};
use contexter_sandbox::{Fault, FaultScript, Rule, Sandbox, Server};
use contexter_service::{Capability, Service as _};
use futures_util::stream::{self, StreamExt as _};

use crate::cases::Case;
use crate::leaks;

/// How long one attempt of a call may take, as the adapters are configured here.
pub(crate) const ATTEMPT: Duration = Duration::from_millis(500);

/// The same where no fault is injected, and nothing is to be learned from a machine that is busy.
pub(crate) const PATIENT: Duration = Duration::from_secs(30);

/// Returns how long a call may take whose attempts take so long.
pub(crate) fn deadline(attempt: Duration) -> Duration {
    attempt.saturating_mul(6)
}

/// After which a call hangs: ten times its deadline, for what a busy machine adds.
const HANGS: Duration = Duration::from_secs(30);

type Outcome = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// One call of an adapter, which checks its own result.
pub(crate) struct Call<A> {
    name: &'static str,
    run: Box<dyn Fn(Arc<A>) -> Outcome + Send + Sync>,
}

impl<A> Call<A> {
    pub(crate) fn new<F, O>(name: &'static str, run: F) -> Self
    where
        F: Fn(Arc<A>) -> O + Send + Sync + 'static,
        O: Future<Output = Result<(), Error>> + Send + 'static,
    {
        Self {
            name,
            run: Box::new(move |adapter| Box::pin(run(adapter))),
        }
    }
}

impl<A: ServiceAdapter + 'static> Call<A> {
    /// A request that the adapter is able to serve.
    pub(crate) fn ask<R>(
        name: &'static str,
        request: R,
        check: fn(R::Response) -> Result<(), Error>,
    ) -> Self
    where
        R: Capability<Error = Error> + Clone + Send + Sync + 'static,
    {
        Self::new(name, move |adapter| {
            let request = request.clone();
            async move {
                let handle = adapter.capabilities().handle::<R>();
                let handle = handle.unwrap_or_else(|| panic!("not able to {name}"));
                check(handle.call(request).await?)
            }
        })
    }
}

/// A sandbox with an adapter for it.
pub(crate) struct Ground<A> {
    pub(crate) sandbox: Sandbox,
    /// Makes an adapter whose attempts may take so long. Every call gets its own, so that no open
    /// breaker answers for the far side.
    pub(crate) make: Box<dyn Fn(Duration) -> A + Send + Sync>,
    pub(crate) calls: Vec<Call<A>>,
}

/// How many calls are tried out at a time, each on a ground of its own.
const AT_ONCE: usize = 6;

/// Runs every call under every fault, first while the fault lasts, then with a fault that passes.
pub(crate) async fn run<A, F, O>(server: Server, cases: &[Case], ground: F)
where
    A: ServiceAdapter + Debug + 'static,
    F: Fn() -> O,
    O: Future<Output = Ground<A>>,
{
    run_where(
        Where {
            server,
            method: None,
        },
        cases,
        ground,
    )
    .await;
}

/// Which requests are under a fault.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Where {
    pub(crate) server: Server,
    /// All of them, if there is none.
    pub(crate) method: Option<&'static str>,
}

impl Where {
    fn rule(self, fault: &Fault) -> Rule {
        let rule = Rule::new(fault.clone()).server(self.server);
        match self.method {
            Some(method) => rule.method(method),
            None => rule,
        }
    }
}

/// The same, with faults of some requests alone.
pub(crate) async fn run_where<A, F, O>(place: Where, cases: &[Case], ground: F)
where
    A: ServiceAdapter + Debug + 'static,
    F: Fn() -> O,
    O: Future<Output = Ground<A>>,
{
    leaks::watch();
    let first = ground().await;
    leaks::check_debug(&(first.make)(PATIENT));
    let health = health_under_faults(&first, place, cases);
    let count = first.calls.len();
    let ground = &ground;
    let calls = stream::iter(0..count).map(|number| async move {
        let ground = ground().await;
        call_under_faults(&ground, place, cases, &ground.calls[number]).await
    });
    let calls = calls.buffer_unordered(AT_ONCE).concat();
    let ((), wrong) = tokio::join!(health, calls);
    assert!(
        wrong.is_empty(),
        "{} cells:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    leaks::assert_none();
}

/// Returns what was wrong with one call, one line a cell.
async fn call_under_faults<A>(
    ground: &Ground<A>,
    place: Where,
    cases: &[Case],
    call: &Call<A>,
) -> Vec<String>
where
    A: ServiceAdapter + Debug + 'static,
{
    let sandbox = &ground.sandbox;
    let server = place.server;
    let mut wrong = Vec::new();
    match attempt(ground, call, PATIENT).await {
        Ended::Done(Ok(())) => {}
        other => wrong.push(format!("{server} {} without a fault: {other:?}", call.name)),
    }
    for case in cases {
        for times in [None, Some(1)] {
            let mut rule = place.rule(&case.fault);
            rule.times = times;
            let script = FaultScript::new().rule(rule);
            sandbox.faults().replace(script).unwrap();
            let before = sandbox.faults().injected();
            let shown = format!("{server} {} under {} ({times:?})", call.name, case.name);
            // Where a timeout is no good answer, a busy machine gets the time that it takes.
            let hurried = case.kinds.contains(&ErrorKind::Timeout);
            let limit = if hurried { ATTEMPT } else { PATIENT };
            let ended = attempt(ground, call, limit).await;
            // Then the call may have been given up before it reached the fault.
            let gave_up = matches!(
                &ended,
                Ended::Done(Err(error)) if error.kind() == ErrorKind::Timeout
            );
            match ended {
                Ended::Done(Ok(())) => {}
                Ended::Done(Err(error)) => {
                    leaks::check_error(&error);
                    if !case.kinds.contains(&error.kind()) {
                        wrong.push(format!("{shown}: {:?}: {error}", error.kind()));
                    }
                    // A mechanism of the stack does not know what it guards.
                    if error.service().is_none() && error.kind() != ErrorKind::Timeout {
                        wrong.push(format!("{shown}: names no service: {error}"));
                    }
                }
                other => wrong.push(format!("{shown}: {other:?}")),
            }
            if !gave_up && sandbox.faults().injected() == before {
                wrong.push(format!("{shown}: the fault did not happen"));
            }
        }
    }
    wrong
}

/// The health check is a call as well, whose error is a text.
async fn health_under_faults<A>(ground: &Ground<A>, place: Where, cases: &[Case])
where
    A: ServiceAdapter + Debug,
{
    for case in cases {
        let script = FaultScript::new().rule(place.rule(&case.fault));
        ground.sandbox.faults().replace(script).unwrap();
        let adapter = (ground.make)(ATTEMPT);
        // The caller bounds its time, as the registry does.
        let health = tokio::time::timeout(deadline(ATTEMPT), adapter.health_check()).await;
        leaks::check_debug(&health);
        leaks::check_debug(&adapter);
    }
}

/// How a call ended.
#[derive(Debug)]
enum Ended {
    Done(Result<(), Error>),
    /// It claimed success with a result that is none, or the adapter panicked; the output says where.
    Wrong,
    /// It did not.
    Hangs,
}

async fn attempt<A: 'static>(ground: &Ground<A>, call: &Call<A>, limit: Duration) -> Ended {
    let outcome = (call.run)(Arc::new((ground.make)(limit)));
    let task = tokio::spawn(tokio::time::timeout(HANGS, outcome));
    match task.await {
        Ok(Ok(outcome)) => Ended::Done(outcome),
        Ok(Err(_elapsed)) => Ended::Hangs,
        Err(_panicked) => Ended::Wrong,
    }
}
