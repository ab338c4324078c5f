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

/// One fault.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) fault: Fault,
    /// What a call may fail with; a correct result is always allowed.
    pub(crate) kinds: Vec<ErrorKind>,
}

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

fn case(name: &'static str, fault: Fault, kinds: &[ErrorKind]) -> Case {
    Case {
        name,
        fault,
        kinds: kinds.to_vec(),
    }
}

fn statuses() -> Vec<Case> {
    let limit = |retry_after: Option<u64>| {
        Fault::RateLimit(RateLimitFault {
            retry_after: retry_after.map(Duration::from_secs),
            body: None,
        })
    };
    let bare = |code, kinds: &[ErrorKind]| {
        let name = match code {
            204 => "status 204",
            401 => "status 401",
            403 => "status 403",
            404 => "status 404",
            500 => "status 500",
            503 => "status 503",
            _ => "status 504",
        };
        case(name, Fault::status(code), kinds)
    };
    vec![
        bare(500, DOWN),
        bare(503, DOWN),
        bare(504, DOWN),
        case(
            "status 502, a page of HTML",
            html(502, "<html>bad gateway</html>"),
            DOWN,
        ),
        bare(401, &[Unauthorized]),
        bare(403, &[Unauthorized, Invalid, Unavailable]),
        bare(404, &[NotFound, Invalid, Protocol]),
        case(
            "status 418, which nobody knows",
            html(418, "<p>tea</p>"),
            &[Invalid, Protocol, Unsupported],
        ),
        bare(204, &[Protocol, Unavailable]),
        case(
            "status 302 to another host",
            redirect(),
            &[Protocol, Invalid, Unavailable, Unsupported],
        ),
        case("429 with the wait", limit(Some(1)), THROTTLED),
        case("429 with a wait of an hour", limit(Some(3600)), THROTTLED),
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
        case("hang", Fault::Hang, &[Timeout]),
        case("disconnect", Fault::Disconnect, BROKEN),
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
    let status = |name, code, kinds: &[ErrorKind]| Case {
        name,
        fault: Fault::GrpcStatus(GrpcStatusFault {
            code,
            message: "as the script says".to_owned(),
        }),
        kinds: kinds.to_vec(),
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
        match case.name {
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

/// Following it would send the key to another host.
fn redirect() -> Fault {
    let location = "http://127.0.0.1:1/elsewhere".to_owned();
    Fault::Status(StatusFault {
        code: 302,
        body: None,
        content_type: None,
        headers: BTreeMap::from([("location".to_owned(), location)]),
    })
}
