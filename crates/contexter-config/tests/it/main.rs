//! The behaviour of layered configuration.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod brackets;
mod environment;
mod errors;
mod hostile;
mod late_typing;
mod layers;
mod naming;
mod precedence;
mod redaction;
mod secret_files;
mod secrets;
mod sections;
mod updates;

use contexter_config::{Error, Loader};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// Reads YAML that is called `t.yaml`.
fn yaml<T: DeserializeOwned>(text: &str) -> Result<Arc<T>, Error> {
    let loaded = Loader::new().defaults("t.yaml", text).load();
    loaded.map(|config| config.current())
}

/// Returns the message for YAML that cannot be read.
fn fault<T: DeserializeOwned>(text: &str) -> String {
    yaml::<T>(text).err().unwrap().to_string()
}
