//! Where the servers are and which keys they take.

use std::fmt::Write as _;
use std::net::SocketAddr;

use serde::Serialize;

/// Where the servers are and which keys they take; serialized, one JSON object with these keys.
///
/// # Examples
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use contexter_sandbox::{Sandbox, SandboxConfig};
///
/// let sandbox = Sandbox::start(SandboxConfig::new()).await?;
/// let line = serde_json::to_string(sandbox.addresses())?;
/// assert!(line.starts_with("{\"voyage_base_url\":\"http://127.0.0.1:"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Addresses {
    /// The base URL of Voyage AI, ending in `/v1`.
    pub voyage_base_url: String,
    /// The key of Voyage AI.
    pub voyage_api_key: String,
    /// The base URL of Context7, ending in `/api`.
    pub context7_base_url: String,
    /// The key of Context7.
    pub context7_api_key: String,
    /// The base URL of Bright Data's REST interface.
    pub brightdata_base_url: String,
    /// The key of Bright Data's REST interface.
    pub brightdata_api_key: String,
    /// The zone of Bright Data.
    pub brightdata_zone: String,
    /// The URL of Bright Data's native proxy, with user name and password.
    pub brightdata_proxy: String,
    /// The URL of Qdrant's gRPC interface; `null` without feature `qdrant`.
    pub qdrant_url: Option<String>,
    /// The key of Qdrant; `null` without feature `qdrant`.
    pub qdrant_api_key: Option<String>,
    /// What the configuration says of Bright Data beyond that.
    #[serde(skip)]
    pub(crate) brightdata: Account,
}

/// What a client of Bright Data's proxy and search has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) serp_zone: String,
    pub(crate) customer: String,
    pub(crate) zone_password: String,
    pub(crate) proxy: SocketAddr,
    /// The certificate of the proxy, as PEM.
    pub(crate) ca: String,
}

impl Addresses {
    /// Returns the configuration, as YAML, that points the adapters at these servers.
    ///
    /// The section of Bright Data has its proxy, with the certificate by which it is trusted, its search
    /// zone, and a library of pages that its server has. Without `zone` the pages come by the proxy.
    #[must_use]
    pub fn config_yaml(&self) -> String {
        let account = &self.brightdata;
        let mut yaml = format!(
            "services:\n\
             \x20 voyage_ai:\n\
             \x20   base_url: {}\n\
             \x20   api_key: {}\n\
             \x20 context7:\n\
             \x20   base_url: {}\n\
             \x20   api_key: {}\n\
             \x20 brightdata:\n\
             \x20   base_url: {}\n\
             \x20   api_key: {}\n\
             \x20   zone: {}\n\
             \x20   serp_zone: {}\n\
             \x20   customer: {}\n\
             \x20   proxy:\n\
             \x20     host: {}\n\
             \x20     port: {}\n\
             \x20     user: {{ customer: {}, zone: {} }}\n\
             \x20     password: {}\n\
             \x20     ca: |\n\
             {}\
             {PAGES}",
            quoted(&self.voyage_base_url),
            quoted(&self.voyage_api_key),
            quoted(&self.context7_base_url),
            quoted(&self.context7_api_key),
            quoted(&self.brightdata_base_url),
            quoted(&self.brightdata_api_key),
            quoted(&self.brightdata_zone),
            quoted(&account.serp_zone),
            quoted(&account.customer),
            quoted(&account.proxy.ip().to_string()),
            account.proxy.port(),
            quoted(&account.customer),
            quoted(&self.brightdata_zone),
            quoted(&account.zone_password),
            block(&account.ca),
        );
        if let (Some(url), Some(key)) = (&self.qdrant_url, &self.qdrant_api_key) {
            // Writing to a text cannot fail.
            let _written = write!(
                yaml,
                "\x20 qdrant:\n\x20   url: {}\n\x20   api_key: {}\n",
                quoted(url),
                quoted(key)
            );
        }
        yaml
    }
}

/// Pages of the website that Bright Data's server has.
const PAGES: &str = "\x20   libraries:
      - id: /web/ferry
        urls:
          - https://docs.example.com/guide/install
          - https://docs.example.com/guide/copy
          - https://docs.example.com/guide/limits
          - https://docs.example.com/guide/errors
";

/// A JSON string is a YAML scalar too, whatever it holds.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The lines of a block scalar below `ca`.
fn block(text: &str) -> String {
    let mut block = String::new();
    for line in text.lines() {
        block.push_str("        ");
        block.push_str(line);
        block.push('\n');
    }
    block
}
