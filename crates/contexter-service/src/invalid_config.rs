//! What is wrong with a configuration, all of it at once.

use std::fmt;

/// One setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// Which setting, as a dotted path such as `breaker.failure_threshold`.
    pub field: String,
    /// What is allowed and what was given.
    pub problem: String,
}

/// Every fault of a configuration; there is at least one.
///
/// # Examples
///
/// ```
/// use contexter_service::InvalidConfig;
///
/// let faults = InvalidConfig::check([
///     ("max_attempts", (0 < 1).then(|| "must be at least 1, got 0".to_owned())),
///     ("max_delay", None),
/// ]);
/// assert_eq!(
///     faults.unwrap_err().within("retry").to_string(),
///     "invalid configuration: retry.max_attempts must be at least 1, got 0",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidConfig {
    faults: Vec<Fault>,
}

impl InvalidConfig {
    /// Collects the settings that have a problem.
    ///
    /// # Errors
    ///
    /// Returns the faults if there is any.
    pub fn check<'a>(
        settings: impl IntoIterator<Item = (&'a str, Option<String>)>,
    ) -> Result<(), Self> {
        let faults: Vec<_> = settings
            .into_iter()
            .filter_map(|(field, problem)| {
                problem.map(|problem| Fault {
                    field: field.to_owned(),
                    problem,
                })
            })
            .collect();
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Self { faults })
        }
    }

    /// Joins the results of several checks into one.
    ///
    /// # Errors
    ///
    /// Returns the faults of all checks, in order, if there is any.
    pub fn join(checks: impl IntoIterator<Item = Result<(), Self>>) -> Result<(), Self> {
        let faults: Vec<_> = checks
            .into_iter()
            .filter_map(Result::err)
            .flat_map(|invalid| invalid.faults)
            .collect();
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Self { faults })
        }
    }

    /// Puts the path of every fault under `section`.
    #[must_use]
    pub fn within(mut self, section: &str) -> Self {
        for fault in &mut self.faults {
            fault.field = format!("{section}.{}", fault.field);
        }
        self
    }

    /// Returns the faults in the order of the settings.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid configuration: ")?;
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{} {}", fault.field, fault.problem)?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidConfig {}
