//! What a scenario found.

use std::fmt;

use contexter_service::InvalidConfig;

/// What a scenario found about one face of a mechanism.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The rule holds.
    Pass,
    /// The rule is broken; the text names what was expected and what was seen.
    Fail(String),
    /// The rule cannot be asked of this face; the text says why.
    NotApplicable(String),
}

impl Verdict {
    /// Returns whether the rule is broken.
    #[must_use]
    pub const fn is_fail(&self) -> bool {
        matches!(self, Self::Fail(_))
    }

    /// Returns `"pass"`, `"FAIL"` or `"n/a"`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail(_) => "FAIL",
            Self::NotApplicable(_) => "n/a",
        }
    }

    /// Returns what the verdict adds to its word: the fault, or the reason.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        match self {
            Self::Pass => None,
            Self::Fail(text) | Self::NotApplicable(text) => Some(text),
        }
    }
}

/// A subject does not offer what a scenario needs; the text says what is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported(String);

impl Unsupported {
    /// Creates it with what is missing, such as `"has no state query"`.
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a subject was not built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It has no such setting; the scenario does not apply.
    Unsupported(Unsupported),
    /// It refuses the values: one text for each fault.
    Invalid(Vec<String>),
}

impl Refusal {
    /// Creates a refusal of settings that the subject does not have.
    #[must_use]
    pub fn unsupported(reason: impl Into<String>) -> Self {
        Self::Unsupported(Unsupported::new(reason))
    }
}

impl From<Unsupported> for Refusal {
    fn from(unsupported: Unsupported) -> Self {
        Self::Unsupported(unsupported)
    }
}

/// Takes up the faults one by one.
impl From<InvalidConfig> for Refusal {
    fn from(invalid: InvalidConfig) -> Self {
        let faults = invalid.faults().iter();
        Self::Invalid(
            faults
                .map(|fault| format!("{} {}", fault.field, fault.problem))
                .collect(),
        )
    }
}

/// What a scenario's steps return, so that `?` ends it. The error is never a pass.
#[cfg(any(feature = "events", feature = "resilience", feature = "vector-store"))]
pub(crate) type Checked<T = ()> = Result<T, Verdict>;

impl From<Unsupported> for Verdict {
    fn from(unsupported: Unsupported) -> Self {
        Self::NotApplicable(unsupported.0)
    }
}

/// Settings that a scenario needs and that are refused as invalid break the rule.
impl From<Refusal> for Verdict {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unsupported(unsupported) => unsupported.into(),
            Refusal::Invalid(faults) => Self::Fail(format!(
                "expected the settings to be taken, they were refused: {}",
                faults.join("; ")
            )),
        }
    }
}

/// Ends the scenario unless `holds`.
#[cfg(any(feature = "events", feature = "resilience", feature = "vector-store"))]
pub(crate) fn check(holds: bool, broken: impl FnOnce() -> String) -> Checked {
    if holds {
        Ok(())
    } else {
        Err(Verdict::Fail(broken()))
    }
}

/// Ends the scenario unless what was seen is what was expected.
#[cfg(any(feature = "events", feature = "resilience", feature = "vector-store"))]
pub(crate) fn same<T: PartialEq + fmt::Debug>(what: &str, seen: &T, expected: &T) -> Checked {
    check(seen == expected, || {
        format!("{what}: expected {expected:?}, saw {seen:?}")
    })
}
