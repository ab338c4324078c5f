//! Removing events by their age.

use std::time::Duration;

use tokio::time::Instant;

use crate::scripts::{self, eval};
use crate::source::millis;
use crate::transport::Inner;

/// The longest time between two looks for what is too old.
const EVERY: Duration = Duration::from_mins(1);

impl Inner {
    /// Removes what is too old, if that is due; what fails is done again the next time.
    ///
    /// Storing could do it, too, but knows no time but that of its own machine, and limits a stream by
    /// number or by age, never both.
    pub(crate) async fn expire(&self, deadline: Instant) {
        let Some(age) = self.config.max_age else {
            return;
        };
        {
            let now = Instant::now();
            let mut next = self.next_expiry.lock();
            if next.is_some_and(|next| now < next) {
                return;
            }
            *next = Some(now + EVERY.min(age / 10));
        }
        let mut cmd = eval(scripts::EXPIRE, &[&self.keys.events]);
        cmd.arg(millis(age));
        if let Err(error) = self.main.ask(cmd, deadline).await {
            tracing::debug!(%error, "what is too old is removed later");
        }
    }
}
