//! Every error code that the vendor documents, as data.
//!
//! Sources: <https://docs.brightdata.com/proxy-networks/errorCatalog> for the codes of the proxy,
//! <https://docs.brightdata.com/scraping-automation/web-unlocker/error-codes> for those of the unlocker.
//! Codes that are marked as seen come from public clients.

use contexter_model::ErrorKind;
use serde::Serialize;

use crate::refusal::{Class, Retry};

/// One error code: what it means and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CodeEntry {
    /// The code, with underscores; the beginning of one if it ends with `*`.
    pub code: &'static str,
    /// What is at fault.
    pub class: Class,
    /// The kind of the error that it becomes.
    pub kind: ErrorKind,
    /// Whether trying again can help.
    pub retry: Retry,
    /// What it means, for people.
    pub meaning: &'static str,
    /// Whether it is about the target that was asked for, so that others may well be had.
    pub about_target: bool,
}

impl CodeEntry {
    /// Returns the entry of a code, hyphens read as underscores; `None` for a code that is not known.
    ///
    /// # Examples
    ///
    /// ```
    /// use contexter_brightdata::{Class, CodeEntry};
    ///
    /// let entry = CodeEntry::find("client-10100").expect("it is in the catalogue");
    /// assert_eq!(entry.class, Class::Account);
    /// ```
    #[must_use]
    pub fn find(code: &str) -> Option<&'static Self> {
        let code = code.trim();
        CATALOGUE
            .iter()
            .find(|entry| match entry.code.strip_suffix('*') {
                Some(beginning) => code
                    .get(..beginning.len())
                    .is_some_and(|start| is_same(start, beginning)),
                None => is_same(code, entry.code),
            })
    }

    /// Returns all entries.
    #[must_use]
    pub const fn all() -> &'static [Self] {
        CATALOGUE
    }
}

fn is_same(given: &str, known: &str) -> bool {
    given.len() == known.len()
        && given.bytes().zip(known.bytes()).all(|(given, known)| {
            let given = if given == b'-' { b'_' } else { given };
            given.eq_ignore_ascii_case(&known)
        })
}

const fn entry(
    code: &'static str,
    class: Class,
    kind: ErrorKind,
    retry: Retry,
    meaning: &'static str,
) -> CodeEntry {
    CodeEntry {
        code,
        class,
        kind,
        retry,
        meaning,
        about_target: matches!(class, Class::Blocked | Class::Target),
    }
}

const fn auth(code: &'static str, meaning: &'static str) -> CodeEntry {
    entry(
        code,
        Class::Auth,
        ErrorKind::Unauthorized,
        Retry::Never,
        meaning,
    )
}

const fn config(code: &'static str, meaning: &'static str) -> CodeEntry {
    entry(
        code,
        Class::Config,
        ErrorKind::Invalid,
        Retry::Never,
        meaning,
    )
}

/// The vendor does not do this for anybody, or not for this account: no other zone, country or session
/// may be tried by itself.
const fn policy(code: &'static str, meaning: &'static str) -> CodeEntry {
    entry(
        code,
        Class::Policy,
        ErrorKind::Unsupported,
        Retry::Never,
        meaning,
    )
}

/// What the zone, as it is set up, cannot be used for: this target, and others perhaps.
const fn unfit(code: &'static str, meaning: &'static str) -> CodeEntry {
    CodeEntry {
        about_target: true,
        ..config(code, meaning)
    }
}

/// What is not done for this target.
const fn denied(code: &'static str, meaning: &'static str) -> CodeEntry {
    CodeEntry {
        about_target: true,
        ..policy(code, meaning)
    }
}

const fn account(code: &'static str, meaning: &'static str) -> CodeEntry {
    entry(
        code,
        Class::Account,
        ErrorKind::QuotaExhausted,
        Retry::Never,
        meaning,
    )
}

const fn defect(code: &'static str, meaning: &'static str) -> CodeEntry {
    entry(
        code,
        Class::Defect,
        ErrorKind::Unexpected,
        Retry::Never,
        meaning,
    )
}

const fn throttle(code: &'static str, meaning: &'static str) -> CodeEntry {
    entry(
        code,
        Class::Throttle,
        ErrorKind::RateLimited,
        Retry::Slowly,
        meaning,
    )
}

const fn blocked(code: &'static str, retry: Retry, meaning: &'static str) -> CodeEntry {
    entry(code, Class::Blocked, ErrorKind::Unavailable, retry, meaning)
}

const fn target(
    code: &'static str,
    kind: ErrorKind,
    retry: Retry,
    meaning: &'static str,
) -> CodeEntry {
    entry(code, Class::Target, kind, retry, meaning)
}

use ErrorKind::{NotFound, Timeout, Unavailable};
use Retry::{Never, Once, Repeat};

