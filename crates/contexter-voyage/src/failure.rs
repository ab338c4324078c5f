//! What the vendor's refusals mean.

use std::error::Error as StdError;
use std::fmt;

use contexter_http::{Reply, Secrets, clean};
use contexter_model::{Error, ErrorKind};
use serde::Deserialize;

use crate::endpoint::looks_like_key;
use crate::tier::UNPAID_WAIT;
use crate::{Config, Tier};

/// What is known about a call when its refusal is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// The model of the request; empty for files and jobs.
    pub(crate) model: &'a str,
    /// Host and base path of the API.
    pub(crate) base_url: &'a str,
    /// The key, which the vendor may repeat.
    pub(crate) secrets: &'a Secrets,
    pub(crate) tier: Tier,
}

/// The beginning of what the vendor says where no payment method is on file.
///
/// Source: reports of users; the limits are documented at
/// <https://docs.voyageai.com/docs/rate-limits>.
const NO_PAYMENT_METHOD: &str = "you have not yet added your payment method";

/// Reads a reply of the vendor that is no success as the adapter does, for requests that are sent without
/// it: the kind by the table at [the crate](crate#errors), and what the vendor says, without the key of
/// `config`. `model` is that of the request; empty for files and jobs.
///
/// # Examples
///
/// ```
/// use contexter_http::Reply;
/// use contexter_model::ErrorKind;
/// use contexter_voyage::{Config, read_refusal};
///
/// let reply = Reply::new(401, [], r#"{"detail": "Provided API key pa-example is invalid."}"#)?;
/// let error = read_refusal(&reply, &Config::new("pa-example"), "voyage-4");
/// assert_eq!(error.kind(), ErrorKind::Unauthorized);
/// assert!(error.message().ends_with("Provided API key [redacted] is invalid."));
/// # Ok::<(), contexter_model::Error>(())
/// ```
#[must_use]
pub fn read_refusal(reply: &Reply, config: &Config, model: &str) -> Error {
    let secrets = Secrets::new([config.api_key.expose()]);
    let asked = Asked {
        model,
        base_url: config.endpoint(),
        secrets: &secrets,
        tier: config.tier,
    };
    of_reply(reply, asked)
}

/// Reads a reply whose status is not a success.
///
/// Sources: <https://docs.voyageai.com/docs/error-codes>; the model's retirement:
/// <https://www.mongodb.com/docs/voyageai/models>.
pub(crate) fn of_reply(reply: &Reply, asked: Asked<'_>) -> Error {
    let detail = detail(reply.bytes(), asked.secrets);
    let said = detail.as_deref().unwrap_or("it gave no reason");
    let Asked {
        model, base_url, ..
    } = asked;
    match reply.status() {
        413 => too_large(reply, said),
        400 if mentions_tokens(said) || body_mentions_tokens(reply.bytes()) => {
            too_large(reply, said)
        }
        400 | 422 => reply.error_of(
            ErrorKind::Invalid,
            format!("the request was refused as wrong: {said}"),
        ),
        401 => reply.error_of(
            ErrorKind::Unauthorized,
            format!("the key is missing or wrong: {said}"),
        ),
        403 => reply.error_of(
            ErrorKind::Unauthorized,
            format!(
                "{base_url} refuses the key or the address of this machine: {said}; a key works \
                 only on the host that it was issued for"
            ),
        ),
        410 if !model.is_empty() => reply.error_of(
            ErrorKind::Unsupported,
            format!("the model {model:?} is retired, configure another one: {said}"),
        ),
        429 => throttled(reply, said, asked.tier),
        500 => reply.error_of(ErrorKind::Unavailable, format!("it failed: {said}")),
        502 | 503 => reply.error_of(
            ErrorKind::Unavailable,
            format!("it is overloaded or not ready: {said}"),
        ),
        408 | 504 => reply.error_of(
            ErrorKind::Timeout,
            format!("it did not answer in time: {said}"),
        ),
        _ => reply.error(said),
    }
}

