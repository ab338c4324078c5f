//! Secrets are used and never seen.

use std::fmt::Write;

use contexter_config::{Error, ErrorKind, Loader, Secret};
use serde::{Deserialize, Serialize};

use crate::yaml;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Service {
    api_key: Secret,
    other: Option<Secret>,
    #[serde(default)]
    port: u16,
    #[serde(default)]
    log_file: String,
}

#[derive(Debug, Deserialize)]
struct Settings {
    service: Service,
}

/// Everything that an error can print.
fn everything(error: &Error) -> String {
    let mut all = format!("{error} {error:?}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        write!(all, " {cause} {cause:?}").unwrap();
        source = cause.source();
    }
    all
}

#[test]
fn a_secret_is_redacted_wherever_it_is_printed() {
    let settings = yaml::<Settings>("service: {api_key: hunter22, other: 12345}").unwrap();
    let service = settings.service.clone();
    assert_eq!(service.api_key.expose(), "hunter22");
    assert_eq!(service.other.as_ref().unwrap().expose(), "12345");
    let printed = format!(
        "{service:?} {:#?} {} {}",
        settings,
        service.api_key,
        serde_json::to_string(&service).unwrap(),
    );
    assert!(
        !printed.contains("hunter22") && !printed.contains("12345"),
        "{printed}"
    );
    assert!(printed.contains("\"api_key\":\"[redacted]\""));
}

#[test]
fn a_secret_is_the_text_as_written() {
    for written in ["1.10", "0755", "no", "1e5", "007", "true"] {
        let settings = yaml::<Settings>(&format!("service: {{api_key: {written}}}")).unwrap();
        assert_eq!(settings.service.api_key.expose(), written);
    }
}

#[test]
fn no_error_shows_a_secret_or_its_neighbours() {
    let secret = "hunter22-correct-horse";
    for document in [
        format!("service:\n  api_key: {secret}\n  port: eighty\n"),
        format!("service:\n  api_key: {secret}\n  port: 99999\n"),
        format!("service:\n  api_key: {secret}\n  prot: 5\n"),
        format!("service:\n  api_key: {secret}\n  port: [\n"),
        format!("service:\n  api_key: {secret}\n port: 5\n"),
        format!("service:\n  api_key: {secret}\n  api_key: {secret}\n"),
        format!("service:\n  api_key: [{secret}]\n"),
        format!("service:\n  api_key: {{{secret}: {secret}}}\n"),
        format!("service:\n  api_key: *{secret}\n"),
        format!("service:\n  api_key: &{secret}\n"),
        format!("service:\n  api_key: \"{secret}\n"),
        format!("service:\n  api_key: !{secret} [a]\n"),
        format!("service:\n  api_key: @{secret}\n"),
        format!("service:\n  api_key: %{secret}\n"),
        format!("service:\n  api_key: {secret}: {secret}\n"),
        format!("service:\n  port: {secret}\n  api_key: {secret}\n"),
        format!("service:\n  port: \"{secret}\"\n  api_key: {secret}\n"),
        format!("service: {secret}\n"),
        format!("service: [{secret}]\n"),
        format!("{secret}\n"),
        format!("- {secret}\n"),
    ] {
        let error = yaml::<Settings>(&document).unwrap_err();
        let printed = everything(&error);
        assert!(!printed.contains("hunter22"), "{document}\n{printed}");
        assert!(printed.starts_with("t.yaml:"), "{printed}");
    }
}

#[test]
fn a_types_own_words_about_a_value_are_cleared_of_it() {
    #[derive(Debug)]
    struct Picky;
    impl<'de> Deserialize<'de> for Picky {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text = String::deserialize(deserializer)?;
            Err(serde::de::Error::custom(format_args!(
                "cannot use {text:?}: {text} is bad"
            )))
        }
    }
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Holder {
        #[serde(default)]
        url: Option<Picky>,
        #[serde(default)]
        access_token: Option<Picky>,
    }
    let error = yaml::<Holder>("url: postgres://u:hunter22@host/").unwrap_err();
    assert_eq!(error.to_string(), "t.yaml:1:6: url: cannot use …: … is bad");
    let error = yaml::<Holder>("access_token: abc").unwrap_err();
    assert_eq!(
        error.to_string(),
        "t.yaml:1:15: access_token: the value is not allowed"
    );
}

#[test]
fn numbers_under_a_name_that_sounds_secret_are_not_repeated() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Holder {
        token_number: u8,
    }
    let error = yaml::<Holder>("token_number: 31337").unwrap_err();
    assert_eq!(
        error.to_string(),
        "t.yaml:1:15: token_number: the value is not allowed, expected u8",
    );
}

#[test]
fn a_secret_can_be_in_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, "hunter22\n").unwrap();
    let absolute = path.to_str().unwrap();

    let settings = yaml::<Settings>(&format!(
        "service: {{api_key_file: {absolute}, log_file: x}}"
    ));
    let settings = settings.unwrap();
    assert_eq!(settings.service.api_key.expose(), "hunter22");
    assert_eq!(
        settings.service.log_file, "x",
        "a field of its own is no secret's file"
    );

    let config = Loader::new()
        .defaults("d.yaml", "service: {api_key: below}")
        .variables(
            "APP",
            [
                ("APP__SERVICE__API_KEY_FILE", absolute),
                ("APP__SERVICE__OTHER_FILE", absolute),
            ],
        )
        .load::<Settings>()
        .unwrap();
    assert_eq!(config.current().service.api_key.expose(), "hunter22");
    assert_eq!(
        config.current().service.other.as_ref().unwrap().expose(),
        "hunter22"
    );
}

#[test]
fn a_file_named_in_a_file_is_found_from_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), "hunter22").unwrap();
    let file = folder.path().join("app.yaml");
    std::fs::write(&file, "service: {api_key_file: key}").unwrap();
    let config = Loader::new().file(file).load::<Settings>().unwrap();
    assert_eq!(config.current().service.api_key.expose(), "hunter22");
}

#[test]
fn the_higher_layer_decides_between_a_value_and_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, "from the file").unwrap();
    let config = Loader::new()
        .defaults(
            "d.yaml",
            format!("service: {{api_key_file: {}}}", path.display()),
        )
        .variables("APP", [("APP__SERVICE__API_KEY", "from the variable")])
        .load::<Settings>()
        .unwrap();
    assert_eq!(
        config.current().service.api_key.expose(),
        "from the variable"
    );

    let error = yaml::<Settings>("service: {api_key: a, api_key_file: b}").unwrap_err();
    assert_eq!(
        error.to_string(),
        "t.yaml:1:10: service.api_key: is there twice under different names",
    );
}

#[test]
fn a_secret_file_that_cannot_be_used_is_named() {
    let error = yaml::<Settings>("service:\n  api_key_file: /nowhere/key").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(
        error.to_string(),
        "t.yaml:2:17: service.api_key_file: the secret file /nowhere/key does not exist",
    );
    let error = yaml::<Settings>("service: {api_key: a, port_file: /nowhere/port}").unwrap_err();
    assert_eq!(
        error.to_string(),
        "t.yaml:1:34: service.port_file: only a secret can be read from a file",
    );
}
