//! Values that change while the program runs.

use std::time::Duration;

use contexter_config::{Config, ErrorKind, Gone, Loader};
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    a: u8,
    #[serde(default)]
    section: Section,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Section {
    x: u8,
    y: u8,
}

fn config() -> Config<Settings> {
    Loader::new()
        .defaults("t.yaml", "a: 1\nsection: {x: 1, y: 1}")
        .load()
        .unwrap()
}

#[test]
fn an_update_is_seen_by_all_clones_and_keeps_the_rest() {
    let config = config();
    let clone = config.clone();
    config.update("section.x", 5).unwrap();
    config.update("section", json!({"y": 6})).unwrap();
    let now = clone.current();
    assert_eq!((now.a, now.section.x, now.section.y), (1, 5, 6));
    assert_eq!(clone.section::<u8>("section.x").unwrap(), 5);
    assert_eq!(
        clone.origin("section.x").unwrap().to_string(),
        "set by the program"
    );
}

#[test]
fn null_takes_the_place_of_a_section() {
    let config = config();
    config.update("section", json!(null)).unwrap();
    let now = config.current();
    assert_eq!((now.a, now.section.x, now.section.y), (1, 0, 0));
    assert!(config.origin("section.x").is_none());
    // What was there before does not come back with a part of it.
    config.update("section.x", 5).unwrap();
    let now = config.current();
    assert_eq!((now.section.x, now.section.y), (5, 0));
}

#[test]
fn an_update_that_is_not_valid_changes_nothing() {
    let config = config();
    config.update("section.x", 5).unwrap();
    let before = config.current();
    for (key, value) in [
        ("section.x", json!(256)),
        ("section.z", json!(1)),
        ("section", json!("text")),
        ("a.b", json!(1)),
        ("", json!(1)),
    ] {
        assert!(config.update(key, value).is_err(), "{key}");
        assert!(std::sync::Arc::ptr_eq(&before, &config.current()));
        assert_eq!(config.section::<u8>("section.x").unwrap(), 5);
    }
    // Nor does it come back with the next one.
    config.update("a", 2).unwrap();
    assert_eq!(config.current().section.x, 5);
}

#[test]
fn the_check_guards_updates_too() {
    let check = |settings: &Settings| (settings.a < 10).then_some(()).ok_or("a is 10 or more");
    let loader = Loader::new().defaults("t.yaml", "a: 1");
    let config = loader.load_checked(check).unwrap();
    let error = config.update("a", 10).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(config.current().a, 1);
    config.update("a", 9).unwrap();
    assert_eq!(config.current().a, 9);
}

/// Returns whether nothing is noticed.
async fn quiet(watch: &mut contexter_config::Watch<Settings>) -> bool {
    timeout(Duration::from_secs(1), watch.changed())
        .await
        .is_err()
}

#[tokio::test(start_paused = true)]
async fn a_watch_sees_changes_of_its_key_and_of_nothing_else() {
    let config = config();
    let mut section = config.watch("section").unwrap();
    let mut x = config.watch("section.x").unwrap();
    assert!(quiet(&mut x).await);

    config.update("section.y", 2).unwrap();
    assert_eq!(section.changed().await.unwrap().section.y, 2);
    assert!(quiet(&mut x).await);

    config.update("section.x", 3).unwrap();
    assert_eq!(section.changed().await.unwrap().section.x, 3);
    assert_eq!(x.changed().await.unwrap().section.x, 3);

    config.update("section.x", 3).unwrap();
    config.update("a", 9).unwrap();
    assert!(quiet(&mut x).await && quiet(&mut section).await);
}

#[tokio::test(start_paused = true)]
async fn a_slow_watch_sees_the_last_of_several_changes() {
    let config = config();
    let mut watch = config.watch("a").unwrap();
    for value in 2..=7 {
        config.update("a", value).unwrap();
    }
    config.update("section.x", 9).unwrap();
    assert_eq!(watch.changed().await.unwrap().a, 7);
    assert!(quiet(&mut watch).await);
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_with_the_configuration() {
    let config = config();
    let mut watch = config.watch("a").unwrap();
    drop(config);
    assert_eq!(watch.changed().await.unwrap_err(), Gone);
}

#[test]
fn updates_from_many_threads_are_all_kept() {
    let config = Loader::new().load::<serde_json::Value>().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let config = &config;
            scope.spawn(move || {
                for n in 0..20 {
                    config.update(&format!("t{thread}.n{n}"), n).unwrap();
                }
            });
        }
    });
    let all = config.current();
    assert_eq!(all.as_object().unwrap().len(), 8);
    assert!(
        all.as_object()
            .unwrap()
            .values()
            .all(|map| map.as_object().unwrap().len() == 20)
    );
}
