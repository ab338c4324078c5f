//! Finding services by name.

use std::error::Error;
use std::sync::Arc;

use contexter_registry::Registry;

use crate::scripted::{Does, Scripted};

#[tokio::test(start_paused = true)]
async fn names_are_listed_in_alphabetical_order() {
    let registry = Registry::new();
    for name in ["qdrant", "context7", "voyage_ai"] {
        registry
            .register(Arc::new(Scripted::new(name)))
            .await
            .unwrap();
    }
    assert_eq!(registry.names(), ["context7", "qdrant", "voyage_ai"]);
    let listed: Vec<_> = registry.adapters().into_iter().map(|s| s.name).collect();
    assert_eq!(listed, registry.names());
}

#[tokio::test(start_paused = true)]
async fn an_unknown_name_is_answered_with_the_known_ones() {
    let registry = Registry::new();
    let Err(error) = registry.get("voyage") else {
        panic!("found a service in an empty registry");
    };
    assert_eq!(
        error.to_string(),
        "no service \"voyage\" is registered; nor is any other"
    );

    for name in ["voyage_ai", "qdrant"] {
        registry
            .register(Arc::new(Scripted::new(name)))
            .await
            .unwrap();
    }
    let Err(error) = registry.get("voyage") else {
        panic!("found a service that was never registered");
    };
    assert_eq!(
        error.to_string(),
        "no service \"voyage\" is registered; known are qdrant, voyage_ai",
    );
    assert_eq!(registry.get("qdrant").ok().unwrap().name(), "qdrant");
}

#[tokio::test(start_paused = true)]
async fn clones_share_the_services() {
    let registry = Registry::new();
    let clone = registry.clone();
    registry
        .register(Arc::new(Scripted::new("qdrant")))
        .await
        .unwrap();
    assert_eq!(clone.healthy(), ["qdrant"]);
}

#[tokio::test(start_paused = true)]
async fn an_adapter_that_fails_to_initialize_stays_out_and_may_try_again() {
    let registry = Registry::new();
    let broken = Scripted::new("qdrant").on_initialize(Does::Fails("connection refused"));
    let error = registry.register(Arc::new(broken)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "service \"qdrant\" could not be initialized"
    );
    assert_eq!(error.source().unwrap().to_string(), "connection refused");
    assert!(registry.names().is_empty());
    assert!(registry.health("qdrant").is_none());

    registry
        .register(Arc::new(Scripted::new("qdrant")))
        .await
        .unwrap();
    assert_eq!(registry.names(), ["qdrant"]);
}

#[tokio::test(start_paused = true)]
async fn a_second_service_of_the_same_name_is_refused_without_being_initialized() {
    let registry = Registry::new();
    registry
        .register(Arc::new(Scripted::new("qdrant")))
        .await
        .unwrap();
    let second = Arc::new(Scripted::new("qdrant"));
    let error = registry
        .register(Arc::<Scripted>::clone(&second))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "a service \"qdrant\" is already registered"
    );
    assert_eq!(
        second.initialized.load(std::sync::atomic::Ordering::SeqCst),
        0
    );
}

#[tokio::test(start_paused = true)]
async fn of_two_registrations_of_one_name_at_once_exactly_one_wins() {
    let registry = Registry::new();
    let slow = || {
        let takes = Does::Takes(std::time::Duration::from_secs(1));
        Arc::new(Scripted::new("qdrant").on_initialize(takes))
    };
    let (first, second) = tokio::join!(registry.register(slow()), registry.register(slow()));
    assert!(first.is_ok());
    let error = second.unwrap_err().to_string();
    assert_eq!(error, "a service \"qdrant\" is already registered");
}
