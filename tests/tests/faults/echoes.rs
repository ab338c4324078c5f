//! Replies that repeat the keys and passwords of their requests, in every place and spelling.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contexter_sandbox::{Fault, GrpcStatusFault, StatusFault};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::cases::Case;
use crate::elsewhere;

/// What the adapters treat in ways of their own, and what nobody expects.
const STATUSES: [u16; 16] = [
    200, 202, 301, 302, 400, 401, 403, 404, 407, 410, 413, 422, 429, 500, 502, 503,
];

/// As much of a body as is looked at by the one that looks at least of it.
const LENGTH: usize = 2_200;

/// As much of a message of gRPC as fits in a header with all its letters encoded.
const GRPC_LENGTH: usize = 900;

/// A secret as a server may write it.
fn spellings(secret: &str) -> Vec<String> {
    let in_json = serde_json::to_string(secret).unwrap();
    vec![
        secret.to_owned(),
        secret.to_uppercase(),
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        in_json[1..in_json.len() - 1].to_owned(),
        // It comes together where what does not show is taken out.
        secret.chars().flat_map(|c| [c, '\u{200b}']).collect(),
    ]
}

/// The same with what looks like none.
fn all_spellings(secret: &str) -> Vec<String> {
    let mut all = spellings(secret);
    all.push(STANDARD.encode(secret));
    all
}

/// Nothing but secrets, so that wherever a text is cut, one is cut.
fn words(spelled: &[String], shift: usize, length: usize) -> String {
    let mut words = format!("{}:", "x".repeat(shift));
    for spelled in spelled.iter().cycle() {
        if words.len() > length {
            break;
        }
        words.push(' ');
        words.push_str(spelled);
    }
    words
}

/// Returns replies of HTTP that repeat the secrets.
pub(crate) fn http(secrets: &[String]) -> Vec<Case> {
    let mut cases = Vec::new();
    for (place, code) in STATUSES.into_iter().enumerate() {
        let bodies = bodies(secrets, cases.len()).into_iter().enumerate();
        // All bodies under the commonest statuses, and every other one under the rest.
        let (skip, step) = match code {
            200 | 400 | 401 => (0, 1),
            _ => (place % 2, 2),
        };
        for (number, (kind, body)) in bodies.skip(skip).step_by(step) {
            let secret = &secrets[number % secrets.len()];
            let fault = StatusFault {
                code,
                body: Some(body),
                content_type: Some(format!("{kind}; of={secret}")),
                headers: headers(secret, cases.len()),
            };
            let name = format!("status {code} that repeats the key ({number})");
            let mut case = Case::echo(name, Fault::Status(fault));
            if code == 413 {
                // What is too large is divided, and each half is sent.
                case.attempts += 1;
            }
            cases.push(case);
        }
    }
    cases
}

/// Returns content types and bodies.
fn bodies(secrets: &[String], shift: usize) -> Vec<(&'static str, String)> {
    const JSON: &str = "application/json";

    let spelled: Vec<String> = secrets.iter().flat_map(|one| all_spellings(one)).collect();
    let text = words(&spelled, shift % 40, LENGTH);
    let secret = &secrets[0];
    let told = json!({
        "detail": text, "message": text, "error": secret, "error_code": secret, "code": secret,
        "redirectUrl": format!("/{secret}/x"), "status": "failed", "error_message": text,
    });
    let listed = json!({
        "detail": [{"loc": ["header", text, 0], "msg": text}],
        "error": {"code": secret, "message": text},
        "code": "validation_error", "errors": [[text, secret], ["url", text]],
    });
    let out_of_place = json!({
        "error": text, "redirectUrl": text, "data": text, "results": text, "codeSnippets": secret,
        "object": secret, "id": 7, "status": text, "snapshot_id": text, "organic": text,
    });
    vec![
        (JSON, told.to_string()),
        (JSON, listed.to_string()),
        (JSON, out_of_place.to_string()),
        ("text/plain", text.clone()),
        ("text/html", format!("<html>{text}</html>")),
        ("text/plain", String::new()),
    ]
}

/// Returns headers that repeat a secret: the same in all of them would hide the rarer ones.
fn headers(secret: &str, number: usize) -> BTreeMap<String, String> {
    // A header carries what is visible and ASCII, as every secret here is.
    let secret = secret.to_owned();
    let encoded = utf8_percent_encode(&secret, NON_ALPHANUMERIC).to_string();
    let text = format!("{} {secret} {encoded}", "x".repeat(number % 300));
    let elsewhere = elsewhere::address();
    let mut headers = vec![
        ("x-request-id", secret.clone()),
        ("request-id", encoded.clone()),
        ("x-context7-request-id", format!("id-{secret}")),
        ("retry-after", secret.clone()),
        ("ratelimit-reset", secret.clone()),
        ("www-authenticate", format!("Basic realm=\"{secret}\"")),
        ("x-brd-debug", format!("req_id={secret}; bytes_up={secret}")),
    ];
    let location = match number % 3 {
        0 => format!("http://{elsewhere}/{encoded}?key={encoded}"),
        1 => format!("http://{encoded}@{elsewhere}/"),
        // Where a page leads to itself, it is rightly asked for again.
        _ => format!("ftp://{elsewhere}/{secret}"),
    };
    headers.push(("location", location));
    match number % 7 {
        0 => headers.push(("x-brd-err-code", secret)),
        1 => headers.push(("x-brd-error-code", secret)),
        2 => headers.push(("x-luminati-error-code", secret)),
        3 => headers.push(("x-brd-error", text)),
        4 => headers.extend([
            ("x-brd-err-code", "client_10000".to_owned()),
            ("x-brd-err-msg", text),
        ]),
        5 => headers.push((
            "proxy-status",
            format!("{secret}; error={secret}; details=\"{secret}: {text}\""),
        )),
        _ => headers.push(("x-brd-status-code", "302".to_owned())),
    }
    let owned = headers
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    owned.collect()
}

/// Returns statuses of gRPC, and answers of what stands before the server, that repeat the secrets.
pub(crate) fn grpc(secrets: &[String]) -> Vec<Case> {
    let mut cases = Vec::new();
    let spelled: Vec<String> = secrets.iter().flat_map(|one| spellings(one)).collect();
    for code in 1..=16 {
        for shift in [0, 5, 11, 17] {
            let message = words(&spelled, shift, GRPC_LENGTH);
            let name = format!("status {code} of gRPC that repeats the key ({shift})");
            let fault = Fault::GrpcStatus(GrpcStatusFault { code, message });
            cases.push(Case::echo(name, fault));
        }
    }
    let before = http(secrets);
    cases.extend(before.into_iter().step_by(3));
    cases
}
