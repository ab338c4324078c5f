//! Runs every call under every fault.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use contexter_adapter::ServiceAdapter;
use contexter_model::Error;
use contexter_sandbox::{Fault, FaultScript, Rule, Sandbox, Server};
use contexter_service::{Capability, Cx, Service as _};
use futures_util::stream::{self, StreamExt as _};

use crate::cases::Case;
use crate::cells::Cells;
use crate::{elsewhere, leaks, lifecycle, panics};

/// How long one attempt of a call may take, as the adapters are configured here.
pub(crate) const ATTEMPT: Duration = Duration::from_millis(500);

/// The same where no fault is injected, and nothing is to be learned from a machine that is busy.
pub(crate) const PATIENT: Duration = Duration::from_secs(30);

/// Returns how long a call may take whose attempts take so long.
pub(crate) fn deadline(attempt: Duration) -> Duration {
    attempt.saturating_mul(6)
}

pub(crate) type Outcome = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// One call of an adapter, which checks its own result.
pub(crate) struct Call<A> {
    pub(crate) name: &'static str,
    /// How many calls it really is, one after the other.
    pub(crate) calls: u32,
    /// Whether it opens a tunnel: of a refusal to do so the HTTP library tells the fact and no header, so
    /// that a wait which is asked for only once stays unknown.
    pub(crate) opens_tunnel: bool,
    pub(crate) run: Box<dyn Fn(Arc<A>, Cx) -> Outcome + Send + Sync>,
}

impl<A> Call<A> {
    pub(crate) fn new<F, O>(name: &'static str, run: F) -> Self
    where
        F: Fn(Arc<A>) -> O + Send + Sync + 'static,
        O: Future<Output = Result<(), Error>> + Send + 'static,
    {
        Self::within(name, move |adapter, _cx| run(adapter))
    }

    /// A call that is told by when it has to end, because the adapter would give it more time.
    pub(crate) fn within<F, O>(name: &'static str, run: F) -> Self
    where
        F: Fn(Arc<A>, Cx) -> O + Send + Sync + 'static,
        O: Future<Output = Result<(), Error>> + Send + 'static,
    {
        Self {
            name,
            calls: 1,
            opens_tunnel: false,
            run: Box::new(move |adapter, cx| Box::pin(run(adapter, cx))),
        }
    }

    /// Says that it opens a tunnel.
    pub(crate) fn tunnelled(self) -> Self {
        let opens_tunnel = true;
        Self {
            opens_tunnel,
            ..self
        }
    }

    /// Says how many calls it really is.
    pub(crate) fn of(self, calls: u32) -> Self {
        Self { calls, ..self }
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

/// Which requests are under a fault.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Where {
    pub(crate) server: Server,
    /// All of them, if there is none.
    pub(crate) method: Option<&'static str>,
}

impl From<Server> for Where {
    fn from(server: Server) -> Self {
        let method = None;
        Self { server, method }
    }
}

impl Where {
    /// Returns a script by which these requests go wrong, so often at most.
    pub(crate) fn script(self, fault: &Fault, times: Option<u64>) -> FaultScript {
        let mut rule = Rule::new(fault.clone()).server(self.server);
        if let Some(method) = self.method {
            rule = rule.method(method);
        }
        rule.times = times;
        FaultScript::new().rule(rule)
    }
}

/// Runs every call under every fault, first while the fault lasts, then with a fault that passes.
pub(crate) async fn run<A, F, O>(place: impl Into<Where>, cases: &[Case], ground: F)
where
    A: ServiceAdapter + Debug + 'static,
    F: Fn() -> O,
    O: Future<Output = Ground<A>>,
{
    leaks::watch();
    panics::watch();
    let place = place.into();
    let first = ground().await;
    leaks::check_debug(&(first.make)(PATIENT));
    let lifecycle = lifecycle::under_faults(&first, place, cases);
    let ground = &ground;
    let calls = stream::iter(0..first.calls.len()).map(|number| async move {
        let ground = ground().await;
        let cells = Cells::new(&ground, place, &ground.calls[number]).await;
        cells.under_faults(cases).await
    });
    let calls = calls.buffer_unordered(AT_ONCE).concat();
    let (mut wrong, of_calls) = tokio::join!(lifecycle, calls);
    wrong.extend(of_calls);
    assert!(
        wrong.is_empty(),
        "{} cells:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    leaks::assert_none();
    panics::assert_none();
    elsewhere::assert_unvisited();
}
