//! The error of an integration flow.

use std::error::Error as StdError;
use std::fmt;

/// Why a step of a flow failed.
///
/// The cause is in [`source`](StdError::source); `Display` is one line without it.
#[derive(Debug)]
pub struct IntegrationError {
    step: &'static str,
    message: String,
    service: Option<String>,
    correlation_id: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl IntegrationError {
    /// Creates an error of `step`, a verb such as `"fetch"`.
    pub fn new(step: &'static str, message: impl Into<String>) -> Self {
        Self {
            step,
            message: message.into(),
            service: None,
            correlation_id: None,
            source: None,
        }
    }

    /// Names the service that failed.
    #[must_use]
    pub fn with_service(mut self, service: impl Into<String>) -> Self {
        self.service = Some(service.into());
        self
    }

    /// Keeps the correlation id of the flow.
    #[must_use]
    pub fn with_correlation_id(mut self, id: impl Into<String>) -> Self {
        self.correlation_id = Some(id.into());
        self
    }

    /// Keeps the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Returns the step that failed, such as `"fetch"` or `"index"`.
    #[must_use]
    pub fn step(&self) -> &'static str {
        self.step
    }

    /// Returns the service that failed.
    #[must_use]
    pub fn service(&self) -> Option<&str> {
        self.service.as_deref()
    }

    /// Returns the correlation id of the flow.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&str> {
        self.correlation_id.as_deref()
    }

    /// Returns the first [`contexter_model::Error`] among the causes.
    #[must_use]
    pub fn model_error(&self) -> Option<&contexter_model::Error> {
        let mut cause = self.source();
        while let Some(error) = cause {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            cause = error.source();
        }
        None
    }
}

impl fmt::Display for IntegrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step, self.message)?;
        match &self.service {
            Some(service) => write!(f, " (service {service})"),
            None => Ok(()),
        }
    }
}

impl StdError for IntegrationError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
