//! What can be asked of the unlocker, at once or for later.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::rest::invalid;

/// The fields of a request. The vendor's clients send more, such as `sdk_function`.
#[derive(Debug, Deserialize)]
struct Fields {
    #[serde(default)]
    zone: Option<String>,
    url: String,
    #[serde(default)]
    format: Option<Format>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    country: Option<String>,
    #[serde(default)]
    data_format: Option<DataFormat>,
    #[serde(default)]
    #[expect(dead_code, reason = "read to be checked; nothing here needs a browser")]
    render: Option<Spoken>,
    #[serde(default)]
    headers: Option<BTreeMap<String, String>>,
    #[serde(default)]
    body: Option<Value>,
    #[serde(default)]
    debug: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    Raw,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum DataFormat {
    Markdown,
    Screenshot,
    ParsedLight,
    ParsedFast,
    ParsedBing,
}

/// The vendor takes these as text and refuses `true`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Spoken {
    True,
    False,
}

/// What is asked for, checked.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) zone: Option<String>,
    pub(super) url: Url,
    /// Whether the zone has to have "custom headers & cookies" or "manual expect".
    pub(super) needs_feature: bool,
    pub(super) form: Form,
}

/// In which form the outcome is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub(super) format: Option<Format>,
    pub(super) data_format: Option<DataFormat>,
    pub(super) is_head: bool,
    pub(super) debug: bool,
}

impl Ask {
    /// Reads a body, and the headers that stand beside its fields or in their place.
    pub(super) fn read(headers: &HeaderMap, body: Value) -> Result<Self, Box<Response>> {
        let wrong = |error: serde_json::Error| Box::new(invalid(&error.to_string()));
        let mut fields: Fields = serde_json::from_value(body).map_err(wrong)?;
        if let Some(format) = headers.get("x-unblock-data-format") {
            let format = Value::from(format.to_str().unwrap_or_default());
            fields.data_format = Some(serde_json::from_value(format).map_err(wrong)?);
        }
        let expects = headers.contains_key("x-unblock-expect");
        Ok(Self {
            url: fields
                .target()
                .map_err(|problem| Box::new(invalid(problem)))?,
            zone: fields.zone,
            needs_feature: fields.headers.is_some() || fields.body.is_some() || expects,
            form: Form {
                format: fields.format,
                data_format: fields.data_format,
                is_head: fields.method.as_deref() == Some("HEAD"),
                debug: fields.debug,
            },
        })
    }
}

impl Fields {
    /// Reads what is to be fetched, and checks from where and how.
    fn target(&self) -> Result<Url, &'static str> {
        let url = Url::parse(&self.url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or("\"url\" must be a valid uri with a scheme of http or https")?;
        // The vendor documents lower case; its client for Python sends upper case.
        let is_country = |country: &String| {
            country.len() == 2 && country.bytes().all(|b| b.is_ascii_alphabetic())
        };
        if self
            .country
            .as_ref()
            .is_some_and(|country| !is_country(country))
        {
            return Err("\"country\" must be two letters");
        }
        let is_method =
            |method: &String| !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase());
        if self
            .method
            .as_ref()
            .is_some_and(|method| !is_method(method))
        {
            return Err("\"method\" must be a method");
        }
        // An object is sent as JSON.
        let is_content = |body: &Value| body.is_string() || body.is_object();
        if self.body.as_ref().is_some_and(|body| !is_content(body)) {
            return Err("\"body\" must be a text or an object");
        }
        Ok(url)
    }
}
