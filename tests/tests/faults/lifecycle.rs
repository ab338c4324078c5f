//! Starting an adapter, and asking whether its service is well, under every fault.

use std::fmt::Debug;
use std::time::Duration;

use contexter_adapter::{AdapterError, ServiceAdapter, ServiceHealth};
use contexter_model::{Error, ErrorKind};

use crate::cases::Case;
use crate::leaks;
use crate::matrix::{Ground, PATIENT, Where};

/// By when an adapter has been started or its health is told: the longest that one of them says it waits
/// for an answer, and as much again for a machine that does much else.
const IN_TIME: Duration = Duration::from_secs(20);

/// Returns what was wrong, one line a fault.
pub(crate) async fn under_faults<A>(ground: &Ground<A>, place: Where, cases: &[Case]) -> Vec<String>
where
    A: ServiceAdapter + Debug,
{
    let mut wrong = Vec::new();
    let adapter = (ground.make)(PATIENT);
    if let Err(error) = adapter.initialize().await {
        wrong.push(format!("initialize without a fault: {error}"));
    }
    let well = async {
        // On a machine that does much else an answer may be late.
        while !adapter.health_check().await.is_healthy() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    if tokio::time::timeout(PATIENT, well).await.is_err() {
        wrong.push("unhealthy without a fault".to_owned());
    }
    for case in cases {
        let name = &case.name;
        let mut tell = |what: &str| wrong.push(format!("{} {what} under {name}", place.server));
        let faults = ground.sandbox.faults();
        faults.replace(place.script(&case.fault, None)).unwrap();
        let before = faults.injected();
        let adapter = (ground.make)(case.attempt());
        match tokio::time::timeout(IN_TIME, adapter.initialize()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) if is_expected(&error, case) => {}
            Ok(Err(error)) => tell(&format!("initialize: {error}")),
            Err(_elapsed) => tell("initialize has not ended"),
        }
        // The second answer is one that was kept.
        for _ in 0..2 {
            match tokio::time::timeout(IN_TIME, adapter.health_check()).await {
                Ok(health) => {
                    check(&health);
                    let is_met = faults.injected() > before;
                    if case.is_outage && is_met && health.is_healthy() {
                        tell("is healthy");
                    }
                }
                Err(_elapsed) => tell("the health check has not ended"),
            }
        }
        leaks::check_debug(&adapter);
    }
    wrong
}

fn is_expected(error: &AdapterError, case: &Case) -> bool {
    leaks::check(&format!("{error} {error:?}"));
    let Some(error) = error.downcast_ref::<Error>() else {
        return false;
    };
    leaks::check_error(error);
    // Some ask for a refusal, to spend nothing; with another body it is still one.
    let is_refusal = error.kind() == ErrorKind::Invalid;
    (case.allows(error.kind()) || is_refusal) && error.service().is_some()
}

fn check(health: &ServiceHealth) {
    leaks::check_debug(health);
    if let Some(error) = &health.error_message {
        leaks::check(error);
        assert!(!error.contains('\n'), "more than a line: {error:?}");
    }
}
