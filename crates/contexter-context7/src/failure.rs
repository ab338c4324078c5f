//! What an answer that is no success means.

use contexter_model::{Error, ErrorKind, LibraryId};
use contexter_service::Sample;

use crate::answer::{Answer, Judge, moved_to};
use crate::words::{Words, cleaned};

/// Longer words are cut, in characters; the vendor's lists of tags can be long.
const MAX_WORDS_CHARS: usize = 300;

/// Why there is no result.
#[derive(Clone, Debug)]
pub struct Failure {
    error: Error,
    code: Option<String>,
    moved: Option<LibraryId>,
    of_proxy: bool,
}

impl Failure {
    fn new(error: Error) -> Self {
        Self {
            error,
            code: None,
            moved: None,
            of_proxy: false,
        }
    }

    /// Returns the error for callers.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// Gives the error for callers.
    #[must_use]
    pub fn into_error(self) -> Error {
        self.error
    }

    /// Returns the vendor's own word for the error, such as `library_not_found`.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Returns where the library has moved, if that is what the answer says.
    #[must_use]
    pub fn moved(&self) -> Option<&LibraryId> {
        self.moved.as_ref()
    }

    /// Returns whether the library exists and the version does not.
    #[must_use]
    pub fn is_unknown_tag(&self) -> bool {
        self.code() == Some("tag_not_found")
    }

    /// Returns whether the library exists and has nothing to say about the query.
    #[must_use]
    pub fn says_nothing_found(&self) -> bool {
        matches!(
            self.code(),
            Some("no_snippets_found" | "no_documentation_found")
        )
    }

    /// Returns whether somebody before the service answered.
    #[must_use]
    pub(crate) fn is_of_proxy(&self) -> bool {
        self.of_proxy
    }

    pub(crate) fn map(mut self, change: impl FnOnce(Error) -> Error) -> Self {
        self.error = change(self.error);
        self
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(error)
    }
}

/// Reads an answer that is no success, or is one by its status only.
pub(crate) fn of(judge: &Judge, answer: &Answer<'_>, words: &Words, subject: &str) -> Failure {
    let code = words.code();
    let tell = |what: &str| told(judge, answer, words, what);
    let failure = |kind, what: &str| Failure::new(Error::new(kind, tell(what)));
    let mut read = match (answer.status, code) {
        (202, _) | (_, Some("library_not_finalized")) => {
            let wait = answer.retry_after.or(words.wait);
            Failure::new(
                Error::new(
                    ErrorKind::NotReady,
                    tell(&format!("{subject} is not finalized yet")),
                )
                .with_retry_after(Some(wait.unwrap_or(judge.not_finalized_wait))),
            )
        }
        (301, _) | (_, Some("library_redirected")) => moved(judge, answer, words, subject),
        // The header `Location` is not followed: the key belongs to the configured host.
        (300..=399, _) => Failure {
            of_proxy: true,
            ..failure(
                ErrorKind::Protocol,
                "the service redirects, which is not followed; check base_url",
            )
        },
        (403 | 404, None) if answer.is_html() => before_the_service(answer),
        (400, Some("invalid_library_id")) => failure(
            ErrorKind::Invalid,
            &format!("{subject} is no id of a library"),
        ),
        (401, _) if judge.is_anonymous => failure(
            ErrorKind::Unauthorized,
            "the service asks for a key, and none is configured",
        ),
        (401, _) | (_, Some("invalid_api_key")) => {
            failure(ErrorKind::Unauthorized, "the key was refused")
        }
        (402, _) | (_, Some("spending_limit_exceeded")) => failure(
            ErrorKind::QuotaExhausted,
            "the spending limit of the account is reached",
        ),
        (403, _) => failure(
            ErrorKind::Unauthorized,
            &format!("access to {subject} is denied"),
        ),
        (404, _) => failure(ErrorKind::NotFound, &not_found(code, subject)),
        (408, _) => failure(ErrorKind::Timeout, "the service gave up waiting"),
        (413, _) | (_, Some("library_too_large")) => {
            failure(ErrorKind::TooLarge, &format!("{subject} is too large"))
        }
        (422, Some("no_code_found")) => {
            failure(ErrorKind::NotFound, &format!("{subject} holds no code"))
        }
        (425, _) => failure(
            ErrorKind::Unavailable,
            "the service is not ready for the call",
        ),
        (429, _) => too_many(judge, answer, words),
        (501, _) => failure(ErrorKind::Unsupported, "the service does not offer this"),
        (504, _) => failure(ErrorKind::Timeout, "the service did not answer in time"),
        (400..=499, _) => failure(
            ErrorKind::Invalid,
            &format!("the request about {subject} was refused"),
        ),
        (500..=599, _) => {
            let mut failed = failure(ErrorKind::Unavailable, "the service failed");
            failed.of_proxy = answer.is_html();
            failed
        }
        _ => failure(ErrorKind::Protocol, "the service answered out of turn"),
    };
    let may_pass = matches!(
        read.error.kind(),
        ErrorKind::Unavailable | ErrorKind::Timeout
    );
    if may_pass && read.error.retry_after().is_none() {
        read.error = read.error.with_retry_after(answer.retry_after);
    }
    read.code = code.map(str::to_owned);
    read
}

