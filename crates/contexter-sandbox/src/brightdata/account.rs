//! Who may ask, and how often: keys, the proxy's user names, limits, bills.

use std::collections::VecDeque;
use std::time::Duration;

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::config::BrightDataConfig;
use super::refusal::Refusal;

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
    pub(super) retry_after: u64,
}

impl Ledger {
    /// Counts a request, or turns it away.
    pub(super) fn admit(&self, limit: Option<u32>) -> Result<(), TooMany> {
        let mut state = self.state.lock();
        state.requests += 1;
        let now = Instant::now();
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
            retry_after: wait.as_secs().max(1),
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

/// What a user name of the proxy asks for, as far as it shows in an answer.
#[derive(Debug, Default)]
pub(super) struct ProxyFlags {
    pub(super) debug: bool,
    pub(super) tag: Option<String>,
}

/// Reads the credentials that the proxy was shown.
pub(super) fn proxy_login(
    config: &BrightDataConfig,
    headers: &HeaderMap,
) -> Result<ProxyFlags, Refusal> {
    let none = || Refusal::proxy(407, "client_10010", "no credentials");
    let given = headers.get("proxy-authorization").ok_or_else(none)?;
    let decoded = given
        .to_str()
        .ok()
        .and_then(|given| given.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
        .and_then(|(_, encoded)| STANDARD.decode(encoded.trim()).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(none)?;
    let (name, password) = decoded.split_once(':').ok_or_else(none)?;
    let wrong = || Refusal::proxy(407, "client_10000", "invalid authentication");
    let rest = name.strip_prefix("brd-customer-").ok_or_else(wrong)?;
    let mut parts = rest.split('-');
    if parts.next() != Some(config.customer.as_str()) || parts.next() != Some("zone") {
        return Err(wrong());
    }
    match parts.next() {
        Some(zone) if zone == config.zone => {}
        _ => return Err(Refusal::proxy(407, "client_10002", "zone not found")),
    }
    if password != config.zone_password {
        return Err(wrong());
    }
    flags(parts).ok_or_else(|| Refusal::proxy(407, "client_10001", "malformed flag"))
}

fn flags<'a>(mut parts: impl Iterator<Item = &'a str>) -> Option<ProxyFlags> {
    let mut flags = ProxyFlags::default();
    let word = |value: &str, also: fn(u8) -> bool| {
        !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || also(b))
    };
    while let Some(flag) = parts.next() {
        if matches!(flag, "const" | "direct") {
            continue;
        }
        let value = parts.next()?;
        let is_good = match flag {
            "country" => value.len() == 2 && value.bytes().all(|b| b.is_ascii_lowercase()),
            "state" | "city" | "zip" | "os" | "carrier" | "session" => word(value, |_| false),
            "asn" => value.bytes().all(|b| b.is_ascii_digit()),
            "ip" => value.parse::<std::net::Ipv4Addr>().is_ok(),
            "gip" => word(value, |b| b == b'_'),
            "dns" => matches!(value, "local" | "remote"),
            "route_err" => matches!(value, "block" | "pass_dyn"),
            "ua" => value == "mobile",
            "c_tag" => {
                flags.tag = Some(value.to_owned());
                word(value, |b| b == b'_')
            }
            "debug" => {
                flags.debug = true;
                value == "full"
            }
            _ => false,
        };
        if !is_good {
            return None;
        }
    }
    Some(flags)
}
