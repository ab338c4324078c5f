//! Environment variables.

use std::collections::BTreeMap;

use contexter_config::{Error, Loader};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

fn env<T: DeserializeOwned>(variables: &[(&str, &str)]) -> Result<Arc<T>, Error> {
    let variables = variables.iter().copied();
    let loaded = Loader::new().variables("CONTEXTER", variables).load();
    loaded.map(|config| config.current())
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Voyage {
    #[serde(default)]
    timeout: f64,
    #[serde(default)]
    max_retry_count: u32,
    #[serde(default)]
    model: String,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    enabled: bool,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Services {
    voyage_ai: Voyage,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    services: Services,
}

#[test]
fn single_underscores_belong_to_names_and_values_get_the_type_of_the_field() {
    let settings = env::<Settings>(&[
        ("CONTEXTER__SERVICES__VOYAGE_AI__TIMEOUT", "30"),
        ("CONTEXTER__SERVICES__VOYAGE_AI__MAX_RETRY_COUNT", "5"),
        ("CONTEXTER__SERVICES__VOYAGE_AI__MODEL", "1.10"),
        ("CONTEXTER__SERVICES__VOYAGE_AI__ENABLED", "true"),
        ("CONTEXTER__SERVICES__VOYAGE_AI__TAGS", "[a, 1.10, 'x y']"),
        ("CONTEXTER__SERVICES__VOYAGE_AI__HEADERS", "{accept: no}"),
        ("CONTEXTER_SERVICES__VOYAGE_AI__MODEL", "another prefix"),
        ("CONTEXTERS__SERVICES__VOYAGE_AI__MODEL", "another prefix"),
        ("PATH", "/bin"),
    ])
    .unwrap();
    let voyage = &settings.services.voyage_ai;
    assert!((voyage.timeout - 30.0).abs() < f64::EPSILON);
    assert_eq!(voyage.max_retry_count, 5);
    assert_eq!(voyage.model, "1.10");
    assert_eq!(voyage.tags, ["a", "1.10", "x y"]);
    assert_eq!(voyage.headers["accept"], "no");
    assert!(voyage.enabled);
}

#[test]
fn text_with_brackets_stays_text_where_text_is_expected() {
    let settings = env::<Settings>(&[("CONTEXTER__SERVICES__VOYAGE_AI__MODEL", "[not, a, list")]);
    assert_eq!(settings.unwrap().services.voyage_ai.model, "[not, a, list");
}

#[test]
fn a_variable_means_a_key_of_another_case_or_with_dashes() {
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields)]
    struct Server {
        bind_address: String,
    }
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Camel {
        web_server: Server,
    }
    // With nothing below it, and over a file.
    let variable = [("CONTEXTER__WEBSERVER__BIND_ADDRESS", "::1")];
    assert_eq!(
        env::<Camel>(&variable).unwrap().web_server.bind_address,
        "::1"
    );
    let config = Loader::new()
        .defaults("d.yaml", "webServer: {bind-address: 0.0.0.0}")
        .variables("CONTEXTER", variable)
        .load::<Camel>()
        .unwrap();
    assert_eq!(config.current().web_server.bind_address, "::1");
}

#[test]
fn an_error_names_the_variable_and_the_key() {
    let error = env::<Settings>(&[("CONTEXTER__SERVICES__VOYAGE_AI__TIMEOUT", "soon")]);
    assert_eq!(
        error.unwrap_err().to_string(),
        "CONTEXTER__SERVICES__VOYAGE_AI__TIMEOUT: services.voyage_ai.timeout: \
         expected f64, found text",
    );
    let error = env::<Settings>(&[("CONTEXTER__SERVICES__VOYAGE_AI__TIMEUOT", "5")]);
    assert_eq!(
        error.unwrap_err().to_string(),
        "CONTEXTER__SERVICES__VOYAGE_AI__TIMEUOT: services.voyage_ai.timeuot: unknown key; \
         did you mean timeout? allowed are timeout, max_retry_count, model, tags, headers, enabled",
    );
    let error = env::<Settings>(&[("CONTEXTER__SERVICES__VOYAGE_AI__TAGS", "[a")]);
    assert_eq!(
        error.unwrap_err().to_string(),
        "CONTEXTER__SERVICES__VOYAGE_AI__TAGS: services.voyage_ai.tags: not valid YAML in brackets",
    );
}

#[test]
fn malformed_and_contradicting_variables_are_refused() {
    let error = env::<Settings>(&[("CONTEXTER__SERVICES____X", "5")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "CONTEXTER__SERVICES____X: has an empty part; write it like CONTEXTER__A__B",
    );
    let error = env::<Settings>(&[("CONTEXTER__A__B", "1"), ("CONTEXTER__A", "2")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "CONTEXTER__A__B: is inside a value that CONTEXTER__A sets",
    );
}

#[test]
fn the_variables_of_the_process_can_be_used() {
    let config = Loader::new()
        .from_env("CTXTEST")
        .load::<serde_json::Value>();
    let found = config.unwrap().current();
    if std::env::var_os("CTXTEST_CHILD").is_some() {
        assert_eq!(*found, serde_json::json!({"server": {"port": 6334}}));
        return;
    }
    // A process cannot safely set its own variables, so this test runs itself with some.
    assert_eq!(*found, serde_json::json!({}));
    let own_name = "environment::the_variables_of_the_process_can_be_used";
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", own_name])
        .envs([("CTXTEST_CHILD", "1"), ("CTXTEST__SERVER__PORT", "6334")])
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success() && printed.contains("1 passed"),
        "{printed}"
    );
}

#[cfg(unix)]
#[test]
fn a_variable_of_others_may_hold_anything() {
    use std::os::unix::ffi::OsStrExt;

    let loaded = Loader::new().from_env("CTXT").load::<serde_json::Value>();
    if std::env::var_os("CTXTEST_CHILD").is_some() {
        assert_eq!(*loaded.unwrap().current(), serde_json::json!({"port": 5}));
        return;
    }
    let not_text = std::ffi::OsStr::from_bytes(b"/caf\xe9");
    let own_name = "environment::a_variable_of_others_may_hold_anything";
    let child = |name: &str| {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", own_name]);
        child.envs([("CTXTEST_CHILD", "1"), ("CTXT__PORT", "5")]);
        child.env(name, not_text).output().unwrap().status.success()
    };
    assert!(child("CTXTDIR"));
    assert!(!child("CTXT__DIR"), "one of ours must be text");
}
