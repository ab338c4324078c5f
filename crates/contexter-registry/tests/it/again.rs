//! When a service that is not healthy is checked again.

use std::sync::Arc;
use std::time::Duration;

use contexter_registry::{Registry, Settings};
use tokio::time::sleep;

use crate::scripted::{Does, Scripted};

fn strict() -> Settings {
    Settings::default().with_jitter(0.0)
}

async fn register(settings: Settings, adapter: Scripted) -> (Registry, Arc<Scripted>) {
    let registry = Registry::with_settings(settings).unwrap();
    let adapter = Arc::new(adapter);
    registry
        .register(Arc::<Scripted>::clone(&adapter))
        .await
        .unwrap();
    (registry, adapter)
}

/// Returns the pauses between the checks so far, to the nearest tenth of a second.
fn pauses(adapter: &Scripted) -> Vec<f64> {
    let tenths = |pause: Duration| (pause.as_secs_f64() * 10.0).round() / 10.0;
    adapter.pauses().into_iter().map(tenths).collect()
}

#[tokio::test(start_paused = true)]
async fn one_lost_check_takes_a_service_away_for_a_second() {
    let (registry, adapter) = register(strict(), Scripted::new("qdrant")).await;
    adapter.set_check(Does::Fails("lost"));
    sleep(Duration::from_millis(60_500)).await;
    assert!(registry.healthy().is_empty());

    adapter.set_check(Does::Works);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(registry.healthy(), ["qdrant"]);
}

#[tokio::test(start_paused = true)]
async fn the_pauses_double_up_to_the_interval_and_a_good_check_ends_them() {
    let failing = Scripted::new("qdrant").on_check(Does::Fails("down"));
    let (_registry, adapter) = register(strict(), failing).await;
    sleep(Duration::from_millis(183_500)).await;
    let growing = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0];
    assert_eq!(pauses(&adapter), growing);

    adapter.set_check(Does::Works);
    sleep(Duration::from_mins(1)).await;
    adapter.set_check(Does::Fails("down again"));
    sleep(Duration::from_secs(64)).await;
    assert_eq!(pauses(&adapter)[8..], [60.0, 60.0, 1.0, 2.0]);
}

#[tokio::test(start_paused = true)]
async fn an_interval_below_a_second_is_kept() {
    let failing = Scripted::new("qdrant").on_check(Does::Fails("down"));
    let settings = strict().with_interval(Duration::from_millis(300));
    let (_registry, adapter) = register(settings, failing).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(pauses(&adapter), [0.3, 0.3, 0.3]);
}

#[tokio::test(start_paused = true)]
async fn a_check_by_hand_that_ends_badly_is_followed_by_another_soon() {
    let (registry, adapter) = register(strict(), Scripted::new("qdrant")).await;
    sleep(Duration::from_secs(10)).await;
    adapter.set_check(Does::Fails("lost"));
    registry.check("qdrant").await.unwrap();
    adapter.set_check(Does::Works);
    sleep(Duration::from_secs(100)).await;
    assert_eq!(pauses(&adapter), [10.0, 1.0, 60.0]);
}

#[tokio::test(start_paused = true)]
async fn jitter_also_spreads_the_checks_of_services_that_failed_together() {
    let mut first = Vec::new();
    for _ in 0..50 {
        let failing = Scripted::new("qdrant").on_check(Does::Fails("down"));
        let (_registry, adapter) = register(Settings::default().with_jitter(0.5), failing).await;
        sleep(Duration::from_secs(2)).await;
        first.push(adapter.pauses()[0]);
    }
    let (shortest, longest) = (first.iter().min().unwrap(), first.iter().max().unwrap());
    assert!(*shortest >= Duration::from_millis(499), "{shortest:?}");
    assert!(*longest <= Duration::from_millis(1502), "{longest:?}");
    // 50 draws from a range of 1 s that all fall into 50 ms would mean that nothing is drawn.
    assert!(*longest > *shortest + Duration::from_millis(50));
}
