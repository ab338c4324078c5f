//! Ending services, and ending with them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use contexter_registry::{DeregisterError, RegisterError, Registry, Settings};
use tokio::time::{Instant, sleep};

use crate::scripted::{Does, Scripted};

#[tokio::test(start_paused = true)]
async fn shutdown_ends_every_service_and_stops_the_checks() {
    let registry = Registry::new();
    let adapters = ["a", "b"].map(|name| Arc::new(Scripted::new(name)));
    for adapter in &adapters {
        registry
            .register(Arc::<Scripted>::clone(adapter))
            .await
            .unwrap();
    }
    registry.shutdown().await.unwrap();
    sleep(Duration::from_hours(1)).await;
    for adapter in &adapters {
        assert_eq!(adapter.shut_down.load(Ordering::SeqCst), 1);
        assert_eq!(adapter.checks(), 1);
    }
    assert!(registry.names().is_empty());

    registry.shutdown().await.unwrap();
    let error = registry
        .register(Arc::new(Scripted::new("late")))
        .await
        .unwrap_err();
    assert!(matches!(error, RegisterError::ShutDown { name } if name == "late"));
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_all_side_by_side_and_reports_who_did_not_end() {
    let registry = Registry::new();
    for (name, does) in [
        ("works", Does::Works),
        ("slow", Does::Takes(Duration::from_secs(9))),
        ("hangs", Does::Takes(Duration::from_hours(1))),
        ("panics", Does::Panics),
    ] {
        let adapter = Scripted::new(name).on_shutdown(does);
        registry.register(Arc::new(adapter)).await.unwrap();
    }
    let started = Instant::now();
    let error = registry.shutdown().await.unwrap_err();
    assert_eq!(started.elapsed(), Duration::from_secs(10));
    assert_eq!(
        error.to_string(),
        "service \"hangs\" did not shut down within 10s; \
         service \"panics\" panicked while shutting down",
    );
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_clone_stops_the_checks_and_frees_the_adapters() {
    let registry = Registry::new();
    let clone = registry.clone();
    let adapter = Arc::new(Scripted::new("qdrant"));
    registry
        .register(Arc::<Scripted>::clone(&adapter))
        .await
        .unwrap();

    drop(registry);
    sleep(Duration::from_mins(10)).await;
    let checks = adapter.checks();
    assert!(checks >= 9, "a clone keeps the checks going: {checks}");

    drop(clone);
    sleep(Duration::from_mins(10)).await;
    assert_eq!(adapter.checks(), checks);
    assert_eq!(Arc::strong_count(&adapter), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deregistered_service_is_ended_and_its_name_is_free() {
    let registry = Registry::new();
    let adapter = Arc::new(Scripted::new("qdrant"));
    registry
        .register(Arc::<Scripted>::clone(&adapter))
        .await
        .unwrap();
    registry.deregister("qdrant").await.unwrap();
    assert_eq!(adapter.shut_down.load(Ordering::SeqCst), 1);
    assert!(registry.get("qdrant").is_err());
    sleep(Duration::from_mins(10)).await;
    assert_eq!(adapter.checks(), 1);

    let error = registry.deregister("qdrant").await.unwrap_err();
    assert!(matches!(error, DeregisterError::NotFound(not_found) if not_found.name == "qdrant"));
    registry
        .register(Arc::new(Scripted::new("qdrant")))
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_end_is_deregistered_and_reported() {
    let registry = Registry::new();
    let hanging = Scripted::new("qdrant").on_shutdown(Does::Takes(Duration::from_hours(1)));
    registry.register(Arc::new(hanging)).await.unwrap();
    let error = registry.deregister("qdrant").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "service \"qdrant\" did not shut down within 10s"
    );
    assert!(registry.names().is_empty());
}

#[tokio::test(start_paused = true)]
async fn initializing_is_bounded_and_a_panic_is_an_error() {
    let settings = Settings::default().with_initialize_timeout(Duration::from_secs(2));
    let registry = Registry::with_settings(settings).unwrap();
    let hanging = Scripted::new("hangs").on_initialize(Does::Takes(Duration::from_hours(1)));
    let error = registry.register(Arc::new(hanging)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "service \"hangs\" was not initialized within 2s"
    );

    let panicking = Scripted::new("panics").on_initialize(Does::Panics);
    let error = registry.register(Arc::new(panicking)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "service \"panics\" panicked while it was initialized"
    );
    assert!(registry.names().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_registration_frees_the_name() {
    let registry = Registry::new();
    let slow = Scripted::new("qdrant").on_initialize(Does::Takes(Duration::from_mins(1)));
    let registering = registry.register(Arc::new(slow));
    let cancelled = tokio::time::timeout(Duration::from_secs(1), registering).await;
    assert!(cancelled.is_err());
    registry
        .register(Arc::new(Scripted::new("qdrant")))
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_service_still_starting_at_shutdown_is_ended_and_not_registered() {
    let registry = Registry::new();
    let slow = Scripted::new("qdrant").on_initialize(Does::Takes(Duration::from_mins(1)));
    let slow = Arc::new(slow);
    let registering = registry.register(Arc::<Scripted>::clone(&slow));
    let stopping = async {
        sleep(Duration::from_secs(1)).await;
        registry.shutdown().await
    };
    let (registered, stopped) = tokio::join!(registering, stopping);
    assert!(matches!(registered, Err(RegisterError::ShutDown { .. })));
    stopped.unwrap();
    assert_eq!(slow.shut_down.load(Ordering::SeqCst), 1);
    assert!(registry.names().is_empty());
}
