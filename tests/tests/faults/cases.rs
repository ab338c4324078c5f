//! The faults, and which kinds of error each may end in.

use std::collections::BTreeMap;
use std::time::Duration;

use contexter_model::ErrorKind;
use contexter_model::ErrorKind::{
    Invalid, NotFound, Protocol, QuotaExhausted, RateLimited, Timeout, TooLarge, Unauthorized,
    Unavailable, Unexpected, Unsupported,
};
use contexter_sandbox::{
    ContentTypeFault, CutFault, DripFault, Fault, GrpcStatusFault, OversizeFault, RateLimitFault,
    StatusFault,
};

use crate::elsewhere;
use crate::matrix::{ATTEMPT, PATIENT};

/// One fault.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) fault: Fault,
    /// What a call may fail with; a correct result is always allowed.
    pub(crate) kinds: Vec<ErrorKind>,
    /// How often a request may be sent.
    pub(crate) attempts: u64,
    /// How long it is to be waited before a request is sent again.
    pub(crate) pause: Duration,
    /// Whether nobody who meets it can be well.
    pub(crate) is_outage: bool,
    /// Whether the reply repeats keys. What it means besides is not the matter.
    pub(crate) is_echo: bool,
}

impl Case {
    fn new(name: impl Into<String>, fault: Fault, kinds: &[ErrorKind]) -> Self {
        Self {
            name: name.into(),
            fault,
            kinds: kinds.to_vec(),
            attempts: ATTEMPTS,
            pause: Duration::ZERO,
            is_outage: false,
            is_echo: false,
        }
    }

    /// A reply that repeats keys.
    pub(crate) fn echo(name: String, fault: Fault) -> Self {
        Self {
            is_echo: true,
            ..Self::new(name, fault, &[])
        }
    }

    fn outage(self) -> Self {
        Self {
            is_outage: true,
            ..self
        }
    }

