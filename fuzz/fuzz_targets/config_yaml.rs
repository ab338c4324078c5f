//! Configuration in YAML.
//!
//! A secret gets into no error and no debug output; an error points into the file; a file laid
//! over itself changes nothing; quoted text is read as it was written.

#![no_main]

use std::collections::BTreeMap;
use std::error::Error as StdError;

use contexter_config::{Error, Loader, Secret};
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;

const SECRET: &str = "q7Zt0Wm4";
const FILE: &str = "fuzz.yaml";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "they are read by Debug")]
struct Settings {
    token: Secret,
    name: Option<String>,
    port: Option<u16>,
    ratio: Option<f64>,
    enabled: Option<bool>,
    kind: Option<Kind>,
    tags: Option<Vec<String>>,
    #[serde(default)]
    services: BTreeMap<String, Service>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "they are read by Debug")]
enum Kind {
    Small,
    Large { size: u32 },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "they are read by Debug")]
struct Service {
    url: Option<String>,
    #[serde(default, with = "contexter_service::duration::option")]
    timeout: Option<std::time::Duration>,
}

fuzz_target!(|text: &str| {
    check_file(text);
    check_quoted(text);
});

fn check_file(text: &str) {
    if text.contains(SECRET) {
        return;
    }
    let file = format!("token: {SECRET}\n{text}");
    let once = shown(Loader::new().defaults(FILE, &file), &file);
    let twice = Loader::new().defaults(FILE, &file).defaults(FILE, &file);
    assert_eq!(once, shown(twice, &file), "laid over itself");
}

/// Returns the settings, or the error, as a person sees them.
fn shown(loader: Loader, file: &str) -> Result<String, String> {
    let (shown, all) = match loader.load::<Settings>() {
        Ok(config) => {
            let settings = format!("{:?}", config.current());
            (Ok(settings.clone()), settings)
        }
        Err(error) => {
            check_place(&error, file);
            (Err(error.to_string()), chain(&error))
        }
    };
    assert!(!all.contains(SECRET), "{all}");
    shown
}

fn chain(error: &Error) -> String {
    let mut text = format!("{error}\n{error:?}");
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!("\n{error}\n{error:?}");
        source = error.source();
    }
    text
}

/// The file has as many lines as the error says, or it ends right before.
fn check_place(error: &Error, file: &str) {
    let origin = error.origin().map(ToString::to_string).unwrap_or_default();
    let Some(place) = origin.strip_prefix(FILE) else {
        return;
    };
    let mut numbers = place.split(':').skip(1).map(str::parse::<usize>);
    let line = numbers.next().expect("a file has lines").expect("a number");
    let lines = file.split(['\n', '\r']).count();
    assert!((1..=lines + 1).contains(&line), "{origin} of {lines} lines");
}

/// A text in JSON is a text in YAML.
fn check_quoted(text: &str) {
    let quoted = serde_json::to_string(text).expect("a text can be written");
    let loaded = Loader::new()
        .defaults(FILE, format!("text: {quoted}"))
        .load::<BTreeMap<String, String>>();
    if let Ok(config) = loaded {
        assert_eq!(config.current()["text"], text);
    }
}
