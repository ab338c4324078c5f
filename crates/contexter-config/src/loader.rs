//! Putting layers together.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::zeroize::Zeroizing;
use serde::de::DeserializeOwned;

use crate::config::{Check, Config};
use crate::node::{Node, Value};
use crate::{Error, ErrorKind, Origin, env, set, yaml};

/// The largest configuration file that is read: 1 MiB.
pub const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Collects the layers of a configuration and reads them into a type.
///
/// | layer | wins over | from |
/// |---|---|---|
/// | defaults | nothing | the type's own `Default`, then [`defaults`](Self::defaults) |
/// | files | defaults and earlier files | [`file`](Self::file), [`optional_file`](Self::optional_file) |
/// | environment | files | [`from_env`](Self::from_env), [`variables`](Self::variables) |
/// | overrides | everything | [`set`](Self::set) |
///
/// The order of the calls matters only within one row. Mappings are merged key by key; a list, a
/// scalar or a written `null` replaces what is below it. A key with nothing after its colon leaves
/// a mapping below it as it is.
///
/// # Environment
///
/// `CONTEXTER__SERVICES__VOYAGE_AI__TIMEOUT` is `services.voyage_ai.timeout` for the prefix
/// `CONTEXTER`: two underscores separate, one belongs to the name. Case does not matter, and a
/// dash in a key is an underscore in the variable. A value gets its type from the field that reads
/// it; lists and mappings are written in brackets, as `[a, b]` or `{a: 1}`, the keys in them as in a
/// file. A field of text gets the brackets as text.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use contexter_config::{Loader, Secret};
///
/// #[derive(serde::Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct Voyage {
///     api_key: Secret,
///     #[serde(with = "contexter_service::duration")]
///     timeout: Duration,
/// }
///
/// #[derive(serde::Deserialize)]
/// struct Services { voyage_ai: Voyage }
///
/// #[derive(serde::Deserialize)]
/// struct Settings { services: Services }
///
/// let config = Loader::new()
///     .defaults("defaults.yaml", "services: {voyage_ai: {timeout: 30s}}")
///     .variables("CONTEXTER", [("CONTEXTER__SERVICES__VOYAGE_AI__API_KEY", "pa-1234")])
///     .load::<Settings>()?;
/// let settings = config.current();
/// assert_eq!(settings.services.voyage_ai.timeout, Duration::from_secs(30));
/// assert_eq!(settings.services.voyage_ai.api_key.expose(), "pa-1234");
/// # Ok::<(), contexter_config::Error>(())
/// ```
#[derive(Clone, Default)]
#[must_use = "a loader does nothing until it loads"]
pub struct Loader {
    defaults: Vec<(PathBuf, String)>,
    files: Vec<(PathBuf, Required)>,
    variables: Vec<(String, Vec<(String, String)>)>,
    overrides: Vec<(String, serde_json::Value)>,
    unreadable_variables: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Required {
    Yes,
    No,
}

impl Loader {
    /// Creates a loader without any layer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds YAML that is part of the program; errors call it `name`.
    pub fn defaults(mut self, name: impl Into<PathBuf>, yaml: impl Into<String>) -> Self {
        self.defaults.push((name.into(), yaml.into()));
        self
    }

    /// Adds a YAML file that must exist.
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.push((path.into(), Required::Yes));
        self
    }

