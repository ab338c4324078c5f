//! Replies of Qdrant.
//!
//! Whatever comes is read or refused in one line, as a kind that says what to do. What is read can be put
//! in an order, has the dimensions of its collection, and no id twice in a ranking's place. A failure
//! never shows the key.
//!
//! The first byte says what was asked; the rest is the message, or for the head of a reply a status, a line
//! for each header.

#![no_main]

use contexter_config::Secrets;
use contexter_model::{Error, ErrorKind};
use contexter_qdrant::remote::replies;
use libfuzzer_sys::fuzz_target;

const DIMENSIONS: usize = 2;
const KEY: &str = "q7Zt0Wm4";

fuzz_target!(|bytes: &[u8]| {
    let Some((&asked, reply)) = bytes.split_first() else {
        return;
    };
    match asked % 8 {
        0 | 1 => match replies::rankings(reply, asked % 8 == 0) {
            Ok(rankings) => {
                for ranking in rankings {
                    assert!(ranking.iter().all(|hit| hit.score.is_finite()));
                    assert!(ranking.is_sorted_by(|a, b| a.score >= b.score));
                }
            }
            Err(error) => check(&error, &[ErrorKind::Protocol]),
        },
        2 => match replies::records(reply) {
            Ok(records) => drop(records),
            Err(error) => check(&error, &[ErrorKind::Protocol]),
        },
        3 => match replies::points(reply, DIMENSIONS) {
            Ok(points) => {
                for dense in points.iter().filter_map(|point| point.dense.as_ref()) {
                    assert_eq!(dense.len(), DIMENSIONS);
                    assert!(dense.iter().all(|value| value.is_finite()));
                }
            }
            Err(error) => check(&error, &[ErrorKind::Protocol]),
        },
        4 => match replies::collection("chunks", reply) {
            Ok(spec) => assert!(spec.space.dimensions > 0),
            Err(error) => check(
                &error,
                &[ErrorKind::Protocol, ErrorKind::Invalid, ErrorKind::Unsupported],
            ),
        },
        5 => changed(replies::change(reply)),
        6 => changed(replies::changes(reply)),
        _ => failure(reply),
    }
});

fn changed(outcome: Result<bool, Error>) {
    if let Err(error) = outcome {
        check(&error, &[ErrorKind::Protocol, ErrorKind::Unavailable]);
    }
}

fn failure(head: &[u8]) {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.parse().ok()).unwrap_or(200);
    let headers: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(':')).collect();
    let Some(error) = replies::failure(status, headers, Some(KEY)) else {
        assert_eq!(status, 200, "a failure passed");
        return;
    };
    line(&error);
    assert!(!Secrets::new([KEY]).are_in(error.message()), "{error:?}");
    assert!(error.kind() != ErrorKind::Cancelled, "the caller did not give up");
    if status == 401 {
        // A status of gRPC counts for more than that of HTTP.
        let is_grpc = head.to_ascii_lowercase().contains("grpc-status");
        assert!(is_grpc || error.kind() == ErrorKind::Unauthorized, "{error:?}");
    }
}

fn check(error: &Error, kinds: &[ErrorKind]) {
    line(error);
    assert!(kinds.contains(&error.kind()), "{error:?}");
}

fn line(error: &Error) {
    let text = error.to_string();
    assert!(!text.chars().any(char::is_control), "{text:?}");
    // Names that do not fit are shown, with every letter escaped at worst.
    assert!(text.len() <= 64_000, "{text:?}");
}
