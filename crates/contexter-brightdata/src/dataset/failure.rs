//! What a failure of the data set interface means. Its bodies are mostly plain text.

use contexter_model::ErrorKind;
use serde::Deserialize;

use super::wire::not_ready;
use crate::refusal::{Class, Refusal, Retry};

/// One documented failure.
struct Known {
    status: u16,
    /// What its text begins with or holds.
    text: &'static str,
    class: Class,
    kind: ErrorKind,
    meaning: &'static str,
}

const fn known(
    status: u16,
    text: &'static str,
    class: Class,
    kind: ErrorKind,
    meaning: &'static str,
) -> Known {
    Known {
        status,
        text,
        class,
        kind,
        meaning,
    }
}

/// The texts of <https://docs.brightdata.com/products/scrapers/error-codes>.
const KNOWN: &[Known] = &[
    known(
        400,
        "No data to trigger",
        Class::Config,
        ErrorKind::Invalid,
        "there is no input",
    ),
    known(
        400,
        "Should be at least",
        Class::Config,
        ErrorKind::Invalid,
        "there are too few inputs",
    ),
    known(
        400,
        "This dataset is not ready yet",
        Class::Config,
        ErrorKind::Unsupported,
        "the data set is not ready for use",
    ),
    known(
        400,
        "Snapshot is empty",
        Class::Empty,
        ErrorKind::NotFound,
        "the snapshot holds nothing",
    ),
    known(
        400,
        "Snapshot is expired",
        Class::Config,
        ErrorKind::NotFound,
        "the snapshot is no longer kept",
    ),
    known(
        400,
        "Snapshot is not running",
        Class::Config,
        ErrorKind::Invalid,
        "the job is not under way",
    ),
    known(
        401,
        "Credentials are missing",
        Class::Auth,
        ErrorKind::Unauthorized,
        "the api key is missing",
    ),
    known(
        401,
        "Auth method is not supported",
        Class::Auth,
        ErrorKind::Unauthorized,
        "the api key is not valid",
    ),
    known(
        401,
        "Invalid credentials",
        Class::Auth,
        ErrorKind::Unauthorized,
        "the api key is not valid",
    ),
    known(
        404,
        "Collector not found",
        Class::Config,
        ErrorKind::NotFound,
        "the request names no data set",
    ),
    known(
        404,
        "dataset does not exist",
        Class::Config,
        ErrorKind::NotFound,
        "there is no such data set",
    ),
    known(
        404,
        "Snapshot does not exist",
        Class::Config,
        ErrorKind::NotFound,
        "there is no such snapshot",
    ),
    known(
        429,
        "You have too many running jobs",
        Class::Throttle,
        ErrorKind::RateLimited,
        "too many jobs of this data set are under way",
    ),
];

/// Reads the status and the body of an answer of the data set interface, whose failures come as plain
/// text mostly. A snapshot that is not ready is no failure, whatever its status.
///
/// # Examples
///
/// ```
/// use contexter_brightdata::{Class, judge_dataset};
///
/// assert!(judge_dataset(200, b"[]").is_ok());
/// let refusal = judge_dataset(404, b"Snapshot does not exist").unwrap_err();
/// assert_eq!(refusal.class(), Class::Config);
/// ```
///
/// # Errors
///
/// The [`Refusal`] that status and body stand for
/// (<https://docs.brightdata.com/products/scrapers/error-codes>).
pub fn judge_dataset(status: u16, body: &[u8]) -> Result<(), Refusal> {
    // A snapshot that is not ready comes as 200, 202 or 409.
    let is_word = status == 409 && not_ready(body).is_some();
    if (200..300).contains(&status) || is_word {
        Ok(())
    } else {
        Err(refusal(status, body))
    }
}

/// Reads an answer whose status is not a success.
fn refusal(status: u16, body: &[u8]) -> Refusal {
    let refusal = Refusal::of_outer_status(status);
    let text = String::from_utf8_lossy(body.get(..MAX_TEXT).unwrap_or(body));
    let found = KNOWN.iter().find(|known| {
        known.status == status
            && text
                .to_ascii_lowercase()
                .contains(&known.text.to_ascii_lowercase())
    });
    if let Some(known) = found {
        let retry = refusal.retry();
        return refusal
            .with_class(known.class)
            .with_kind(known.kind)
            .with_retry(retry)
            .with_meaning(known.meaning);
    }
    match (status, invalid(body)) {
        (400, Some((meaning, told))) => refusal
            .with_retry(Retry::Never)
            .with_meaning(meaning)
            .with_told(told),
        _ => refusal,
    }
}

const MAX_TEXT: usize = 2_000;

/// How many faults of an input are shown.
const MAX_SHOWN: usize = 5;

#[derive(Deserialize)]
struct Invalid {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    errors: Vec<(String, String)>,
    #[serde(default)]
    validation_errors: Option<serde_json::Value>,
}

/// Reads the two failures whose body is JSON: what they mean, and what the vendor says to it. Values of
/// the input are not repeated.
fn invalid(body: &[u8]) -> Option<(&'static str, Option<String>)> {
    let body: Invalid = serde_json::from_slice(body).ok()?;
    let fields: Vec<String> = body
        .errors
        .iter()
        .take(MAX_SHOWN)
        .map(|(field, problem)| format!("{field}: {problem}"))
        .collect();
    let told = (!fields.is_empty()).then(|| fields.join("; "));
    match body.code.as_deref() {
        Some("parse_error") => Some(("the input cannot be parsed", None)),
        Some("validation_error") => Some(("the input is refused", told)),
        _ if body.validation_errors.is_some() => Some(("the input is refused", None)),
        _ => None,
    }
}
