//! What a status says where the vendor gives no code.

use contexter_model::ErrorKind;

use super::{Class, Refusal, Retry};

impl Refusal {
    /// Reads a refusal without a code.
    pub(crate) fn of_status(status: u16) -> Self {
        let (class, kind, retry, meaning) = match status {
            400 => (
                Class::Config,
                ErrorKind::Invalid,
                Retry::Never,
                "the request is refused as wrong",
            ),
            401 | 407 => (
                Class::Auth,
                ErrorKind::Unauthorized,
                Retry::Never,
                "the credentials are refused",
            ),
            402 => (
                Class::Account,
                ErrorKind::QuotaExhausted,
                Retry::Never,
                "the account has to be paid for",
            ),
            403 => (
                Class::Policy,
                ErrorKind::Unsupported,
                Retry::Never,
                "the request is refused by policy",
            ),
            404 => (
                Class::Config,
                ErrorKind::NotFound,
                Retry::Never,
                "there is no such thing",
            ),
            413 => (
                Class::Config,
                ErrorKind::TooLarge,
                Retry::Never,
                "the request is too large",
            ),
            429 => (
                Class::Throttle,
                ErrorKind::RateLimited,
                Retry::Slowly,
                "too many requests",
            ),
            408 => (
                Class::Vendor,
                ErrorKind::Timeout,
                Retry::Repeat,
                "the request did not arrive in time",
            ),
            405..=499 => (
                Class::Config,
                ErrorKind::Invalid,
                Retry::Never,
                "the request is refused",
            ),
            502 => (
                Class::Vendor,
                ErrorKind::Unavailable,
                Retry::Once,
                "the request failed for a reason that is not known",
            ),
            503 => (
                Class::Blocked,
                ErrorKind::Unavailable,
                Retry::Repeat,
                "the browser check failed",
            ),
            504 => (
                Class::Vendor,
                ErrorKind::Timeout,
                Retry::Repeat,
                "the service did not answer in time",
            ),
            500..=599 => (
                Class::Vendor,
                ErrorKind::Unavailable,
                Retry::Repeat,
                "the service failed",
            ),
            _ => (
                Class::Vendor,
                ErrorKind::Protocol,
                Retry::Never,
                "the answer has a status that is not expected",
            ),
        };
        Self {
            code: None,
            class,
            kind,
            retry,
            status,
            meaning: meaning.to_owned(),
            told: None,
            billed: None,
            likely_billed: false,
            at_the_door: false,
            is_cause: false,
        }
    }

    /// Reads a refusal by the status of the answer itself, which comes from the vendor's own servers.
    pub(crate) fn of_outer_status(status: u16) -> Self {
        let refusal = Self::of_status(status).at_the_door();
        match status {
            500..=599 if status != 504 => refusal
                .with_class(Class::Vendor)
                .with_retry(Retry::Repeat)
                .with_meaning("the service failed"),
            _ => refusal,
        }
    }
}
