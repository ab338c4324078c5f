//! What an error says.

use std::collections::BTreeMap;

use contexter_config::{ErrorKind, Loader};
use serde::Deserialize;

use crate::{fault, yaml};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only read")]
struct Settings {
    name: String,
    #[serde(default)]
    limits: Vec<Limit>,
    mode: Option<Mode>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only read")]
struct Limit {
    rps: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Hybrid,
    Dense,
}

#[test]
fn a_wrong_type_is_told_with_position_key_and_expectation() {
    assert_eq!(
        fault::<Settings>("name: a\nlimits:\n  - rps: 5\n  - rps: fast\n"),
        "t.yaml:4:10: limits[1].rps: expected u32, found text",
    );
    assert_eq!(
        fault::<Settings>("name: a\nlimits: {rps: 5}"),
        "t.yaml:2:9: limits: expected a sequence, found a mapping",
    );
    assert_eq!(
        fault::<Settings>("name: [a]"),
        "t.yaml:1:7: name: expected a string, found a list"
    );
    assert_eq!(
        fault::<Settings>("name:"),
        "t.yaml:1:5: name: expected a string, found nothing"
    );
}

#[test]
fn a_number_out_of_range_is_repeated() {
    assert_eq!(
        fault::<Settings>("name: a\nlimits: [{rps: -5}]"),
        "t.yaml:2:16: limits[0].rps: -5 is not allowed, expected u32",
    );
}

#[test]
fn an_unknown_key_is_told_with_the_known_ones() {
    let error = yaml::<Settings>("name: a\nlimtis: []").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownKey);
    assert_eq!(error.key(), "limtis");
    assert_eq!(
        error.to_string(),
        "t.yaml:2:1: limtis: unknown key; did you mean limits? allowed are name, limits, mode",
    );
    assert_eq!(
        fault::<Settings>("name: a\nlimits:\n  - {burst: 5, rps: 1}"),
        "t.yaml:3:6: limits[0].burst: unknown key; allowed are rps",
    );
}

#[test]
fn a_missing_key_is_told_where_its_section_is() {
    let error = yaml::<Settings>("limits: []").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MissingKey);
    assert_eq!(error.to_string(), "t.yaml:1:1: name: is missing");
    assert_eq!(
        fault::<Settings>("name: a\nlimits:\n- {}"),
        "t.yaml:3:3: limits[0].rps: is missing",
    );
    let error = Loader::new().load::<Settings>().unwrap_err();
    assert_eq!(error.to_string(), "name: is missing");
    let over = Loader::new()
        .defaults("low.yaml", "mode: dense")
        .defaults("high.yaml", "limits: []");
    assert_eq!(
        over.load::<Settings>().unwrap_err().to_string(),
        "high.yaml:1:1: name: is missing"
    );
}

#[test]
fn an_unknown_variant_is_told_with_the_known_ones() {
    assert_eq!(
        fault::<Settings>("name: a\nmode: hybird"),
        "t.yaml:2:7: mode: \"hybird\" is not known; did you mean hybrid? allowed are hybrid, dense",
    );
}

#[test]
fn the_position_survives_layering() {
    let error = Loader::new()
        .defaults("base.yaml", "name: a\nlimits: []")
        .defaults(
            "prod.yaml",
            "# production\nlimits:\n  - rps: 1\n  - rps: -5\n",
        )
        .variables("APP", [("APP__NAME", "b")])
        .load::<Settings>()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "prod.yaml:4:10: limits[1].rps: -5 is not allowed, expected u32",
    );
    assert_eq!(error.origin().unwrap().to_string(), "prod.yaml:4:10");
    assert_eq!(error.key(), "limits[1].rps");
}

#[test]
fn a_fault_of_a_types_own_conversion_is_told_at_the_value() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Holder {
        address: std::net::IpAddr,
    }
    assert_eq!(
        fault::<Holder>("# comment\naddress: 1.2.3"),
        "t.yaml:2:10: address: invalid IP address syntax",
    );
}

#[test]
fn too_many_values_for_a_tuple_are_refused() {
    assert_eq!(
        fault::<BTreeMap<String, (u8, u8)>>("a: [1, 2, 3]"),
        "t.yaml:1:4: a: 3 values, expected 2",
    );
    assert_eq!(
        fault::<BTreeMap<String, (u8, u8)>>("a: [1]"),
        "t.yaml:1:4: a: 1 values, expected a tuple of size 2",
    );
}

#[test]
fn what_is_no_mapping_is_no_configuration() {
    for text in ["- a\n- b", "just text", "5"] {
        assert_eq!(
            fault::<serde_json::Value>(text),
            "t.yaml:1:1: a configuration is a mapping of keys to values",
        );
    }
}

#[test]
fn bad_yaml_is_told_with_its_position() {
    let error = yaml::<serde_json::Value>("a: 1\nb: [1, 2\nc: 3\n").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Syntax);
    assert!(error.to_string().starts_with("t.yaml:3:"), "{error}");
    assert_eq!(
        fault::<serde_json::Value>("a: 1\nb: 2\na: 3"),
        "t.yaml:3:1: the key \"a\" is there twice",
    );
    assert_eq!(
        fault::<serde_json::Value>("a: 1\n---\nb: 2"),
        "t.yaml:3:1: more than one document; a configuration is one",
    );
    assert_eq!(
        fault::<serde_json::Value>("a: *nothing"),
        "t.yaml:1:4: an alias of nothing; text that begins with * needs quotes",
    );
}

#[test]
fn a_key_that_swallowed_its_value_is_told_without_it() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Service {
        api_key: String,
    }
    assert_eq!(
        fault::<Service>("{api_key:hunter22}"),
        "t.yaml:1:2: api_key: unknown key; a space is missing after the colon; \
         did you mean api_key? allowed are api_key",
    );
    assert_eq!(
        fault::<Service>("{api_key hunter22}"),
        "t.yaml:1:2: api_key: unknown key; a colon is missing, or the key has a space; \
         did you mean api_key? allowed are api_key",
    );
    assert_eq!(
        fault::<Service>("{\":hunter22\": }"),
        "t.yaml:1:2: unknown key; a space is missing after the colon; allowed are api_key",
    );
    assert_eq!(
        fault::<Service>("{api_key:hunter22: 1, api_key:hunter22: 2}"),
        "t.yaml:1:23: the key \"api_key\" is there twice; a space is missing after the colon",
    );
    assert_eq!(
        fault::<BTreeMap<String, String>>("{pin:hunter22}"),
        "t.yaml:1:14: pin: expected a string, found nothing",
    );
    assert_eq!(
        fault::<BTreeMap<String, u8>>("'http://a/': x"),
        "t.yaml:1:14: http://a/: expected u8, found text",
    );
}

#[test]
fn what_cannot_be_the_name_of_a_variant_is_not_repeated() {
    for text in [
        "postgres://u:hunter22@h",
        "pa-hunter22-hunter22-hunter22",
        "hunter22 hunter22",
        "{hybrid:hunter22}",
    ] {
        let message = fault::<Settings>(&format!("name: a\nmode: {text}"));
        let expected = "mode: the value is not known; ";
        assert!(
            message.contains(expected) && !message.contains("hunter22"),
            "{message}"
        );
    }
}
