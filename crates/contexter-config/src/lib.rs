//! Typed, layered configuration from YAML and the environment, with redacted secrets.
//!
//! A [`Loader`] lays defaults, YAML files, environment variables and overrides over each other and
//! reads the result into your type, a plain serde struct. A [`Config`] holds it: read it whole with
//! [`Config::current`], or section by section; update values in memory and watch them change.
//!
//! Three promises:
//!
//! - **Text stays text.** A scalar gets its type from the field that reads it, so `version: 1.10`,
//!   `country: no` and `mode: 0755` arrive in a `String` as they were written, and a number in an
//!   environment variable is a number where one is expected. The exceptions are serde's own:
//!   through `#[serde(flatten)]`, `#[serde(untagged)]` and `#[serde(tag = "…")]` values pass
//!   without a type, so quote such text there.
//! - **An error says where.** File, line and column or the variable, the key, what was expected, and
//!   for an unknown key the known ones: put `#[serde(deny_unknown_fields)]` on your types.
//! - **A secret stays secret.** [`Secret`] is redacted wherever it is printed, and no error repeats
//!   text from the configuration. [`Secrets`] takes keys out of what others say, however they spell them.
//!
//! ```
//! use contexter_config::Loader;
//!
//! #[derive(Debug, serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Server {
//!     port: u16,
//! }
//!
//! let error = Loader::new()
//!     .defaults("server.yaml", "port: 80800")
//!     .load::<Server>()
//!     .unwrap_err();
//! assert_eq!(error.to_string(), "server.yaml:1:7: port: 80800 is not allowed, expected u16");
//! ```
//!
//! Files, those of secrets too, are read once: they are neither watched nor written.
//!
//! # Names of the specification
//!
//! | specification | here |
//! |---|---|
//! | `ConfigurationManager` | [`Loader`] reads, [`Config`] holds |
//! | `get_service_config` | [`Config::service`] |
//! | `get_integration_config` | [`Config::integration`] |
//! | `register_config_watcher` | [`Config::watch`] |
//! | `update_config` | [`Config::update`], in memory |
//! | `SERVICE_CONFIG_SCHEMA` | the type that a section is read into |

mod access;
mod brackets;
mod choice;
mod config;
mod env;
mod error;
mod fault;
mod key;
mod late;
mod line;
mod loader;
mod node;
mod origin;
mod scalar;
mod secret;
mod secret_file;
mod secrets;
mod set;
mod spelling;
mod yaml;

pub use config::{Config, Gone, Watch};
pub use error::{Error, ErrorKind};
pub use line::clean;
pub use loader::{Loader, MAX_FILE_BYTES};
pub use origin::Origin;
pub use secret::Secret;
pub use secrets::Secrets;
