//! What an answer of the vendor really says: its layers, read in the documented order.

use serde_json::Value;

use crate::proxy_status;
use crate::refusal::{Class, Refusal, Retry};

/// An answer that holds what the target sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Passed {
    /// The status of the target: its own error pages are answers too.
    pub status: u16,
    /// Whether the vendor bills the request, where it says so.
    pub billed: Option<bool>,
}

impl Passed {
    pub(crate) fn of(status: u16, billed: Option<bool>) -> Self {
        Self { status, billed }
    }
}

/// Reads the layers of an answer: its status, its headers, its body.
///
/// The status of the answer is 200 even when the vendor failed, so it decides last. The order is: a
/// code of the proxy (`x-brd-err-code`), a code of the unlocker (`x-brd-error-code`), `Proxy-Status`,
/// the older `x-luminati-*`, an `x-brd-error` without code, the status of the answer, the body. An
/// answer that says success and is empty is a refusal: that is what a blocked page looks like. For the
/// envelope of `format: json`, give its headers after those of the answer, and its body.
///
/// Source: <https://docs.brightdata.com/scraping-automation/web-unlocker/error-codes>.
///
/// # Examples
///
/// ```
/// use contexter_brightdata::{Class, judge};
///
/// assert_eq!(judge(200, &[("x-brd-status-code", "404")], b"not here").unwrap().status, 404);
/// assert_eq!(judge(200, &[], b"").unwrap_err().class(), Class::Empty);
/// ```
///
/// # Errors
///
/// The [`Refusal`] that the first of these layers tells of.
pub fn judge(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Result<Passed, Refusal> {
    read(status, headers, body, Speaker::Vendor)
}

/// As [`judge`], for an answer that came through the proxy: its status is that of the target, unless the
/// headers tell of a failure at the vendor. A 407 is always the proxy's.
///
/// # Errors
///
/// As [`judge`].
pub fn judge_proxied(
    status: u16,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Passed, Refusal> {
    read(status, headers, body, Speaker::Target)
}

/// Whose the status of an answer is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Speaker {
    Vendor,
    Target,
}

fn read(
    status: u16,
    headers: &[(&str, &str)],
    body: &[u8],
    speaker: Speaker,
) -> Result<Passed, Refusal> {
    let signals = Signals::read(headers);
    let billed = signals.debug.and_then(billed);
    if let Some(refusal) = signals.refusal(status, body, speaker) {
        return Err(refusal.with_billed(billed));
    }
    let target = signals.status.unwrap_or(status);
    if body.iter().all(u8::is_ascii_whitespace) && !may_be_empty(target) {
        return Err(Refusal::empty(target).with_billed(billed));
    }
    Ok(Passed {
        status: target,
        billed,
    })
}

/// Whether an answer of the target with this status has no body by rule (RFC 9110, section 6.4.1), or
/// none that matters.
fn may_be_empty(status: u16) -> bool {
    matches!(status, 204 | 205 | 300..=399) || status >= 400
}

/// What the headers say.
#[derive(Default)]
struct Signals<'a> {
    err_code: Option<&'a str>,
    error_code: Option<&'a str>,
    error: Option<&'a str>,
    proxy_status: Vec<&'a str>,
    luminati_code: Option<&'a str>,
    luminati_error: Option<&'a str>,
    status: Option<u16>,
    debug: Option<&'a str>,
}

impl<'a> Signals<'a> {
    fn read(headers: &[(&'a str, &'a str)]) -> Self {
        let mut signals = Self::default();
        for &(name, value) in headers {
            let value = value.trim();
            if value.is_empty() {
                continue;
            }
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            if is("x-brd-err-code") {
                signals.err_code.get_or_insert(value);
            } else if is("x-brd-error-code") {
                signals.error_code.get_or_insert(value);
            } else if is("x-brd-error") || is("x-brd-err-msg") {
                signals.error.get_or_insert(value);
            } else if is("proxy-status") {
                signals.proxy_status.push(value);
            } else if is("x-luminati-error-code") {
                signals.luminati_code.get_or_insert(value);
            } else if is("x-luminati-error") {
                signals.luminati_error.get_or_insert(value);
            } else if is("x-brd-status-code") {
                signals.status = signals.status.or_else(|| status_of(value));
            } else if is("x-brd-debug") {
                signals.debug.get_or_insert(value);
            }
        }
        signals
    }

