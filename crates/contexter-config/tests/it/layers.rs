//! Which layer wins.

use std::path::Path;

use contexter_config::{ErrorKind, Loader};
use serde::Deserialize;
use serde_json::json;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    a: String,
    b: String,
    c: String,
    d: String,
    list: Vec<u8>,
    section: Section,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Section {
    x: u8,
    y: u8,
}

impl Default for Section {
    fn default() -> Self {
        Self { x: 1, y: 1 }
    }
}

fn write(folder: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn overrides_win_over_variables_over_files_over_defaults_in_any_order_of_calls() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "app.yaml", "b: file\nc: file\nd: file");
    let config = Loader::new()
        .set("d", "set")
        .variables(
            "APP",
            [("APP__C", "env"), ("APP__D", "env"), ("OTHER__A", "no")],
        )
        .file(file)
        .defaults(
            "defaults.yaml",
            "a: default\nb: default\nc: default\nd: default",
        )
        .load::<Settings>()
        .unwrap();
    let it = config.current();
    assert_eq!(
        [&it.a, &it.b, &it.c, &it.d],
        ["default", "file", "env", "set"]
    );
}

#[test]
fn later_files_win_over_earlier_ones_and_optional_ones_may_be_missing() {
    let folder = tempfile::tempdir().unwrap();
    let first = write(folder.path(), "1.yaml", "a: one\nb: one");
    let second = write(folder.path(), "2.yaml", "b: two");
    let config = Loader::new()
        .optional_file(first)
        .file(second)
        .optional_file(folder.path().join("missing.yaml"))
        .load::<Settings>()
        .unwrap();
    assert_eq!(
        (config.current().a.as_str(), config.current().b.as_str()),
        ("one", "two")
    );
}

#[test]
fn a_required_file_that_is_missing_is_named() {
    let error = Loader::new()
        .file("/nowhere/app.yaml")
        .load::<Settings>()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(
        error.to_string(),
        "the configuration file /nowhere/app.yaml does not exist"
    );
}

#[test]
fn mappings_are_merged_and_lists_replaced() {
    let config = Loader::new()
        .defaults("d.yaml", "list: [1, 2, 3]\nsection: {x: 2, y: 2}")
        .variables("APP", [("APP__SECTION__Y", "3"), ("APP__LIST", "[9]")])
        .load::<Settings>()
        .unwrap();
    assert_eq!(config.current().section, Section { x: 2, y: 3 });
    assert_eq!(config.current().list, [9]);
}

#[test]
fn an_empty_section_does_not_wipe_out_a_lower_layer() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "app.yaml", "section:\n#  x: 5\na: ~");
    let config = Loader::new()
        .defaults("d.yaml", "section: {x: 2}\na: default")
        .file(file);
    assert_eq!(
        config
            .clone()
            .load::<serde_json::Value>()
            .unwrap()
            .current()["section"]["x"],
        2
    );
    let value = config.load::<serde_json::Value>().unwrap();
    assert!(value.current()["a"].is_null(), "a value can be unset");
}

#[test]
fn null_that_is_written_replaces_a_section_in_any_layer() {
    let below = "section: {x: 2, y: 2}\na: default";
    let section = |loader: Loader| {
        let config = loader.load::<serde_json::Value>().unwrap();
        config.current()["section"].clone()
    };
    let loader = Loader::new().defaults("d.yaml", below);
    for written in ["null", "~", "Null # not used"] {
        let loader = loader.clone();
        let over = loader.defaults("over.yaml", format!("section: {written}\na: b"));
        assert!(section(over).is_null(), "{written}");
    }
    assert!(section(loader.clone().set("section", ())).is_null());
    for written in ["section:", "section: # x: 5", "{section: , a: b}", "~", ""] {
        let over = loader.clone().defaults("over.yaml", written);
        assert_eq!(section(over), json!({"x": 2, "y": 2}), "{written}");
    }
}

#[test]
fn where_a_value_came_from_is_known() {
    let config = Loader::new()
        .defaults("d.yaml", "a: 1\nsection:\n  x: 2\n  y: 3")
        .variables("APP", [("APP__SECTION__Y", "4")])
        .set("b", "5")
        .load::<Settings>()
        .unwrap();
    let origin = |key| config.origin(key).map(|origin| origin.to_string());
    assert_eq!(origin("a").unwrap(), "d.yaml:1:4");
    assert_eq!(origin("section.x").unwrap(), "d.yaml:3:6");
    assert_eq!(origin("section.y").unwrap(), "APP__SECTION__Y");
    assert_eq!(origin("b").unwrap(), "set by the program");
    assert_eq!(origin("c"), None);
}

#[test]
fn overrides_keep_their_types() {
    let config = Loader::new()
        .set("section", json!({"x": 7}))
        .set("section.y", 8)
        .set("a", "1.10")
        .set("list", json!([1, 2]));
    let it = config.load::<Settings>().unwrap().current();
    assert_eq!(it.section, Section { x: 7, y: 8 });
    assert_eq!(it.a, "1.10");
    let error = Loader::new()
        .set("section.x", "7")
        .load::<Settings>()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "set by the program: section.x: expected u8, found text"
    );
}

#[test]
fn a_check_may_refuse_the_whole() {
    let loader = Loader::new().defaults("d.yaml", "section: {x: 3, y: 2}");
    let check = |settings: &Settings| {
        let Section { x, y } = settings.section;
        if x <= y { Ok(()) } else { Err("x is above y") }
    };
    let error = loader.load_checked(check).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(
        (error.to_string().as_str(), source.as_str()),
        ("the configuration was refused", "x is above y")
    );
}
