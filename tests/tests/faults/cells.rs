//! One call under one fault: that it ends well, in time, and with few requests.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use contexter_adapter::ServiceAdapter;
use contexter_model::{Error, ErrorKind};
use contexter_service::{Clock as _, Cx, DefaultClock, later};

use crate::cases::{ATTEMPTS, Case};
use crate::leaks;
use crate::matrix::{ATTEMPT, Call, Ground, PATIENT, Where, deadline};

/// What a call may take beyond its deadline on a machine that does much else, besides what it takes
/// there without a fault.
const MARGIN: Duration = Duration::from_secs(2);

/// How much longer than without a fault a call may take beyond its deadline.
const SLOWER: u32 = 10;

/// A call that is late once may have had bad luck; one that hangs is late each time.
const TRIALS: usize = 3;

/// The cells of one call.
pub(crate) struct Cells<'a, A> {
    ground: &'a Ground<A>,
    place: Where,
    call: &'a Call<A>,
    /// What the call took without a fault, on the machine as it is now.
    took: Duration,
    /// How many requests it made.
    requests: u64,
    /// What was wrong without a fault.
    wrong: Vec<String>,
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

/// What became of one cell.
struct Cell {
    ended: Ended,
    took: Duration,
    requests: u64,
    injected: u64,
}

impl<'a, A> Cells<'a, A>
where
    A: ServiceAdapter + Debug + 'static,
{
    /// Makes the call without a fault, to know what it takes.
    pub(crate) async fn new(ground: &'a Ground<A>, place: Where, call: &'a Call<A>) -> Self {
        let mut cells = Self {
            ground,
            place,
            call,
            took: Duration::ZERO,
            requests: 0,
            wrong: Vec::new(),
        };
        let baseline = cells.attempt(PATIENT, PATIENT).await;
        if !matches!(baseline.ended, Ended::Done(Ok(()))) {
            let (server, name) = (place.server, call.name);
            let wrong = format!("{server} {name} without a fault: {:?}", baseline.ended);
            cells.wrong.push(wrong);
        }
        (cells.took, cells.requests) = (baseline.took, baseline.requests.max(1));
        cells
    }

    /// Returns what was wrong, one line a cell.
    pub(crate) async fn under_faults(mut self, cases: &[Case]) -> Vec<String> {
        for case in cases {
            let rounds: &[Option<u64>] = if case.is_echo {
                &[None]
            } else {
                &[None, Some(1)]
            };
            for times in rounds {
                let script = self.place.script(&case.fault, *times);
                let (server, name) = (self.place.server, self.call.name);
                let shown = format!("{server} {name} under {} ({times:?})", case.name);
                let mut wrong = Vec::new();
                for _ in 0..TRIALS {
                    let faults = self.ground.sandbox.faults();
                    faults.replace(script.clone()).unwrap();
                    let cell = self.run(case).await;
                    let allowed = self.allowed(case, *times);
                    wrong = self.judge(case, &cell, allowed);
                    let may_be_luck = cell.took >= self.in_time() || cell.requests > allowed;
                    if !may_be_luck {
                        break;
                    }
                }
                self.wrong
                    .extend(wrong.into_iter().map(|what| format!("{shown}: {what}")));
            }
        }
        self.wrong
    }

    async fn run(&self, case: &Case) -> Cell {
        self.attempt(case.attempt(), self.in_time()).await
    }

    /// Until when the call has to end.
    fn in_time(&self) -> Duration {
        let slow = self.took.saturating_mul(SLOWER);
        deadline(ATTEMPT) * self.call.calls + MARGIN + slow
    }

    /// How many requests the call may make.
    fn allowed(&self, case: &Case, times: Option<u64>) -> u64 {
        // While a fault lasts, one asks why there is no tunnel.
        let is_deaf = self.call.opens_tunnel && self.place.method.is_none() && times.is_some();
        let attempts = if is_deaf { ATTEMPTS } else { case.attempts };
        self.requests * attempts
    }

    fn judge(&self, case: &Case, cell: &Cell, allowed: u64) -> Vec<String> {
        let mut wrong = Vec::new();
        // Then the call may have been given up before it reached the fault.
        let mut gave_up = false;
        match &cell.ended {
            Ended::Done(Ok(())) => {}
            Ended::Done(Err(error)) => {
                leaks::check_error(error);
                gave_up = error.kind() == ErrorKind::Timeout;
                if !case.allows(error.kind()) {
                    wrong.push(format!("{:?}: {error}", error.kind()));
                }
                // A mechanism of the stack does not know what it guards.
                if error.service().is_none() && error.kind() != ErrorKind::Timeout {
                    wrong.push(format!("names no service: {error}"));
                }
            }
            // What is told besides the key may be a result as well, of something else.
            Ended::Wrong if case.is_echo => {}
            Ended::Wrong => wrong.push("a result that is none, or a panic".to_owned()),
            Ended::Hangs => wrong.push(format!("has not ended after {:?}", cell.took)),
        }
        let requests = cell.requests;
        if requests > allowed {
            wrong.push(format!(
                "{requests} requests, at most {allowed} are allowed"
            ));
        }
        let is_again = requests > self.requests && !self.call.opens_tunnel;
        if is_again && cell.took < case.pause {
            let (took, pause) = (cell.took, case.pause);
            wrong.push(format!(
                "asked again after {took:?}, it was to wait {pause:?}"
            ));
        }
        if !gave_up && cell.injected == 0 {
            wrong.push("the fault did not happen".to_owned());
        }
        wrong
    }

    async fn attempt(&self, limit: Duration, in_time: Duration) -> Cell {
        let faults = self.ground.sandbox.faults();
        let adapter = Arc::new((self.ground.make)(limit));
        let (requests, injected) = (faults.requests(self.place.server), faults.injected());
        let started = DefaultClock.now();
        let cx = Cx::new().with_deadline(later(started, deadline(limit)));
        let outcome = (self.call.run)(Arc::clone(&adapter), cx);
        let task = tokio::spawn(tokio::time::timeout(in_time, outcome));
        let ended = match task.await {
            Ok(Ok(outcome)) => Ended::Done(outcome),
            Ok(Err(_elapsed)) => Ended::Hangs,
            Err(_panicked) => Ended::Wrong,
        };
        let took = DefaultClock.now().saturating_duration_since(started);
        leaks::check_debug(&adapter);
        leaks::check_debug(&adapter.snapshot());
        Cell {
            ended,
            took,
            requests: faults.requests(self.place.server).saturating_sub(requests),
            injected: faults.injected().saturating_sub(injected),
        }
    }
}
