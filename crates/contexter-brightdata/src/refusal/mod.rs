//! Why the vendor gave no page, in the vendor's terms.

mod status;

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use contexter_model::{Error, ErrorKind};
use contexter_service::Sample;
use serde::Serialize;

use crate::CodeEntry;

/// What is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Class {
    /// The key, the customer or the password.
    Auth,
    /// The zone, the country, the flags: what the user configured.
    Config,
    /// The vendor's rules. Never tried again with another zone, country or session.
    Policy,
    /// The account: suspended, or its limit is reached.
    Account,
    /// Our request: a defect of this crate.
    Defect,
    /// Too many requests for now.
    Throttle,
    /// The target recognised the visit and blocked it.
    Blocked,
    /// The target: it does not resolve, does not answer, is too slow.
    Target,
    /// The answer says success and is empty.
    Empty,
    /// The vendor.
    Vendor,
}

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Retry {
    /// It ends the same way.
    Never,
    /// One more attempt is worth its while, a third is not.
    Once,
    /// As often as the stack allows.
    Repeat,
    /// As often as the stack allows, with another session where one is set.
    NewPeer,
    /// After the wait that the vendor asks for, or one that grows; counted in the
    /// [`ThrottleBudget`](crate::ThrottleBudget).
    Slowly,
}

/// Why the vendor gave no page: the cause ([`source`](StdError::source)) of an [`Error`].
///
/// Alone it shows its meaning, its code and its status. As the cause of an error, whose message says
/// these, it shows the rest: its class, whether trying again can help, and what is billed.
///
/// # Examples
///
/// ```
/// use contexter_brightdata::{Class, Refusal, judge};
///
/// let headers = [("x-brd-error", "captcha"), ("x-brd-error-code", "reject_block")];
/// let refusal = judge(200, &headers, b"").unwrap_err();
/// assert_eq!(refusal.class(), Class::Blocked);
/// assert_eq!(refusal.code(), Some("reject_block"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    code: Option<String>,
    class: Class,
    kind: ErrorKind,
    retry: Retry,
    status: u16,
    meaning: String,
    /// What the vendor says itself, as it came: it is cut and cleaned where it is shown.
    told: Option<String>,
    billed: Option<bool>,
    /// Whether the vendor most likely bills the request, where it does not say so.
    likely_billed: bool,
    /// Whether the answer was read before it came to the unlocker or the target.
    at_the_door: bool,
    /// Whether it stands behind an error whose message has its words already.
    is_cause: bool,
}

impl Refusal {
    /// Finds the refusal in the cause of an error of this crate.
    #[must_use]
    pub fn of(error: &Error) -> Option<&Self> {
        // It may stand behind the job that it is about.
        let mut cause = error.source();
        while let Some(current) = cause {
            if let Some(refusal) = current.downcast_ref() {
                return Some(refusal);
            }
            cause = current.source();
        }
        None
    }

    /// Returns the vendor's code, with underscores.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Returns what is at fault.
    #[must_use]
    pub fn class(&self) -> Class {
        self.class
    }

    /// Returns the kind of the error that it becomes.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns whether trying again can help.
    #[must_use]
    pub fn retry(&self) -> Retry {
        self.retry
    }

    /// Returns the status that the vendor reports, which is not that of its answer.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns whether the vendor bills the request, where it says so.
    #[must_use]
    pub fn billed(&self) -> Option<bool> {
        self.billed
    }

    /// Returns whether the refusal is about the one page that was asked for, so that others may well
    /// be had.
    #[must_use]
    pub fn is_about_the_page(&self) -> bool {
        let by_code = || {
            let code = self.code().unwrap_or_default();
            CodeEntry::find(code).map_or_else(
                // What the vendor forbids often comes without a code
                // (<https://docs.brightdata.com/scraping-automation/web-unlocker/error-codes>), or with
                // a new one.
                || self.status == 403 || code.starts_with("policy_") || code.starts_with("ub_"),
                |entry| entry.about_target,
            )
        };
        !self.at_the_door
            && match self.class {
                Class::Blocked | Class::Target | Class::Empty | Class::Vendor => true,
                Class::Config | Class::Policy => by_code(),
                _ => false,
            }
    }

    pub(crate) fn meaning(&self) -> &str {
        &self.meaning
    }

    pub(crate) fn is_at_the_door(&self) -> bool {
        self.at_the_door
    }