    /// Asks to wait before the request is sent again.
    fn pause(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    /// Asks not to be sent the request again.
    fn once(self) -> Self {
        Self {
            attempts: 1,
            ..self
        }
    }

    pub(crate) fn allows(&self, kind: ErrorKind) -> bool {
        self.is_echo || self.kinds.contains(&kind)
    }

    /// How long an attempt may take: where a timeout is no good answer, a busy machine gets the time that
    /// it takes.
    pub(crate) fn attempt(&self) -> Duration {
        if self.allows(Timeout) {
            ATTEMPT
        } else {
            PATIENT
        }
    }
}

/// How many attempts the adapters are configured to make here.
pub(crate) const ATTEMPTS: u64 = 2;

/// What a broken connection may look like: also as no answer, where a reply was awaited.
const BROKEN: &[ErrorKind] = &[Unavailable, Protocol, Timeout];
/// A whole reply without a body, which is what Context7 answers for what it does not know.
const BROKEN_OR_EMPTY: &[ErrorKind] = &[Unavailable, Protocol, Timeout, NotFound];
const STRANGE: &[ErrorKind] = &[Protocol, Unavailable];
const DOWN: &[ErrorKind] = &[Unavailable, Timeout];
const THROTTLED: &[ErrorKind] = &[RateLimited, QuotaExhausted, Timeout];

/// Faults of HTTP.
pub(crate) fn http() -> Vec<Case> {
    let mut cases = statuses();
    cases.extend(connections());
    cases.extend(contents());
    cases
}

fn case(name: &str, fault: Fault, kinds: &[ErrorKind]) -> Case {
    Case::new(name, fault, kinds)
}

fn statuses() -> Vec<Case> {
    let limit = |retry_after: Option<u64>| {
        Fault::RateLimit(RateLimitFault {
            retry_after: retry_after.map(Duration::from_secs),
            body: None,
        })
    };
    let bare = |code: u16, kinds: &[ErrorKind]| {
        case(&format!("status {code}"), Fault::status(code), kinds)
    };
    let redirected = |code| {
        let name = format!("status {code} to another host");
        case(
            &name,
            redirect(code),
            &[Protocol, Invalid, Unavailable, Unsupported],
        )
    };
    let second = Duration::from_secs(1);
    vec![
        bare(500, DOWN).outage(),
        bare(503, DOWN).outage(),
        bare(504, DOWN).outage(),
        case(
            "status 502, a page of HTML",
            html(502, "<html>bad gateway</html>"),
            DOWN,
        )
        .outage(),
        bare(401, &[Unauthorized]).outage(),
        bare(403, &[Unauthorized, Invalid, Unavailable]),
        bare(404, &[NotFound, Invalid, Protocol]),
        case(
            "status 418, which nobody knows",
            html(418, "<p>tea</p>"),
            &[Invalid, Protocol, Unsupported],
        ),
        bare(204, &[Protocol, Unavailable]),
        redirected(302),
        redirected(307),
        case("429 with the wait", limit(Some(1)), THROTTLED).pause(second),
        case(
            "429 with a wait of an hour",
            limit(Some(3600)),
            &[RateLimited, QuotaExhausted],
        )
        .once(),
        case("429 without headers", limit(None), THROTTLED),
    ]
}

fn connections() -> Vec<Case> {
    let cut = |after_bytes| CutFault { after_bytes };
    let drip = |chunk_bytes, millis| {
        Fault::Drip(DripFault {
            chunk_bytes,
            every: Duration::from_millis(millis),
        })
    };
    let late = Fault::Delay(Duration::from_millis(100));
    vec![
        case("delay", late, &[Timeout]),
        case("hang", Fault::Hang, &[Timeout]).outage(),
        case("disconnect", Fault::Disconnect, BROKEN).outage(),
        case(
            "reset at the first byte",
            Fault::Reset(cut(Some(0))),
            BROKEN,
        ),
        case("reset half-way", Fault::Reset(cut(None)), BROKEN),
        case("truncated half-way", Fault::Truncate(cut(None)), BROKEN),
        case(
            "truncated to nothing",
            Fault::Truncate(cut(Some(0))),
            BROKEN_OR_EMPTY,
        ),
        case("cut short half-way", Fault::CutShort(cut(None)), BROKEN),
        case("drip", drip(4096, 1), &[Timeout]),
        case("drip without end", drip(1, 500), &[Timeout, Unavailable]),
    ]
}

fn contents() -> Vec<Case> {
    let page = |value: &str, body: Option<&str>| {
        Fault::ContentType(ContentTypeFault {
            value: value.to_owned(),
            body: body.map(str::to_owned),
        })
    };
    let json = |body| page("application/json", Some(body));
    let login = "<html><body>login</body></html>";
    vec![
        case("another content type", page("text/html", None), STRANGE),
        case(
            "a page of HTML",
            page("text/html", Some(login)),
            &[Protocol, Unavailable, Unauthorized],
        ),
        case("an empty object", json("{}"), STRANGE),
        case("null", json("null"), STRANGE),
        case("a list", json("[[]]"), STRANGE),
        case(
            "oversized",
            Fault::Oversize(OversizeFault { bytes: 2 << 20 }),
            &[TooLarge, Protocol, Timeout],
        ),
    ]
}

/// The same for services that pass on pages: these may look like anything, so that a fault can often
/// only be told by what is missing, and a proxy's refusal has words of its own.
pub(crate) fn pages() -> Vec<Case> {
    let mut cases = http();
    for case in &mut cases {
        case.kinds
            .extend([Protocol, Unsupported, Unavailable, Invalid]);
    }
    cases
}

/// The same for gRPC, with statuses of its own.
pub(crate) fn grpc() -> Vec<Case> {
    let status = |name, code, kinds: &[ErrorKind]| {
        let message = "as the script says".to_owned();
        case(
            name,
            Fault::GrpcStatus(GrpcStatusFault { code, message }),
            kinds,
        )
        .outage()
    };
    let mut cases = vec![
        status("UNKNOWN", 2, &[Unavailable, Unexpected]),
        status("INVALID_ARGUMENT", 3, &[Invalid]),
        status("DEADLINE_EXCEEDED", 4, &[Timeout]),
        status("NOT_FOUND", 5, &[NotFound]),
        status("ALREADY_EXISTS", 6, &[Invalid, Unavailable]),
        status("PERMISSION_DENIED", 7, &[Unauthorized]),
        status(
            "RESOURCE_EXHAUSTED",
            8,
            &[RateLimited, TooLarge, QuotaExhausted],
        ),
        status("UNIMPLEMENTED", 12, &[Unsupported]),
        status("INTERNAL", 13, &[Unavailable, Unexpected]),
        status("UNAVAILABLE", 14, &[Unavailable]),
        status("UNAUTHENTICATED", 16, &[Unauthorized]),
    ];
    // What answers with a bare status is a proxy in between; 404 says that nobody knows the method.
    for mut case in http() {
        case.kinds.extend([Unavailable, Protocol]);
        match case.name.as_str() {
            "status 404" => case.kinds.push(Unsupported),
            "429 without headers" => case.kinds.push(TooLarge),
            _ => {}
        }
        cases.push(case);
    }
    cases
}

fn html(code: u16, body: &str) -> Fault {
    Fault::Status(StatusFault {
        code,
        body: Some(body.to_owned()),
        content_type: Some("text/html".to_owned()),
        headers: BTreeMap::new(),
    })
}

/// Following it would send the key, or what was asked, to another host.
fn redirect(code: u16) -> Fault {
    let location = format!("http://{}/elsewhere", elsewhere::address());
    Fault::Status(StatusFault {
        code,
        body: None,
        content_type: None,
        headers: BTreeMap::from([("location".to_owned(), location)]),
    })
}
