//! Which request goes wrong.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::error::Error;
use crate::faults::fault::{Fault, FaultKind};
use crate::faults::script::{FaultScript, Rule};
use crate::faults::server::Server;

/// The faults of a sandbox: the script, and what was injected so far. Clones are the same.
///
/// For one seed and one order of requests to a server, the same requests go wrong: a rule draws by
/// its own number and by how many requests it has matched, never by time.
#[derive(Clone, Debug)]
pub struct Faults {
    state: Arc<Mutex<State>>,
    seed: u64,
}

#[derive(Debug, Default)]
struct State {
    rules: Vec<Armed>,
    requests: BTreeMap<Server, u64>,
    injected: BTreeMap<(Server, FaultKind), u64>,
}

/// A rule with what it has seen.
#[derive(Debug)]
struct Armed {
    rule: Rule,
    matched: u64,
    applied: u64,
}

impl Faults {
    pub(crate) fn new(script: FaultScript, seed: u64) -> Result<Self, Error> {
        let faults = Self {
            state: Arc::default(),
            seed,
        };
        faults.replace(script)?;
        Ok(faults)
    }

    /// Replaces the script; its rules count from the start, the counters go on.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the script asks for what cannot be; the old one then stays.
    pub fn replace(&self, script: FaultScript) -> Result<(), Error> {
        script.validate()?;
        let arm = |rule| Armed {
            rule,
            matched: 0,
            applied: 0,
        };
        self.state.lock().rules = script.rules.into_iter().map(arm).collect();
        Ok(())
    }

    /// Ends all faults; the counters stay.
    pub fn clear(&self) {
        self.state.lock().rules.clear();
    }

    /// Returns how many requests a server got, those that went wrong included.
    #[must_use]
    pub fn requests(&self, server: Server) -> u64 {
        self.state
            .lock()
            .requests
            .get(&server)
            .copied()
            .unwrap_or(0)
    }

    /// Returns how many faults were injected, on all servers.
    #[must_use]
    pub fn injected(&self) -> u64 {
        self.state.lock().injected.values().sum()
    }

    /// Returns how many faults of one kind were injected on one server.
    #[must_use]
    pub fn injected_on(&self, server: Server, kind: FaultKind) -> u64 {
        let state = self.state.lock();
        state.injected.get(&(server, kind)).copied().unwrap_or(0)
    }

    /// Counts the request and says what is to go wrong with it.
    pub(crate) fn decide(&self, server: Server, method: &str, path: &str) -> Option<Fault> {
        let mut state = self.state.lock();
        *state.requests.entry(server).or_default() += 1;
        let fault = state
            .rules
            .iter_mut()
            .enumerate()
            .filter(|(_, armed)| armed.rule.is_about(server, method, path))
            .find_map(|(place, armed)| armed.apply(self.seed, place))?;
        *state.injected.entry((server, fault.kind())).or_default() += 1;
        tracing::debug!(%server, method, kind = ?fault.kind(), "injecting a fault");
        Some(fault)
    }
}

impl Rule {
    fn is_about(&self, server: Server, method: &str, path: &str) -> bool {
        self.server.is_none_or(|wanted| wanted == server)
            && self
                .method
                .as_ref()
                .is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self
                .path
                .as_ref()
                .is_none_or(|prefix| path.starts_with(prefix.as_str()))
            // The reply that opens a tunnel has no body.
            && !(method == "CONNECT" && self.fault.spoils_body())
    }
}

impl Armed {
    /// Counts a matching request and returns the fault if it is this one's turn.
    fn apply(&mut self, seed: u64, place: usize) -> Option<Fault> {
        self.matched += 1;
        let Rule {
            calls,
            every,
            probability,
            times,
            fault,
            ..
        } = &self.rule;
        let hit = match (every, probability) {
            _ if !calls.is_empty() => calls.contains(&self.matched),
            (Some(every), _) => self.matched.is_multiple_of(*every),
            (_, Some(probability)) => draw(seed, place as u64, self.matched) < *probability,
            (None, None) => true,
        };
        if !hit || times.is_some_and(|times| self.applied >= times) {
            return None;
        }
        self.applied += 1;
        Some(fault.clone())
    }
}

/// Returns a number in [0, 1) that depends on nothing but its arguments.
fn draw(seed: u64, place: u64, matched: u64) -> f64 {
    let bits = mix(mix(mix(seed) ^ place) ^ matched);
    // 32 bits are fine enough for a share.
    let upper = u32::try_from(bits >> 32).unwrap_or(u32::MAX);
    f64::from(upper) / (f64::from(u32::MAX) + 1.0)
}

/// SplitMix64, <https://prng.di.unimi.it/splitmix64.c>: every bit depends on every bit.
pub(crate) fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
