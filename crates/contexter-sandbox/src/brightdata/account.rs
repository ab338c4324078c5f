//! Who may ask, and how often: keys, limits, bills.

use std::collections::VecDeque;
use std::time::Duration;

use axum::http::HeaderMap;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::config::BrightDataConfig;

/// So many answers with 429 within the window block the caller.
const BLOCKED_AT: usize = 25;
const WINDOW: Duration = Duration::from_mins(5);
const MINUTE: Duration = Duration::from_mins(1);

/// What was asked, refused and billed.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    requests: u64,
    billed: u64,
    /// Within the last minute, oldest first; kept only where there is a limit, and as many as that.
    admitted: VecDeque<Instant>,
    /// Answers with 429 within the window, oldest first.
    refused: VecDeque<Instant>,
    refusals: u64,
    blocked: bool,
}

/// Why a request is turned away before anything else.
pub(super) struct TooMany {
    pub(super) blocked: bool,
    /// In seconds, rounded up: less would be refused again.
    pub(super) retry_after: u64,
}

impl Ledger {
    /// Counts a request, or turns it away.
    pub(super) fn admit(&self, limit: Option<u32>) -> Result<(), TooMany> {
        self.admit_at(limit, Instant::now())
    }

    fn admit_at(&self, limit: Option<u32>, now: Instant) -> Result<(), TooMany> {
        let mut state = self.state.lock();
        state.requests += 1;
        if state.blocked {
            return Err(TooMany {
                blocked: true,
                retry_after: WINDOW.as_secs(),
            });
        }
        let Some(limit) = limit else {
            return Ok(());
        };
        while state
            .admitted
            .front()
            .is_some_and(|at| now.duration_since(*at) >= MINUTE)
        {
            state.admitted.pop_front();
        }
        if state.admitted.len() < limit as usize {
            state.admitted.push_back(now);
            return Ok(());
        }
        let wait = state
            .admitted
            .front()
            .map_or(MINUTE, |at| MINUTE.saturating_sub(now.duration_since(*at)));
        state.refuse(now);
        Err(TooMany {
            blocked: state.blocked,
            retry_after: wait.as_secs() + u64::from(wait.subsec_nanos() > 0),
        })
    }

    /// Counts an answer with 429 that has another reason.
    pub(super) fn refuse(&self) {
        self.state.lock().refuse(Instant::now());
    }

    pub(super) fn bill(&self) {
        self.state.lock().billed += 1;
    }

    pub(super) fn requests(&self) -> u64 {
        self.state.lock().requests
    }

    pub(super) fn billed(&self) -> u64 {
        self.state.lock().billed
    }

    pub(super) fn refusals(&self) -> u64 {
        self.state.lock().refusals
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.state.lock().blocked
    }
}

impl State {
    /// Counts an answer with 429; too many of them block the caller everywhere.
    fn refuse(&mut self, now: Instant) {
        while self
            .refused
            .front()
            .is_some_and(|at| now.duration_since(*at) >= WINDOW)
        {
            self.refused.pop_front();
        }
        self.refused.push_back(now);
        self.refusals += 1;
        self.blocked = self.refused.len() >= BLOCKED_AT;
    }
}

/// Returns the text with which the REST interface refuses a key; `None` if it takes it.
pub(super) fn refused_key(config: &BrightDataConfig, headers: &HeaderMap) -> Option<&'static str> {
    let Some(given) = headers.get("authorization") else {
        return Some("User authentication is required");
    };
    let given = given
        .to_str()
        .ok()
        .and_then(|given| given.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, key)| key);
    (given != Some(config.api_key.as_str())).then_some("Auth method is not supported")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Ledger;

    #[test]
    fn who_waits_as_long_as_it_is_told_is_admitted() {
        let begun = Instant::now();
        for (after, told) in [(0, 60), (1, 60), (500, 60), (1_000, 59), (59_999, 1)] {
            let ledger = Ledger::default();
            assert!(ledger.admit_at(Some(1), begun).is_ok());
            let refused = begun + Duration::from_millis(after);
            let Err(too_many) = ledger.admit_at(Some(1), refused) else {
                panic!("admitted after {after} ms");
            };
            assert_eq!(too_many.retry_after, told, "after {after} ms");
            let waited = refused + Duration::from_secs(told);
            assert!(ledger.admit_at(Some(1), waited).is_ok(), "after {after} ms");
        }
    }
}
