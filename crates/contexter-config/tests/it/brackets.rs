//! Mappings and lists that a variable writes in brackets.

use std::collections::BTreeMap;

use contexter_config::{Config, ErrorKind, Loader};
use serde::Deserialize;
use serde_json::json;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    section: Section,
    template: String,
    store: Option<Store>,
    limits: Vec<BTreeMap<String, u8>>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Section {
    x: u8,
    y: u8,
    headers: BTreeMap<String, String>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Store {
    Embedded,
    Remote { host: String },
}

fn over(below: &str, variables: &[(&str, &str)]) -> Loader {
    Loader::new()
        .defaults("d.yaml", below)
        .variables("APP", variables.iter().copied())
}

fn settings(variables: &[(&str, &str)]) -> Config<Settings> {
    over("", variables).load().unwrap()
}

#[test]
fn a_mapping_is_merged_with_what_is_below_it() {
    let loader = over(
        "section: {x: 2, headers: {accept: a}}",
        &[("APP__SECTION", "{y: 3, headers: {Host: b}}")],
    );
    let config = loader.clone().load::<Settings>().unwrap();
    let section = &config.current().section;
    assert_eq!((section.x, section.y), (2, 3));
    assert_eq!(section.headers["accept"], "a");
    assert_eq!(section.headers["Host"], "b");
    assert_eq!(config.section::<u8>("section.x").unwrap(), 2);

    let untyped = loader.load::<serde_json::Value>().unwrap();
    let expected = json!({"x": 2, "y": 3, "headers": {"accept": "a", "Host": "b"}});
    assert_eq!(untyped.current()["section"], expected);
}

#[test]
fn a_mapping_is_merged_with_what_is_above_it() {
    let variables = [("APP__SECTION", "{x: 2, y: 3}")];
    let config = over("", &variables).set("section.y", 4).load::<Settings>();
    let section = &config.unwrap().current().section;
    assert_eq!((section.x, section.y), (2, 4));

    let config = settings(&variables);
    config.update("section", json!({"x": 5})).unwrap();
    config.update("section.y", 6).unwrap();
    let section = &config.current().section;
    assert_eq!((section.x, section.y), (5, 6));
}

#[test]
fn two_variables_for_one_mapping_are_merged() {
    let config = over("", &[("APP__SECTION", "{x: 2, y: 3}")])
        .variables("MORE", [("MORE__SECTION", "{y: 4}")])
        .load::<Settings>()
        .unwrap();
    let section = &config.current().section;
    assert_eq!((section.x, section.y), (2, 4));
}

#[test]
fn keys_in_brackets_are_found() {
    let config = settings(&[("APP__SECTION", "{x: 2, headers: {a: b}}")]);
    assert_eq!(config.section::<u8>("section.x").unwrap(), 2);
    assert_eq!(config.section::<String>("section.headers.a").unwrap(), "b");
    let origin = config.origin("section.headers.a").unwrap();
    assert_eq!(origin.to_string(), "APP__SECTION");
}

#[tokio::test(start_paused = true)]
async fn a_value_in_brackets_can_be_watched() {
    let config = settings(&[("APP__SECTION", "{x: 2, y: 3}")]);
    let mut x = config.watch("section.x").unwrap();
    let mut section = config.watch("section").unwrap();
    config.update("section.x", 2).unwrap();
    let second = std::time::Duration::from_secs(1);
    assert!(tokio::time::timeout(second, x.changed()).await.is_err());
    let same = tokio::time::timeout(second, section.changed()).await;
    assert!(same.is_err(), "the same value is no change");
    config.update("section.x", 4).unwrap();
    assert_eq!(x.changed().await.unwrap().section.x, 4);
}

#[test]
fn text_in_brackets_stays_as_it_was_written() {
    let config = over("template: below", &[("APP__TEMPLATE", "{name}:  {age}")])
        .variables("MORE", [("MORE__TEMPLATE", "{ name:  x }")])
        .load::<Settings>()
        .unwrap();
    assert_eq!(config.current().template, "{ name:  x }");
    assert_eq!(
        config.section::<String>("template").unwrap(),
        "{ name:  x }"
    );

    let config = settings(&[("APP__TEMPLATE", "{ 'a' : b }")]);
    assert_eq!(config.current().template, "{ 'a' : b }");
    let untyped = over("", &[("APP__TEMPLATE", "{a: b}")]).load::<serde_json::Value>();
    assert_eq!(untyped.unwrap().current()["template"], "{a: b}");
}

#[test]
fn a_list_replaces_and_is_replaced() {
    let config = over("limits: [{a: 1}, {b: 2}]", &[("APP__LIMITS", "[{a: 3}]")]);
    let config = config.load::<Settings>().unwrap();
    assert_eq!(
        config.section::<serde_json::Value>("limits").unwrap(),
        "[{a: 3}]"
    );
    assert_eq!(config.current().limits.len(), 1);
    config.update("limits", json!([])).unwrap();
    assert!(config.current().limits.is_empty());
}

#[test]
fn a_variant_can_be_in_brackets() {
    let config = settings(&[("APP__STORE", "{remote: {host: a}}")]);
    let remote = Store::Remote {
        host: "a".to_owned(),
    };
    assert_eq!(config.current().store, Some(remote));
    let config = settings(&[("APP__STORE", "embedded")]);
    assert_eq!(config.current().store, Some(Store::Embedded));
}

#[test]
fn an_error_within_brackets_names_the_variable_and_the_key() {
    for (variable, text, message) in [
        (
            "APP__SECTION",
            "{x: 2, headers: [a]}",
            "APP__SECTION: section.headers: expected a map, found a list",
        ),
        (
            "APP__LIMITS",
            "[{a: 1}, {a: 300}]",
            "APP__LIMITS: limits[1].a: 300 is not allowed, expected u8",
        ),
        (
            "APP__SECTION",
            "{z: 2}",
            "APP__SECTION: section.z: unknown key; did you mean x? allowed are x, y, headers",
        ),
        (
            "APP__STORE",
            "{remote: {}}",
            "APP__STORE: store.remote.host: is missing",
        ),
        (
            "APP__STORE",
            "{remote: {host: a}, embedded: }",
            "APP__STORE: store: expected enum Store, found a mapping",
        ),
    ] {
        let error = over("", &[(variable, text)])
            .load::<Settings>()
            .unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn a_variant_in_malformed_brackets_is_not_repeated() {
    for text in [
        "{remote: {password: hunter22}",
        "[hunter22]",
        "{hunter22: a}}",
    ] {
        let error = over("", &[("APP__STORE", text)]).load::<Settings>();
        let error = error.unwrap_err();
        let printed = format!("{error} {error:?}");
        assert!(!printed.contains("hunter22"), "{printed}");
        assert!(printed.starts_with("APP__STORE: store: "), "{printed}");
    }
    let error = over("", &[("APP__STORE", "{remote: ")]).load::<Settings>();
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Syntax);
}