/// A body that is not what was asked for, under a status that says it is.
pub(crate) fn malformed(judge: &Judge, answer: &Answer<'_>, why: &str) -> Failure {
    let kind = answer.content_type.map_or_else(
        || "no content type".to_owned(),
        |kind| cleaned(kind, &judge.secrets, 60),
    );
    Failure::new(Error::new(
        ErrorKind::Protocol,
        format!("the reply ({}, {kind}) {why}", answer.status),
    ))
}

/// A page for people where documentation was asked for.
pub(crate) fn page(judge: &Judge, answer: &Answer<'_>) -> Failure {
    Failure {
        of_proxy: true,
        ..malformed(
            judge,
            answer,
            "is a page of HTML; check base_url, or a proxy stands before the service",
        )
    }
}

/// An empty body, by which the service says that it has nothing usable.
pub(crate) fn nothing(subject: &str) -> Failure {
    Failure::new(Error::new(
        ErrorKind::NotFound,
        format!("{subject} is unknown or not finalized: the reply is empty"),
    ))
}

/// A page in place of a refusal: of a challenge, or of somebody else's server.
fn before_the_service(answer: &Answer<'_>) -> Failure {
    let (kind, what) = if answer.status == 403 {
        (
            ErrorKind::Unavailable,
            "a challenge or proxy stands before the service and answered a page of HTML (403)",
        )
    } else {
        (
            ErrorKind::Protocol,
            "there is no such service: it answered a page of HTML (404); base_url ends in /api",
        )
    };
    Failure {
        of_proxy: true,
        ..Failure::new(Error::new(kind, what))
    }
}

fn not_found(code: Option<&str>, subject: &str) -> String {
    match code {
        Some("tag_not_found") => format!("{subject} has no such version"),
        Some("no_snippets_found" | "no_documentation_found") => {
            format!("{subject} has no documentation for this query")
        }
        Some("no_libraries_found") => format!("no library is called {subject}"),
        _ => format!("{subject} is unknown"),
    }
}

/// A library that has moved; the new id is checked before anything is asked by it.
fn moved(judge: &Judge, answer: &Answer<'_>, words: &Words, subject: &str) -> Failure {
    let Some(redirect) = words.redirect.as_deref() else {
        let what = "the service redirects without saying to which library; check base_url";
        return Failure {
            of_proxy: answer.is_html(),
            ..Failure::new(Error::new(
                ErrorKind::Protocol,
                told(judge, answer, words, what),
            ))
        };
    };
    // Its name would be shown, and the key asked for where it leads.
    let why = if judge.secrets.are_in(redirect) {
        "which repeats a key and is not asked for"
    } else {
        match moved_to(redirect) {
            Ok(id) => {
                let what = format!("{subject} has moved to {id}");
                return Failure {
                    moved: Some(id),
                    ..Failure::new(Error::new(
                        ErrorKind::NotFound,
                        told(judge, answer, words, &what),
                    ))
                };
            }
            Err(_invalid) => "which is no id of a library",
        }
    };
    let shown = cleaned(redirect, &judge.secrets, 80);
    let what = format!("{subject} has moved to {shown:?}, {why}");
    // The service as such is well.
    Failure::new(
        Error::new(
            ErrorKind::Protocol,
            told(judge, answer, &Words::default(), &what),
        )
        .with_verdict(Sample::Success, false),
    )
}

/// Two refusals share the status 429: too many calls in a short time, and a used-up allowance.
fn too_many(judge: &Judge, answer: &Answer<'_>, words: &Words) -> Failure {
    let wait = answer.retry_after.or(words.wait).or(answer.reset_after);
    let (kind, what) = if words.speaks_of_quota() {
        let whose = if judge.is_anonymous {
            "the monthly allowance of anonymous calls is used up; no key is configured"
        } else {
            "the monthly allowance is used up"
        };
        (ErrorKind::QuotaExhausted, whose.to_owned())
    } else if let Some(wait) = wait.filter(|wait| *wait > judge.max_retry_after) {
        let (wait, ceiling) = (wait.as_secs(), judge.max_retry_after.as_secs());
        (
            ErrorKind::QuotaExhausted,
            format!(
                "the allowance is used up for {wait} s, more than the {ceiling} s of max_retry_after"
            ),
        )
    } else {
        (
            ErrorKind::RateLimited,
            "too many calls in a short time".to_owned(),
        )
    };
    let error = Error::new(kind, told(judge, answer, words, &what)).with_retry_after(wait);
    Failure::new(error)
}

/// Says what happened, by which status and code, and what the vendor says about it.
fn told(judge: &Judge, answer: &Answer<'_>, words: &Words, what: &str) -> String {
    let status = answer.status;
    let code = words.code();
    let by = match code {
        Some(code) => format!("{status} {code}"),
        None if answer.is_html() => format!("{status}, a page of HTML"),
        None => status.to_string(),
    };
    match words.said() {
        Some(said) => {
            let said = cleaned(said, &judge.secrets, MAX_WORDS_CHARS);
            format!("{what} ({by}): {said}")
        }
        None => format!("{what} ({by})"),
    }
}