    /// Adds a YAML file that may be missing.
    pub fn optional_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.push((path.into(), Required::No));
        self
    }

    /// Adds the variables that begin with `prefix` and two underscores; others are ignored.
    pub fn variables<N: Into<String>, V: Into<String>>(
        mut self,
        prefix: impl Into<String>,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let variables = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        self.variables.push((prefix.into(), variables));
        self
    }

    /// Adds the variables of this process that begin with `prefix` and two underscores.
    pub fn from_env(mut self, prefix: &str) -> Self {
        let mut variables = Vec::new();
        for (name, value) in std::env::vars_os() {
            // A name that is not valid UTF-8 cannot be one of ours.
            let Ok(name) = name.into_string() else {
                continue;
            };
            if env::key(&name, prefix).is_none() {
                continue;
            }
            match value.into_string() {
                Ok(value) => variables.push((name, value)),
                Err(_) => self.unreadable_variables.push(name),
            }
        }
        self.variables(prefix, variables)
    }

    /// Sets one value, such as one from a command line; it wins over all other layers.
    ///
    /// `key` is a dotted path such as `services.voyage_ai.timeout`.
    pub fn set(mut self, key: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
        self.overrides.push((key.into(), value.into()));
        self
    }

    /// Reads all layers into a `T`.
    ///
    /// Blocks on the disk for a moment; files are read once and not watched.
    ///
    /// # Errors
    ///
    /// Returns [`Error`] for the first fault: a file that is missing, unreadable, too large or no
    /// YAML, a variable or key that is malformed, or a value that `T` does not take. It says where.
    pub fn load<T: DeserializeOwned>(self) -> Result<Config<T>, Error> {
        self.load_with(None)
    }

    /// Reads all layers into a `T` that `check` accepts.
    ///
    /// The check also guards every later [`update`](Config::update).
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load); besides, what `check` returns is the source of an error of kind
    /// [`Refused`](ErrorKind::Refused).
    pub fn load_checked<T, C, E>(self, check: C) -> Result<Config<T>, Error>
    where
        T: DeserializeOwned,
        C: Fn(&T) -> Result<(), E> + Send + Sync + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.load_with(Some(Arc::new(move |value| {
            check(value).map_err(Into::into)
        })))
    }

    fn load_with<T: DeserializeOwned>(self, check: Option<Check<T>>) -> Result<Config<T>, Error> {
        if let Some(name) = self.unreadable_variables.first() {
            return Err(Error::new(ErrorKind::Unreadable, "is not valid UTF-8")
                .at(Origin::variable(name, 0)));
        }
        let mut layers = 0..;
        let mut next = || layers.next().unwrap_or(usize::MAX);
        let mut base = Node::empty(next());
        for (name, text) in &self.defaults {
            base.merge(document(text, name, next())?);
        }
        for (path, required) in &self.files {
            match read(path) {
                Ok(text) => base.merge(document(&text, path, next())?),
                Err(error) if error.kind() == ErrorKind::NotFound && *required == Required::No => {}
                Err(error) => return Err(error),
            }
        }
        for (prefix, variables) in &self.variables {
            base.merge(env::layer(prefix, variables, next())?);
        }
        let layer = next();
        for (key, value) in self.overrides {
            base.merge(set::single(&key, value, layer)?);
        }
        Config::new(base, layer, check)
    }
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |pairs: &[(String, serde_json::Value)]| -> Vec<String> {
            pairs.iter().map(|(key, _)| key.clone()).collect()
        };
        f.debug_struct("Loader")
            .field(
                "files",
                &self.files.iter().map(|(path, _)| path).collect::<Vec<_>>(),
            )
            .field("overrides", &names(&self.overrides))
            .finish_non_exhaustive()
    }
}

fn document(text: &str, path: &Path, layer: usize) -> Result<Node, Error> {
    let root = yaml::parse(text, &path.into(), layer)?;
    match root.value {
        Value::Map(_) | Value::Empty => Ok(root),
        // Of a whole file, `null` is nothing to merge.
        Value::Null => Ok(Node {
            value: Value::Empty,
            ..root
        }),
        _ => Err(Error::new(
            ErrorKind::WrongType,
            "a configuration is a mapping of keys to values",
        )
        .at(root.origin)),
    }
}

fn read(path: &Path) -> Result<Zeroizing<String>, Error> {
    let unreadable = |error: std::io::Error| {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        let (kind, problem) = if missing {
            (ErrorKind::NotFound, "does not exist")
        } else {
            (ErrorKind::Unreadable, "cannot be read")
        };
        let message = format!("the configuration file {} {problem}", path.display());
        Error::new(kind, message).because(error)
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let message = format!(
            "the configuration file {} is larger than 1 MiB",
            path.display(),
        );
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(error) => {
            let (valid, _) = bytes.split_at(error.valid_up_to());
            let line = valid.split(|byte| *byte == b'\n').count() as u64;
            Err(
                Error::new(ErrorKind::Unreadable, "is not valid UTF-8").at(Origin::file(
                    &path.into(),
                    line,
                    1,
                    0,
                )),
            )
        }
    }
}
