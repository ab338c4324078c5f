//! What calls through an adaptive limit do to it, on all of its faces.

use std::future::ready;
use std::time::Duration;

use contexter_limit::{AdaptiveConfig, AdaptiveLimit};
use contexter_service::{Full, ManualClock, Timer};
use tower::{ServiceBuilder, ServiceExt, service_fn};

use crate::faces::{ByFailure, FACES, Face, Failure, Outcome};

type Limit = AdaptiveLimit<ManualClock, ByFailure>;

fn on_all_faces(config: AdaptiveConfig, rule: impl Fn(Face, &ManualClock, &Limit)) {
    for face in FACES {
        let clock = ManualClock::new();
        let limit = AdaptiveLimit::with_clock(config, clock.clone())
            .unwrap()
            .classify_by(ByFailure);
        rule(face, &clock, &limit);
    }
}

#[test]
fn a_refused_call_begins_nothing() {
    let config = AdaptiveConfig::new().max(1).max_queue(0);
    on_all_faces(config, |face, clock, limit| {
        let permit = limit.try_acquire().unwrap();
        let refused = face.adaptive(limit, &|| unreachable!());
        let full = Failure::Full(Full { limit: 1 });
        assert_eq!(
            clock.run_until_stalled(refused),
            Some(Err(full)),
            "{face:?}"
        );
        drop(permit);
        let out = face.adaptive(limit, &|| Box::pin(ready(Ok(1))));
        assert_eq!(clock.run_until_stalled(out), Some(Ok(1)), "{face:?}");
        assert_eq!(limit.running(), 0, "{face:?}");
    });
}

#[test]
fn it_learns_from_the_outcomes_of_calls() {
    on_all_faces(AdaptiveConfig::new(), |face, clock, limit| {
        let call = |answer: Outcome| {
            let op = || -> futures_util::future::BoxFuture<'_, Outcome> {
                Box::pin(async move {
                    clock.sleep(Duration::from_millis(250)).await;
                    answer
                })
            };
            assert_eq!(
                clock.run_until_stalled(face.adaptive(limit, &op)),
                Some(answer)
            );
        };
        for _ in 0..20 {
            call(Err(Failure::TooMany(Duration::ZERO)));
        }
        assert_eq!(limit.baseline(), None, "{face:?}: neutral");
        for _ in 0..20 {
            call(Ok(1));
        }
        let normal = Some(Duration::from_millis(250));
        assert_eq!(limit.baseline(), normal, "{face:?}");
        assert_eq!(limit.limit(), 20, "{face:?}");
        call(Err(Failure::Down));
        assert_eq!(limit.limit(), 14, "{face:?}");
    });
}

#[test]
fn all_services_of_a_layer_share_one_limit() {
    let clock = ManualClock::new();
    let layer = AdaptiveLimit::with_clock(AdaptiveConfig::new(), clock.clone())
        .unwrap()
        .classify_by(ByFailure);
    let service = || service_fn(|()| ready(Outcome::Err(Failure::Down)));
    let first = ServiceBuilder::new()
        .layer(layer.clone())
        .service(service());
    let second = ServiceBuilder::new().layer(&layer).service(service());
    let down = Some(Err(Failure::Down));
    assert_eq!(clock.run_until_stalled(first.clone().oneshot(())), down);
    assert_eq!(clock.run_until_stalled(second.oneshot(())), down);
    assert_eq!(first.limit().limit(), 9);
}
