//! Refusals of Voyage AI, and the lines of the results of its jobs.
//!
//! Whatever a reply says that is no success, it becomes an error of the kind of its status, in one line that
//! does not grow with the body and never repeats the key. A line of results is that of a request or is
//! refused; what it holds is a reply to that request or an error of the same sort.
//!
//! The input is a status, a line for each header, an empty line, and the body, which is also a line of
//! results.

#![no_main]

use contexter_http::{Reply, Secrets};
use contexter_model::{Error, ErrorKind, Purpose, Rerank};
use contexter_voyage::{
    Config, EmbedChunks, EmbedTexts, JobRequest, RerankTexts, Tier, TokenOverflow, Work,
    read_refusal,
};
use libfuzzer_sys::fuzz_target;

const KEY: &str = "pa-f1zz/k3y";

/// What is shown of a refusal: what it means, at most 300 characters of the vendor's, a status.
const LONGEST: usize = 600;

fuzz_target!(|input: &[u8]| {
    let (head, body) = match input.windows(2).position(|pair| pair == b"\n\n") {
        Some(at) => (&input[..at], &input[at + 2..]),
        None => (&[][..], input),
    };
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.parse().ok()).unwrap_or(400);
    let headers: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(':')).collect();
    if let Ok(reply) = Reply::new(status, headers, body.to_vec()) {
        for tier in [Tier::One, Tier::Unpaid] {
            let config = Config::new(KEY).with_tier(tier);
            for model in ["voyage-4", ""] {
                refusal(&read_refusal(&reply, &config, model), status);
            }
        }
    }
    let texts = EmbedTexts::new(["one", "two"], Purpose::Document).with_dimension(8);
    joined([("a", texts)], body, |reply| reply.vectors.len() == 2);
    let chunks = EmbedChunks::documents([["one", "two"]]).with_dimension(8);
    joined([("a", chunks)], body, |reply| reply.documents.len() == 1);
    let order = RerankTexts::new(Rerank::new("query", ["one", "two"]));
    joined([("a", order)], body, |reply| reply.ranking.len() == 2);
});

fn refusal(error: &Error, status: u16) {
    check(error);
    let kind = error.kind();
    let expected = match status {
        401 | 403 => kind == ErrorKind::Unauthorized,
        400 => matches!(kind, ErrorKind::Invalid | ErrorKind::TooLarge),
        413 => kind == ErrorKind::TooLarge,
        429 => matches!(kind, ErrorKind::RateLimited | ErrorKind::QuotaExhausted),
        408 | 504 => kind == ErrorKind::Timeout,
        500 | 502 | 503 => kind == ErrorKind::Unavailable,
        _ => true,
    };
    assert!(expected, "{status}: {error}");
    if let Some(overflow) = TokenOverflow::of(error) {
        assert!(overflow.allowed > 0 && overflow.tokens > overflow.allowed);
    }
}

fn joined<R: JobRequest>(
    lines: [(&str, R); 1],
    body: &[u8],
    is_whole: impl Fn(&R::Reply) -> bool,
) {
    let work = Work::new(lines).unwrap();
    match work.read_line(7, body, &Secrets::new([KEY])) {
        Ok((id, outcome)) => {
            assert_eq!(id, "a");
            match outcome {
                Ok(reply) => assert!(is_whole(&reply)),
                Err(error) => check(&error),
            }
        }
        Err(error) => {
            check(&error);
            assert_eq!(error.kind(), ErrorKind::Protocol);
            assert!(error.message().starts_with("line 7 of the results "), "{error}");
        }
    }
}

fn check(error: &Error) {
    let shown = error.message();
    assert!(!shown.is_empty() && !shown.contains(char::is_control), "{shown:?}");
    assert!(shown.chars().count() <= LONGEST, "{shown:?}");
    assert!(!Secrets::new([KEY]).are_in(shown), "{shown:?}");
}
