//! Health checks.

use std::sync::Arc;
use std::time::Duration;

use contexter_adapter::HealthStatus;
use contexter_registry::{Registry, Settings};
use tokio::time::{Instant, sleep};

use crate::scripted::{Does, Gauge, Scripted};

fn strict() -> Settings {
    Settings::default().with_jitter(0.0)
}

#[tokio::test(start_paused = true)]
async fn health_is_known_as_soon_as_a_service_is_registered() {
    let registry = Registry::new();
    let failing = Scripted::new("voyage_ai").on_check(Does::Fails("no key"));
    registry.register(Arc::new(failing)).await.unwrap();
    registry
        .register(Arc::new(Scripted::new("qdrant")))
        .await
        .unwrap();

    assert_eq!(registry.healthy(), ["qdrant"]);
    let health = registry.health("voyage_ai").unwrap();
    assert_eq!(health.status, HealthStatus::Unhealthy);
    assert_eq!(health.error_message.as_deref(), Some("no key"));
}

#[tokio::test(start_paused = true)]
async fn every_service_is_checked_once_in_each_interval() {
    let registry = Registry::with_settings(strict()).unwrap();
    let adapter = Arc::new(Scripted::new("qdrant"));
    registry
        .register(Arc::<Scripted>::clone(&adapter))
        .await
        .unwrap();
    assert_eq!(adapter.checks(), 1);
    sleep(Duration::from_secs(59)).await;
    assert_eq!(adapter.checks(), 1);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(adapter.checks(), 2);
    sleep(Duration::from_mins(10)).await;
    assert_eq!(adapter.checks(), 12);
}

