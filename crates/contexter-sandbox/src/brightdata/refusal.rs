//! Failures at the vendor, in the three ways in which they are told.

use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// Which part of the vendor speaks, and with that in which header its code stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    /// The proxy: `x-brd-err-code`.
    Proxy,
    /// The unlocker: `x-brd-error-code`.
    Unlocker,
}

/// A failure at the vendor.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) speaker: Speaker,
    pub(super) code: Option<String>,
    pub(super) text: &'static str,
}

impl Refusal {
    pub(super) fn unlocker(status: u16, code: &str, text: &'static str) -> Self {
        Self {
            status,
            speaker: Speaker::Unlocker,
            code: Some(code.to_owned()),
            text,
        }
    }

    pub(super) fn proxy(status: u16, code: &str, text: &'static str) -> Self {
        Self {
            status,
            speaker: Speaker::Proxy,
            code: Some(code.to_owned()),
            text,
        }
    }

    /// The failure of a documented code; unknown ones are the unlocker's, with 502.
    pub(super) fn of_code(code: &str) -> Self {
        let numbered = ["client_", "policy_", "target_", "peer_"];
        let speaker = if numbered.iter().any(|kind| code.starts_with(kind)) {
            Speaker::Proxy
        } else {
            Speaker::Unlocker
        };
        Self {
            status: status_of(code),
            speaker,
            code: Some(code.to_owned()),
            text: "the requested failure",
        }
    }

    /// The headers that tell of it; `Proxy-Status` comes with the statuses that have it.
    pub(super) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        set("x-brd-error", self.text);
        set("x-brd-status-code", &self.status.to_string());
        match (&self.code, self.speaker) {
            (Some(code), Speaker::Proxy) => {
                set("x-brd-err-code", code);
                set("x-brd-err-msg", self.text);
                if matches!(self.status, 400 | 403 | 407) {
                    // The hyphen is the vendor's.
                    let details = code.replacen('_', "-", 1);
                    set(
                        "proxy-status",
                        &format!(
                            "brd.superproxy.io; received-status={}; error=http_request_denied; \
                             details=\"{details}: {}\"",
                            self.status, self.text
                        ),
                    );
                }
            }
            (Some(code), Speaker::Unlocker) => set("x-brd-error-code", code),
            (None, _) => {}
        }
        headers
    }
}

/// The result status of a documented code.
fn status_of(code: &str) -> u16 {
    match code {
        "client_10060"
        | "client_10061"
        | "client_10062"
        | "client_10063"
        | "premium"
        | "feature_not_active"
        | "ub_bad_endpoint_robots" => 400,
        "client_10050" => 401,
        "policy_20130" | "policy_20140" => 402,
        "client_10000" | "client_10001" | "client_10002" | "client_10010" | "client_10020"
        | "client_10030" | "client_10040" | "policy_20120" => 407,
        "client_10110" | "policy_20220" | "policy_20221" | "policy_20222" | "policy_20223"
        | "sr_rate_limit" => 429,
        "client_10140" => 499,
        "policy_20070" => 502,
        code if code.starts_with("client_100") && code != "client_10100" => 403,
        "client_10130" | "client_10250" | "client_10260" => 403,
        code if code.starts_with("policy_") => 403,
        _ => 502,
    }
}
