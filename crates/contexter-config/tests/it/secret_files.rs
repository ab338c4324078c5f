//! Secrets in files of their own, over time.

use std::path::Path;
use std::time::Duration;

use contexter_config::{Config, ErrorKind, Loader, Secret};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Settings {
    service: Service,
}

#[derive(Debug, Deserialize)]
struct Service {
    api_key: Secret,
    #[serde(default)]
    port: u16,
}

fn naming(file: &Path) -> Loader {
    Loader::new().set("service.api_key_file", file.to_str().unwrap())
}

/// The secret as the whole configuration has it, and as its section has it.
fn views(config: &Config<Settings>) -> [String; 2] {
    let section: Service = config.section("service").unwrap();
    [&config.current().service, &section].map(|service| service.api_key.expose().to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_file_is_read_once_whatever_becomes_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, "one").unwrap();
    let config = naming(&file).load::<Settings>().unwrap();
    let mut watch = config.watch("service.api_key_file").unwrap();

    std::fs::write(&file, "two").unwrap();
    config.update("service.port", 5).unwrap();
    assert_eq!(views(&config), ["one", "one"]);
    std::fs::remove_file(&file).unwrap();
    config.update("service.port", 6).unwrap();
    assert_eq!(views(&config), ["one", "one"]);
    assert_eq!(config.current().service.port, 6);
    let quiet = tokio::time::timeout(Duration::from_secs(1), watch.changed()).await;
    assert!(quiet.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_update_may_name_another_file() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["1", "2"].map(|name| folder.path().join(name));
    std::fs::write(&first, "one").unwrap();
    let config = naming(&first).load::<Settings>().unwrap();
    let mut watch = config.watch("service").unwrap();
    let named = second.to_str().unwrap();
    let error = config.update("service.api_key_file", named).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(views(&config), ["one", "one"]);

    std::fs::write(&second, "two").unwrap();
    config.update("service.api_key_file", named).unwrap();
    assert_eq!(views(&config), ["two", "two"]);
    let seen = watch.changed().await.unwrap();
    assert_eq!(seen.service.api_key.expose(), "two");
}

#[test]
fn a_file_of_a_refused_update_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["1", "2"].map(|name| folder.path().join(name));
    std::fs::write(&first, "long enough").unwrap();
    std::fs::write(&second, "short").unwrap();
    let long = |settings: &Settings| {
        let length = settings.service.api_key.expose().len();
        (length > 8).then_some(()).ok_or("the key is too short")
    };
    let config = naming(&first).load_checked(long).unwrap();
    let named = second.to_str().unwrap();
    let error = config.update("service.api_key_file", named).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    std::fs::write(&second, "also long enough").unwrap();
    config.update("service.api_key_file", named).unwrap();
    assert_eq!(views(&config), ["also long enough"; 2]);
}

#[test]
fn a_file_that_only_a_section_names_is_read_once_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, "one").unwrap();
    let config = naming(&file).load::<serde_json::Value>().unwrap();
    let key = || {
        let section: Service = config.section("service").unwrap();
        section.api_key.expose().to_owned()
    };
    assert_eq!(key(), "one");
    std::fs::write(&file, "two").unwrap();
    assert_eq!(key(), "one");
}