    pub(crate) fn of_code(code: &str, status: u16) -> Self {
        // A code that is not known goes by its status: on 502 it is worth one more attempt.
        let mut refusal = Self::of_status(status);
        refusal.code = normal(code);
        if let Some(entry) = CodeEntry::find(code) {
            refusal.class = entry.class;
            refusal.kind = entry.kind;
            refusal.retry = entry.retry;
            entry.meaning.clone_into(&mut refusal.meaning);
        }
        refusal
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self {
            code: None,
            class: Class::Empty,
            kind: ErrorKind::Unavailable,
            retry: Retry::Once,
            status,
            meaning: "the answer is empty, which is what a blocked page looks like".to_owned(),
            told: None,
            billed: None,
            likely_billed: false,
            at_the_door: false,
            is_cause: false,
        }
    }

    pub(crate) fn with_meaning(mut self, meaning: impl Into<String>) -> Self {
        self.meaning = meaning.into();
        self
    }

    /// Adds what the vendor says itself, as it came.
    pub(crate) fn with_told(mut self, told: impl Into<Option<String>>) -> Self {
        self.told = told.into();
        self
    }

    pub(crate) fn told(&self) -> Option<&str> {
        self.told.as_deref()
    }

    pub(crate) fn without_code(mut self) -> Self {
        self.code = None;
        self
    }

    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    pub(crate) fn with_class(mut self, class: Class) -> Self {
        self.class = class;
        self
    }

    pub(crate) fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    pub(crate) fn at_the_door(mut self) -> Self {
        self.at_the_door = true;
        self
    }

    pub(crate) fn with_billed(mut self, billed: Option<bool>) -> Self {
        self.billed = billed;
        self
    }

    /// Takes down whether the zone bills failures, for where the vendor does not say what it bills. What is
    /// turned away for too many requests, for the key or for the account is billed nowhere.
    pub(crate) fn in_zone_that_bills(mut self, bills_failures: bool) -> Self {
        let is_turned_away = matches!(self.class, Class::Throttle | Class::Auth | Class::Account);
        self.likely_billed = bills_failures && !self.at_the_door && !is_turned_away;
        self
    }

    /// Returns whether the request counts as billed: as the vendor says, or else as it most likely is.
    pub(crate) fn counts_as_billed(&self) -> bool {
        self.billed.unwrap_or(self.likely_billed)
    }

    /// Returns what it says about the vendor, which is what the breaker watches.
    fn sample(&self) -> Sample {
        match self.class {
            // Turned away, which says nothing about what is behind the door.
            Class::Auth | Class::Account | Class::Throttle => Sample::Neutral,
            // It answered, and properly.
            Class::Config
            | Class::Policy
            | Class::Defect
            | Class::Blocked
            | Class::Target
            | Class::Empty => Sample::Success,
            Class::Vendor => Sample::Failure,
        }
    }

    /// Returns whether another attempt is worth its while after `attempt`, counted from 1.
    pub(crate) fn again_after(&self, attempt: u32) -> bool {
        // A failure that is billed would be paid for once more.
        !self.counts_as_billed()
            && match self.retry {
                Retry::Never => false,
                Retry::Once => attempt < 2,
                Retry::Repeat | Retry::NewPeer | Retry::Slowly => true,
            }
    }

    /// Makes the error of it that attempt number `attempt` about `what` ends with.
    pub(crate) fn into_error(
        self,
        what: &str,
        attempt: u32,
        retry_after: Option<Duration>,
    ) -> Error {
        let message = if what.is_empty() {
            self.to_string()
        } else {
            format!("{what}: {self}")
        };
        Error::new(self.kind, message)
            .with_verdict(self.sample(), self.again_after(attempt))
            .with_retry_after(retry_after)
            .with_source(Self {
                is_cause: true,
                ..self
            })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_cause {
            f.write_str("class ")?;
            self.class.serialize(&mut *f)?;
            f.write_str(", retry ")?;
            self.retry.serialize(&mut *f)?;
            return f.write_str(match self.billed {
                Some(true) => ", billed",
                Some(false) => ", not billed",
                None => "",
            });
        }
        f.write_str(&self.meaning)?;
        if let Some(told) = &self.told {
            write!(f, ": {}", contexter_http::clean(told))?;
        }
        match &self.code {
            Some(code) => write!(f, " ({code}, status {})", self.status),
            None => write!(f, " (status {})", self.status),
        }
    }
}

impl StdError for Refusal {}

/// The longest code that is repeated.
const MAX_CODE: usize = 64;

/// Returns the code as it is shown, without hyphens; `None` for a text that is no code, none of which is
/// repeated.
fn normal(code: &str) -> Option<String> {
    let code = code.trim();
    let is_code = (1..=MAX_CODE).contains(&code.len())
        && code
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':'));
    is_code.then(|| spelled_as_a_code(code))
}

/// Spells a text as codes are shown: in lower case, with underscores.
pub(crate) fn spelled_as_a_code(text: &str) -> String {
    text.to_ascii_lowercase().replace('-', "_")
}