fn too_large(reply: &Reply, said: &str) -> Error {
    match TokenOverflow::read(said) {
        Some(overflow) => reply
            .error_of(ErrorKind::TooLarge, overflow.to_string())
            .with_source(overflow),
        None => reply.error_of(
            ErrorKind::TooLarge,
            format!("the request is larger than allowed: {said}"),
        ),
    }
}

fn throttled(reply: &Reply, said: &str, tier: Tier) -> Error {
    let unpaid = said.to_lowercase().contains(NO_PAYMENT_METHOD);
    if unpaid && tier != Tier::Unpaid {
        let message = "the account has no payment method, which leaves it 3 requests and 10,000 \
                       tokens a minute: add one in the vendor's billing settings, or set tier to \
                       unpaid to keep to that";
        return reply
            .error_of(ErrorKind::QuotaExhausted, message)
            .with_retry_after(None);
    }
    let error = reply.error_of(
        ErrorKind::RateLimited,
        format!("the rate limit is reached: {said}"),
    );
    // The reset is sent with refusals only, and not promised.
    let asked = reply.retry_after().or_else(|| reply.rate_limit().reset);
    error.with_retry_after(asked.or(unpaid.then_some(UNPAID_WAIT)))
}

/// What the vendor's refusal of a request with too many tokens says.
///
/// Source: messages seen by users, such as "The max allowed tokens per submitted batch is 120000. Your
/// batch has 124417 tokens after truncation." It is no contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenOverflow {
    /// How many tokens a request may have.
    pub allowed: u64,
    /// How many this one has.
    pub tokens: u64,
}

impl TokenOverflow {
    /// Returns what the vendor said about the number of tokens, if an error comes from that.
    #[must_use]
    pub fn of(error: &Error) -> Option<Self> {
        error.source()?.downcast_ref().copied()
    }

    fn read(said: &str) -> Option<Self> {
        let allowed = number_after(said, "max allowed tokens per submitted batch is ")?;
        let tokens = number_after(said, "Your batch has ")?;
        (tokens > allowed && allowed > 0).then_some(Self { allowed, tokens })
    }
}

fn number_after(text: &str, words: &str) -> Option<u64> {
    let (_, rest) = text.split_once(words)?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

impl fmt::Display for TokenOverflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the request has {} tokens, at most {} are allowed",
            self.tokens, self.allowed
        )
    }
}

impl StdError for TokenOverflow {}

pub(crate) fn mentions_tokens(said: &str) -> bool {
    said.to_lowercase().contains("token")
}

/// Whether a body that gives its reason in no known way speaks of tokens.
fn body_mentions_tokens(body: &[u8]) -> bool {
    let beginning = body.get(..LONGEST_REASON).unwrap_or(body);
    mentions_tokens(&String::from_utf8_lossy(beginning))
}

/// The most of a body that is searched for a reason.
const LONGEST_REASON: usize = 64 * 1024;

/// Returns what the vendor says, if it says it in JSON: `detail` is text, or a list of faults, each
/// with `msg` and `loc`. The key is taken out.
fn detail(body: &[u8], secrets: &Secrets) -> Option<String> {
    if body.len() > LONGEST_REASON {
        return None;
    }
    let said: Said = serde_json::from_slice(body).ok()?;
    let text = [said.detail, said.message, said.error]
        .into_iter()
        .flatten()
        .find_map(Detail::told)?;
    let text = told(&text, secrets);
    (!text.is_empty()).then_some(text)
}