#[tokio::test(start_paused = true)]
async fn jitter_keeps_every_pause_within_its_share_of_the_interval() {
    let settings = Settings::default().with_jitter(0.5);
    let registry = Registry::with_settings(settings).unwrap();
    let adapter = Arc::new(Scripted::new("qdrant"));
    registry
        .register(Arc::<Scripted>::clone(&adapter))
        .await
        .unwrap();
    let mut pauses = Vec::new();
    let mut last = Instant::now();
    while pauses.len() < 50 {
        let seen = adapter.checks();
        while adapter.checks() == seen {
            sleep(Duration::from_millis(10)).await;
        }
        pauses.push(last.elapsed());
        last = Instant::now();
    }
    let (shortest, longest) = (pauses.iter().min().unwrap(), pauses.iter().max().unwrap());
    assert!(*shortest >= Duration::from_millis(29_900), "{shortest:?}");
    assert!(*longest <= Duration::from_millis(90_100), "{longest:?}");
    // 50 draws from a range of 60 s that all fall into 1 s would mean that nothing is drawn.
    assert!(*longest > *shortest + Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn readers_see_a_change_and_since_when_it_lasts() {
    let registry = Registry::with_settings(strict()).unwrap();
    let adapter = Arc::new(Scripted::new("qdrant"));
    registry
        .register(Arc::<Scripted>::clone(&adapter))
        .await
        .unwrap();
    let healthy_since = registry.adapters()[0].since;

    sleep(Duration::from_secs(150)).await;
    assert_eq!(registry.adapters()[0].since, healthy_since);

    adapter.set_check(Does::Fails("gone"));
    assert_eq!(registry.healthy(), ["qdrant"]);
    sleep(Duration::from_millis(30_500)).await;
    assert!(registry.healthy().is_empty());
    let gone = registry.adapters().remove(0);
    assert!(gone.since > healthy_since);
    assert_eq!(gone.since, gone.health.timestamp);
    sleep(Duration::from_secs(1)).await;
    let still = registry.adapters().remove(0);
    assert!(still.health.timestamp > gone.health.timestamp);
    assert_eq!(still.since, gone.since);

    adapter.set_check(Does::Works);
    assert!(registry.check("qdrant").await.unwrap().is_healthy());
    assert_eq!(registry.healthy(), ["qdrant"]);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_is_unhealthy_after_the_limit() {
    let registry = Registry::new();
    let hanging = Scripted::new("qdrant").on_check(Does::Takes(Duration::from_hours(1)));
    let started = Instant::now();
    registry.register(Arc::new(hanging)).await.unwrap();
    assert_eq!(started.elapsed(), Duration::from_secs(10));

    let health = registry.health("qdrant").unwrap();
    assert_eq!(health.status, HealthStatus::Unhealthy);
    assert!((health.response_time_ms - 10_000.0).abs() < 10.0);
    assert_eq!(
        health.error_message.unwrap(),
        "the health check took longer than 10s"
    );
}

#[tokio::test(start_paused = true)]
async fn a_check_that_panics_is_unhealthy_and_harms_nobody_else() {
    let registry = Registry::with_settings(strict()).unwrap();
    let panicking = Arc::new(Scripted::new("voyage_ai").on_check(Does::Panics));
    let sound = Arc::new(Scripted::new("qdrant"));
    registry
        .register(Arc::<Scripted>::clone(&panicking))
        .await
        .unwrap();
    registry
        .register(Arc::<Scripted>::clone(&sound))
        .await
        .unwrap();
    let health = registry.health("voyage_ai").unwrap();
    assert_eq!(health.error_message.unwrap(), "the health check panicked");

    sleep(Duration::from_secs(181)).await;
    assert_eq!(sound.checks(), 4);
    assert!(panicking.checks() > 4, "it is checked again sooner");
    assert_eq!(registry.healthy(), ["qdrant"]);

    panicking.set_check(Does::Works);
    registry.check_now().await;
    assert_eq!(registry.healthy(), ["qdrant", "voyage_ai"]);
}

#[tokio::test(start_paused = true)]
async fn no_more_checks_run_at_once_than_allowed() {
    const NAMES: [&str; 9] = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    let registry = Registry::with_settings(strict().with_concurrency(3)).unwrap();
    let gauge = Arc::new(Gauge::default());
    for name in NAMES {
        let slow = Does::Takes(Duration::from_secs(1));
        let adapter = Scripted::new(name).on_check(slow).gauged(&gauge);
        registry.register(Arc::new(adapter)).await.unwrap();
    }
    gauge.reset();
    let started = Instant::now();
    let results = registry.check_now().await;
    assert_eq!(results.len(), NAMES.len());
    assert_eq!(started.elapsed(), Duration::from_secs(3));
    assert_eq!(gauge.most(), 3);

    // The loops of all services and two callers share the same three slots.
    gauge.reset();
    sleep(Duration::from_secs(50)).await;
    tokio::join!(registry.check_now(), registry.check_now());
    assert_eq!(gauge.most(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_slow_check_does_not_overwrite_a_later_result() {
    let registry = Registry::with_settings(strict()).unwrap();
    let adapter = Arc::new(Scripted::new("qdrant"));
    registry
        .register(Arc::<Scripted>::clone(&adapter))
        .await
        .unwrap();

    adapter.set_check(Does::Takes(Duration::from_secs(5)));
    let slow = tokio::spawn({
        let registry = registry.clone();
        async move { registry.check("qdrant").await }
    });
    sleep(Duration::from_secs(1)).await;
    adapter.set_check(Does::Fails("gone"));
    registry.check("qdrant").await.unwrap();

    assert!(slow.await.unwrap().unwrap().is_healthy());
    let health = registry.health("qdrant").unwrap();
    assert_eq!(health.error_message.as_deref(), Some("gone"));
}

#[tokio::test(start_paused = true)]
async fn a_long_error_message_is_cut_at_a_character() {
    // 3 bytes each, so that 4096 bytes end within a character.
    let endless = String::leak("€".repeat(2000));
    let registry = Registry::new();
    let failing = Scripted::new("qdrant").on_check(Does::Fails(endless));
    registry.register(Arc::new(failing)).await.unwrap();
    let message = registry.health("qdrant").unwrap().error_message.unwrap();
    assert_eq!(message, "€".repeat(1365));
}

#[tokio::test(start_paused = true)]
async fn an_error_message_is_one_line_without_control_over_a_terminal() {
    let whole = "a".repeat(4095);
    let cut = &*String::leak(format!("{whole}\n"));
    for (said, kept) in [
        (
            "gone\r\n\tsince \u{1b}[2Jnow",
            "gone\\r\\n\\tsince \\u{1b}[2Jnow",
        ),
        ("fällt \"aus\" \\n", "fällt \"aus\" \\n"),
        (cut, &whole),
    ] {
        let registry = Registry::new();
        let failing = Scripted::new("qdrant").on_check(Does::Fails(said));
        registry.register(Arc::new(failing)).await.unwrap();
        let health = registry.health("qdrant").unwrap();
        assert_eq!(health.error_message.as_deref(), Some(kept));
    }
}

#[test]
fn settings_that_cannot_work_are_refused() {
    for (settings, message) in [
        (
            Settings::default().with_interval(Duration::ZERO),
            "interval is 0 s; it must be longer than zero",
        ),
        (
            Settings::default().with_jitter(1.5),
            "jitter is 1.5; it must be from 0 to 1",
        ),
        (
            Settings::default().with_jitter(f64::NAN),
            "jitter is NaN; it must be from 0 to 1",
        ),
    ] {
        let error = Registry::with_settings(settings).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    assert!(Registry::with_settings(Settings::default().with_concurrency(0)).is_err());
}
