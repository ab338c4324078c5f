//! What an adapter may share with others, or have of its caller's.

use contexter_http::Client;
use contexter_model::Error;
use contexter_resilience::StandardStack;

use super::BrightDataAdapter;
use super::assemble::{GRACE, invalid};
use crate::config::Config;
use crate::throttle::ThrottleBudget;

impl BrightDataAdapter {
    /// Makes the adapter with the stack of its configuration.
    ///
    /// # Errors
    ///
    /// As [`Builder::build`].
    pub fn new(config: Config) -> Result<Self, Error> {
        Self::builder().build(config)
    }

    /// Makes the adapter with mechanisms of one's own around its calls.
    ///
    /// # Errors
    ///
    /// As [`Builder::build`].
    pub fn with_stack(config: Config, stack: StandardStack) -> Result<Self, Error> {
        Self::builder().stack(stack).build(config)
    }

    /// Begins an adapter that has more of its caller's than a stack.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }
}

/// Puts a [`BrightDataAdapter`] together.
#[derive(Debug, Default)]
pub struct Builder {
    stack: Option<StandardStack>,
    http: Option<Client>,
    budget: Option<ThrottleBudget>,
}

impl Builder {
    /// Puts `stack` around all calls, in place of that of the configuration. Its attempts should have a
    /// minute more than `timeout`, as those of [`Config::stack`] have: with less, the wait for the budget
    /// takes up to half the time of an attempt.
    #[must_use]
    pub fn stack(mut self, stack: StandardStack) -> Self {
        self.stack = Some(stack);
        self
    }

    /// Reaches the REST interface by `http`, in place of a client of its own: through a proxy of one's
    /// own, with further certificates, or with connections shared. Its time limits should be no shorter
    /// than `timeout`. The native proxy has clients of its own, one a user name.
    #[must_use]
    pub fn http(mut self, http: Client) -> Self {
        self.http = Some(http);
        self
    }

    /// Counts refusals in `budget`, in place of that of the process: for a process whose calls leave by
    /// more than one address.
    #[must_use]
    pub fn budget(mut self, budget: ThrottleBudget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Makes the adapter.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](contexter_model::ErrorKind::Invalid) with everything that is wrong with the
    /// configuration, and if a certificate cannot be read.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a configuration that holds a key is handed over, not kept by the caller"
    )]
    pub fn build(self, config: Config) -> Result<BrightDataAdapter, Error> {
        config.validate().map_err(|faults| invalid(&faults))?;
        let stack = match self.stack {
            Some(stack) => stack,
            None => StandardStack::new(config.stack()).map_err(|faults| invalid(&faults))?,
        };
        let http = match self.http {
            Some(http) => http,
            None => own_client(&config)?,
        };
        let budget = self.budget;
        let budget = budget.unwrap_or_else(|| ThrottleBudget::shared(&config.base_url));
        BrightDataAdapter::assemble(&config, &http, stack, budget)
    }
}

/// The time limit of a request ends it before those of this client.
fn own_client(config: &Config) -> Result<Client, Error> {
    let timeout = config.timeout.saturating_add(GRACE);
    Client::new(
        &contexter_http::Config::default()
            .read_timeout(timeout)
            .total_timeout(timeout),
    )
}
