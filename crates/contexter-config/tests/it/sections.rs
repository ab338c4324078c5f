//! Sections with types of their own.

use contexter_config::{Config, Loader};
use serde::Deserialize;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Qdrant {
    host: String,
    #[serde(default)]
    port: u16,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Bus {
    capacity: usize,
}

fn config() -> Config<serde_json::Value> {
    Loader::new()
        .defaults(
            "t.yaml",
            "services:\n  qdrant: {host: localhost, port: 6334}\n  broken: {host: a, port: x}\n\
             integrations:\n  event_bus: {capacity: 64}\n",
        )
        .load()
        .unwrap()
}

#[test]
fn a_section_is_read_into_its_own_type() {
    let config = config();
    let expected = Qdrant {
        host: "localhost".to_owned(),
        port: 6334,
    };
    assert_eq!(
        config.section::<Qdrant>("services.qdrant").unwrap(),
        expected
    );
    assert_eq!(config.service::<Qdrant>("qdrant").unwrap(), expected);
    assert_eq!(
        config.integration::<Bus>("event_bus").unwrap(),
        Bus { capacity: 64 }
    );
    assert_eq!(config.section::<u16>("services.qdrant.port").unwrap(), 6334);
}

#[test]
fn a_section_that_is_not_there_is_an_empty_one() {
    let config = config();
    assert_eq!(config.integration::<Bus>("other").unwrap(), Bus::default());
    let error = config.service::<Qdrant>("other").unwrap_err();
    assert_eq!(error.to_string(), "services.other.host: is missing");
}

#[test]
fn an_error_in_a_section_has_the_full_key() {
    let error = config().service::<Qdrant>("broken").unwrap_err();
    assert_eq!(
        error.to_string(),
        "t.yaml:3:27: services.broken.port: expected u16, found text"
    );
}

#[test]
fn a_malformed_key_is_refused() {
    let error = config().section::<Bus>("services..qdrant").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the key \"services..qdrant\" has an empty part; write it like a.b.c",
    );
}
