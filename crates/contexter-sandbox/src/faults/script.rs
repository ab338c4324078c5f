//! The script: rules that match requests, and what becomes of the reply.

use std::path::PathBuf;

use contexter_config::Loader;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::faults::fault::Fault;
use crate::faults::server::Server;

/// The longest script in rules.
const MAX_RULES: usize = 1000;

/// Which requests go wrong, and how.
///
/// Rules are tried in order for every request; the first that applies decides, and the rest do not
/// count the request.
///
/// ```yaml
/// seed: 7                        # optional, for `probability`
/// rules:
///   - server: voyage             # voyage, context7, brightdata, brightdata_proxy, qdrant; any
///     method: POST               # any
///     path: /v1/embeddings       # a prefix; any
///     calls: [1, 4]              # of the requests that match, counted from 1 …
///     fault: { status: { code: 503 } }
///   - every: 10                  # … or every tenth …
///     times: 3                   # three times at most
///     fault: { delay: 200ms }
///   - probability: 0.05          # … or one in twenty; none of the three: each
///     fault: { reset: { after_bytes: 100 } }
/// ```
///
/// | fault | what the client sees |
/// |---|---|
/// | `status: { code, body, content_type, headers }` | this status, in the vendor's shape by default |
/// | `rate_limit: { retry_after, body }` | 429, with the vendor's headers if `retry_after` is set |
/// | `grpc_status: { code, message }` | a gRPC status |
/// | `delay: 200ms` | the proper reply, later |
/// | `hang` | no reply, and the connection stays open |
/// | `disconnect` | a reset before the first byte |
/// | `reset: { after_bytes }` | a reset within the body, half-way by default |
/// | `truncate: { after_bytes }` | a cut body that is framed as if it were whole |
/// | `cut_short: { after_bytes }` | a whole `content-length`, and the connection closed within |
/// | `content_type: { value, body }` | this content type, with the proper body by default |
/// | `oversize: { bytes }` | so many spaces before the proper body |
/// | `drip: { chunk_bytes, every }` | the proper body, slowly |
///
/// The path of a gRPC call is that of its method, such as `/qdrant.Points/Upsert`. A tunnel through
/// `brightdata_proxy` is a request with method `CONNECT`, and so is each request within it with its
/// own method; faults of the body are about the latter alone.
///
/// With `status`, `rate_limit`, `grpc_status`, `hang` and `disconnect` the request does not reach the
/// server; with the others it does, and takes effect.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct FaultScript {
    /// The seed of `probability`; that of the sandbox wins.
    pub seed: Option<u64>,
    /// The rules.
    pub rules: Vec<Rule>,
}

impl FaultScript {
    /// Creates a script without rules.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a rule.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Sets the seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Reads a script from YAML or JSON.
    ///
    /// # Errors
    ///
    /// [`Error::Script`] with line, column and key, or [`Error::Invalid`] naming the rule.
    pub fn from_yaml(text: &str) -> Result<Self, Error> {
        Self::load(Loader::new().defaults("faults", text))
    }

    /// Reads a script from a file of YAML or JSON.
    ///
    /// # Errors
    ///
    /// As [`from_yaml`](Self::from_yaml), and if the file cannot be read.
    pub fn from_file(path: impl Into<PathBuf>) -> Result<Self, Error> {
        Self::load(Loader::new().file(path))
    }

    fn load(loader: Loader) -> Result<Self, Error> {
        let config = loader.load::<Self>()?;
        let script = (*config.current()).clone();
        script.validate()?;
        Ok(script)
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        if self.rules.len() > MAX_RULES {
            let count = self.rules.len();
            return Err(Error::Invalid(format!(
                "the fault script has {count} rules, at most {MAX_RULES} are allowed"
            )));
        }
        let mut wrong = Vec::new();
        for (number, rule) in (1..).zip(&self.rules) {
            rule.faults_of(&mut |what| wrong.push(format!("rule {number}: {what}")));
        }
        if wrong.is_empty() {
            return Ok(());
        }
        Err(Error::Invalid(format!(
            "the fault script cannot be used: {}",
            wrong.join("; ")
        )))
    }
}

/// One rule of a [`FaultScript`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Rule {
    /// Which server; any by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
    /// Which method; any by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// How the path begins; anyhow by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Which of the matching requests, counted from 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<u64>,
    /// Every so many matching requests: 3 means the third, the sixth, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// Which share of the matching requests, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// How often at most; without limit by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// What goes wrong.
    pub fault: Fault,
}

impl Rule {
    /// Creates a rule for every request.
    #[must_use]
    pub fn new(fault: Fault) -> Self {
        Self {
            server: None,
            method: None,
            path: None,
            calls: Vec::new(),
            every: None,
            probability: None,
            times: None,
            fault,
        }
    }

    /// Restricts the rule to one server.
    #[must_use]
    pub fn server(mut self, server: Server) -> Self {
        self.server = Some(server);
        self
    }

    /// Restricts the rule to one method.
    #[must_use]
    pub fn method(mut self, method: impl Into<String>) -> Self {
        self.method = Some(method.into());
        self
    }

    /// Restricts the rule to paths that begin like this.
    #[must_use]
    pub fn path(mut self, prefix: impl Into<String>) -> Self {
        self.path = Some(prefix.into());
        self
    }

    /// Restricts the rule to these of the matching requests, counted from 1.
    #[must_use]
    pub fn calls(mut self, calls: impl IntoIterator<Item = u64>) -> Self {
        self.calls = calls.into_iter().collect();
        self
    }

    /// Lets the rule apply so often at most.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    fn faults_of(&self, wrong: &mut dyn FnMut(String)) {
        let ways = [
            !self.calls.is_empty(),
            self.every.is_some(),
            self.probability.is_some(),
        ];
        if ways.iter().filter(|way| **way).count() > 1 {
            wrong("of calls, every and probability only one can be set".to_owned());
        }
        if self.calls.contains(&0) || self.every == Some(0) {
            wrong("calls and every count from 1, got 0".to_owned());
        }
        if let Some(probability) = self.probability
            && !(0.0..=1.0).contains(&probability)
        {
            wrong(format!("probability is from 0 to 1, got {probability}"));
        }
        if let Some(path) = &self.path
            && !path.starts_with('/')
        {
            wrong(format!("path begins with /, got {path:?}"));
        }
        self.fault.faults_of(wrong);
    }
}