static CATALOGUE: &[CodeEntry] = &[
    // The proxy: the account, the zone, the request.
    config("client_10060", "the requested ip is not in the zone"),
    config("client_10061", "the zone has no peer in that country"),
    config("client_10062", "the zone has no ip in that country"),
    config("client_10063", "the zone has no ip in that country"),
    config(
        "client_10050",
        "the caller's ip is on the account's denylist",
    ),
    defect("client_10070", "the request names no protocol"),
    defect("client_10080", "the request names no host"),
    config("client_10090", "a browser zone cannot be used as a proxy"),
    config("client_10130", "wrong super proxy for this account"),
    unfit("client_10250", "the target is not on the zone's allowlist"),
    unfit("client_10260", "the target is on the zone's denylist"),
    auth("client_10000", "wrong customer id or password"),
    config(
        "client_10001",
        "a flag of the user name is malformed, such as the country",
    ),
    config("client_10002", "the zone is unknown, disabled or deleted"),
    auth("client_10010", "no credentials"),
    account("client_10020", "the account is suspended"),
    config(
        "client_10030",
        "the caller's ip is not on the account's allowlist",
    ),
    policy("client_10040", "the account has to be verified first (KYC)"),
    throttle("client_10110", "too many requests of the account"),
    target(
        "client_10140",
        ErrorKind::Cancelled,
        Never,
        "the client closed the connection",
    ),
    account("client_10100", "the usage limit of the zone is reached"),
    entry(
        "client_10120",
        Class::Blocked,
        Unavailable,
        Retry::NewPeer,
        "the peer cannot reach the target and the direct route is blocked",
    ),
    // The proxy: what is not done.
    denied(
        "policy_20130",
        "the method is refused on residential addresses without verification (KYC)",
    ),
    denied(
        "policy_20140",
        "robots.txt forbids it on residential addresses without verification (KYC)",
    ),
    denied("policy_20000", "the target is blocked by policy"),
    denied("policy_20030", "the target is blocked by policy"),
    denied("policy_20031", "the target is blocked by policy"),
    denied("policy_20040", "the target is blocked by policy"),
    denied("policy_20050", "the target is blocked by policy"),
    denied("policy_20051", "the target is blocked by policy"),
    denied("policy_20052", "the target is blocked by policy"),
    denied("policy_20090", "the target is blocked by policy"),
    denied("policy_20110", "the target is blocked by policy"),
    denied("policy_20250", "the target is blocked by policy"),
    denied("policy_20251", "the target is blocked by policy"),
    denied("policy_20260", "the target is blocked by policy"),
    denied("policy_20261", "the target is blocked by policy"),
    unfit("policy_20010", "the protocol or the port is refused"),
    unfit("policy_20020", "the protocol or the port is refused"),
    unfit("policy_20240", "the protocol or the port is refused"),
    unfit("policy_20070", "the host is blocked in that country"),
    unfit(
        "policy_20080",
        "the target takes residential addresses only",
    ),
    unfit("policy_20091", "IPv6 is refused for the target"),
    config("policy_20230", "the country is not allowed"),
    config("policy_20120", "the ip parameter is malformed"),
    throttle("policy_20220", "too many requests to the target"),
    unfit(
        "policy_20221",
        "sites that tell one's address are refused; ask geo.brdtest.com/mygeo.json",
    ),
    throttle("policy_20222", "too many requests from one ip of the zone"),
    throttle("policy_20223", "too many requests for now"),
    policy("kyc_required", "the account has to be verified first (KYC)"),
    policy(
        "business_account_required",
        "the account has to be a business account",
    ),
    // Seen in public clients in place of client_10030.
    config(
        "ip_forbidden",
        "the caller's ip is not on the account's allowlist",
    ),
    // The proxy: peers and targets.
    target("peer_30030", Unavailable, Never, "no peer in that city"),
    target("target_40001", NotFound, Never, "the host does not resolve"),
    unfit("target_40011", "the host has no IPv6 address"),
    // The unlocker: the zone.
    unfit("premium", "the domain needs premium domains on the zone"),
    config(
        "feature_not_active",
        "the zone lacks the feature that the request asks for",
    ),
    denied(
        "ub_bad_endpoint_robots",
        "robots.txt forbids it without verification (KYC)",
    ),
    config("validation", "the request is malformed"),
    // The unlocker: limits.
    throttle("sr_rate_limit", "too many requests to the target"),
    throttle("rate_limit", "too many connections"),
    // The unlocker: the target.
    blocked("reject_block", Repeat, "captcha or block page detected"),
    blocked("resolve_failed_*", Repeat, "the captcha was not solved"),
    blocked(
        "http_status",
        Once,
        "the target answered with a blocking status",
    ),
    // Seen in public clients.
    blocked("captcha", Once, "captcha detected"),
    blocked("dd_hardblock", Once, "the target blocks hard"),
    target(
        "expect_element",
        NotFound,
        Never,
        "the awaited element is not on the page",
    ),
    target("navigation_timeout", Timeout, Once, "the page is too slow"),
    target(
        "domcontentloaded_event_timeout",
        Timeout,
        Once,
        "the page is too slow",
    ),
    // Seen in public clients.
    target("proxy_timeout", Timeout, Once, "the peer is too slow"),
    target(
        "document_load_failed",
        Unavailable,
        Once,
        "the page does not load",
    ),
    target(
        "net_err_cert_date_invalid",
        Unavailable,
        Never,
        "the target's certificate has expired",
    ),
    target(
        "net_err_cert_common_name_invalid",
        Unavailable,
        Never,
        "the target's certificate is for another name",
    ),
    target(
        "net_err_cert_authority_invalid",
        Unavailable,
        Never,
        "the target's certificate has an unknown issuer",
    ),
    target(
        "net_err_closed",
        Unavailable,
        Once,
        "the target closed the connection",
    ),
    target(
        "proxy_error",
        NotFound,
        Never,
        "the target cannot be reached, most likely its host does not resolve",
    ),
    target("no_peers", Unavailable, Never, "no peer in that country"),
];