    fn refusal(&self, outer: u16, body: &[u8], speaker: Speaker) -> Option<Refusal> {
        let outer_failure = (outer >= 400).then_some(outer);
        let failed = self.status.filter(|status| *status >= 400);
        // A failure of which nobody says the status is taken for the commonest.
        let status = failed.or(outer_failure).unwrap_or(502);
        if let Some(code) = self.err_code.or(self.error_code) {
            return Some(self.of_code(code, status));
        }
        for value in &self.proxy_status {
            if let Some(told) = proxy_status::read(value) {
                let status = told
                    .status
                    .filter(|status| *status >= 400)
                    .unwrap_or(status);
                return Some(match told.code {
                    Some(code) => self.of_code(&code, status),
                    None => Refusal::of_status(status),
                });
            }
        }
        if let Some(code) = self.luminati_code {
            return Some(self.of_code(code, status));
        }
        if self.error.is_some() || self.luminati_error.is_some() {
            return Some(Refusal::of_status(status));
        }
        let is_targets = match speaker {
            Speaker::Target => outer != 407 && !(outer == 403 && asks_for_verification(body)),
            // Where the status of the target comes as that of the answer too, the target said it.
            Speaker::Vendor => (200..300).contains(&outer) || self.status == Some(outer),
        };
        (!is_targets).then(|| of_outer(outer, body))
    }

    fn of_code(&self, code: &str, status: u16) -> Refusal {
        let refusal = Refusal::of_code(code, status);
        // The vendor names the network error of the browser, which is a code too.
        let tls = |text: &str| {
            ["ERR_SSL", "ERR_CERT", "ERR_TLS"]
                .iter()
                .any(|e| text.contains(e))
        };
        if refusal.code() == Some("document_load_failed") && self.error.is_some_and(tls) {
            return refusal
                .with_retry(Retry::Never)
                .with_meaning("the page does not load: TLS cannot be set up with the target");
        }
        refusal
    }
}

/// Reads an answer whose status is a failure of the vendor's own servers.
fn of_outer(outer: u16, body: &[u8]) -> Refusal {
    if let Some(code) = code_in(body) {
        return Refusal::of_code(&code, outer).at_the_door();
    }
    let refusal = Refusal::of_outer_status(outer);
    let text = String::from_utf8_lossy(body.get(..MAX_TEXT).unwrap_or(body));
    let text = text.trim();
    match outer {
        _ if text.is_empty() => refusal,
        400 if is_unknown_zone(text) => {
            refusal.with_meaning("there is no such zone in the account")
        }
        401 if text.contains("Auth method is not supported") => {
            refusal.with_meaning("the api key is not valid")
        }
        401 if text.contains("User authentication is required") => {
            refusal.with_meaning("the api key is missing")
        }
        // What is wrong with the request stands nowhere else.
        400 | 404 | 422 if !text.starts_with('<') => refusal
            .with_meaning("the request is refused")
            .with_told(text.to_owned()),
        _ => refusal,
    }
}

/// As much of an error's text is looked at.
const MAX_TEXT: usize = 2_000;

/// `zone "…" not found`, as both documented spellings have it.
fn is_unknown_zone(text: &str) -> bool {
    text.starts_with("zone ") && text.ends_with("not found")
}

/// Reads the code in the body of an answer that is not a success: the catalogue's fields under the names
/// that REST bodies have, or nested in `error`.
fn code_in(body: &[u8]) -> Option<String> {
    let Value::Object(body) = serde_json::from_slice(body).ok()? else {
        return None;
    };
    let nested = body.get("error").and_then(|error| error.get("code"));
    let code = nested
        .or_else(|| body.get("error_code"))
        .or_else(|| body.get("code"))?
        .as_str()?;
    // Another vendor's code in front of it, or a text, is no code.
    crate::CodeEntry::find(code).map(|_| code.to_owned())
}

/// Zones made since July 2026 refuse by a body alone (the catalogue of the proxy's errors).
fn asks_for_verification(body: &[u8]) -> bool {
    code_in(body)
        .is_some_and(|code| matches!(code.as_str(), "kyc_required" | "business_account_required"))
}

fn status_of(value: &str) -> Option<u16> {
    value
        .parse()
        .ok()
        .filter(|status| (100..1000).contains(status))
}

/// Reads one field of `x-brd-debug`: `name=value` pairs between semicolons.
pub(crate) fn debug_field<'a>(debug: &'a str, field: &str) -> Option<&'a str> {
    debug.split(';').find_map(|pair| {
        let (name, value) = pair.split_once(['=', ':'])?;
        name.trim()
            .eq_ignore_ascii_case(field)
            .then(|| value.trim())
    })
}

fn billed(debug: &str) -> Option<bool> {
    match debug_field(debug, "billed")? {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

impl Refusal {
    /// Whether the vendor wants no call at all for a while, and not only none to this target.
    pub(crate) fn is_for_all(&self) -> bool {
        self.class() == Class::Throttle && matches!(self.code(), None | Some("client_10110"))
    }
}