#[derive(Deserialize)]
struct Said {
    detail: Option<Detail>,
    message: Option<Detail>,
    error: Option<Detail>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Detail {
    Text(String),
    Faults(Vec<Fault>),
    Other(serde::de::IgnoredAny),
}

impl Detail {
    fn told(self) -> Option<String> {
        let text = match self {
            Self::Text(text) => text,
            Self::Faults(faults) => {
                let faults: Vec<String> = faults.into_iter().filter_map(Fault::told).collect();
                faults.join("; ")
            }
            Self::Other(_) => return None,
        };
        (!text.trim().is_empty()).then_some(text)
    }
}

#[derive(Deserialize)]
struct Fault {
    msg: Option<String>,
    #[serde(default)]
    loc: Vec<Place>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Place {
    Name(String),
    Index(u64),
}

impl Fault {
    fn told(self) -> Option<String> {
        let message = self.msg?;
        let place: Vec<String> = self
            .loc
            .into_iter()
            .map(|place| match place {
                Place::Name(name) => name,
                Place::Index(index) => index.to_string(),
            })
            .collect();
        Some(if place.is_empty() {
            message
        } else {
            format!("{}: {message}", place.join("."))
        })
    }
}

/// Makes a text of the vendor fit to be shown: one line, not too long, without the key and without what
/// looks like one.
pub(crate) fn told(text: &str, secrets: &Secrets) -> String {
    // Ours first, of which a part looks like a key as well; then those of others, on one line, since what does
    // not show may stand in one; and only then the cut, behind which too little is left to look like one.
    clean(&without_keys(&secrets.line(text)))
}

/// Takes out everything that looks like a key, whole or as the vendor may cut it.
fn without_keys(text: &str) -> String {
    const REDACTED: &str = "[redacted]";
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*');
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let word_end = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(word_end);
        shown.push_str(if looks_like_key(word) { REDACTED } else { word });
        let gap_end = after.find(is_part).unwrap_or(after.len());
        let (gap, next) = after.split_at(gap_end);
        shown.push_str(gap);
        rest = next;
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_text_or_a_list_of_faults() {
        let read = |body: &str| detail(body.as_bytes(), &Secrets::default());
        assert_eq!(read(r#"{"detail":"no"}"#).as_deref(), Some("no"));
        assert_eq!(read(r#"{"message":"no"}"#).as_deref(), Some("no"));
        assert_eq!(
            read(r#"{"detail":[{"loc":["body","input",0],"msg":"too short"},{"msg":"b"}]}"#)
                .as_deref(),
            Some("body.input.0: too short; b")
        );
        for nothing in [
            "",
            "{}",
            "[]",
            r#"{"detail":7}"#,
            r#"{"detail":""}"#,
            "<html>",
            "{\"de",
        ] {
            assert_eq!(read(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn a_key_is_taken_out_whole_or_in_pieces() {
        let shown = told(
            "Provided API key pa-abcdefghijkl is invalid; (al-us-99999999) pa-ab, pa-0123456789/s3cr3t!",
            &Secrets::new(["pa-0123456789/s3cr3t"]),
        );
        assert_eq!(
            shown,
            "Provided API key [redacted] is invalid; ([redacted]) pa-ab, [redacted]!"
        );
    }

    #[test]
    fn a_key_is_taken_out_whole_where_it_is_torn() {
        let key = "pa-0123456789-rest";
        let secrets = Secrets::new([key]);
        for (at, tear) in (0..=key.len()).flat_map(|at| ['\u{200b}', '\u{1}'].map(|c| (at, c))) {
            let (one, two) = key.split_at(at);
            let said = format!("no {one}{tear}{two}!");
            assert_eq!(told(&said, &secrets), "no [redacted]!", "{said:?}");
            let of_another = Secrets::default();
            assert_eq!(told(&said, &of_another), "no [redacted]!", "{said:?}");
        }
        for filling in 280..300 {
            let shown = told(
                &format!("{} {key}", "x".repeat(filling)),
                &Secrets::default(),
            );
            assert!(!shown.contains("pa-"), "{shown}");
        }
    }

    #[test]
    fn the_numbers_of_an_overflow_are_read() {
        let said = "Request to model 'voyage-code-3' failed. The max allowed tokens per submitted \
                    batch is 120000. Your batch has 124417 tokens after truncation.";
        let overflow = TokenOverflow::read(said);
        assert_eq!(
            overflow,
            Some(TokenOverflow {
                allowed: 120_000,
                tokens: 124_417
            })
        );
        assert_eq!(TokenOverflow::read("too many tokens"), None);
        let absurd = "max allowed tokens per submitted batch is 9. Your batch has 3 tokens";
        assert_eq!(TokenOverflow::read(absurd), None);
    }
}
