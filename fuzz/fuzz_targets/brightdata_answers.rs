//! Answers of Bright Data.
//!
//! No answer is taken for content if it is empty or if any layer tells of a failure; a refusal is one line
//! and has a code that was there; the codes of the catalogue are found however they are written; results
//! and records are read or refused, and never grow past their limit.
//!
//! The input is a status, a line for each header, an empty line, and the body.

#![no_main]

use contexter_brightdata::{CodeEntry, judge, judge_proxied, read_records, read_results};
use libfuzzer_sys::fuzz_target;

const LIMIT: u64 = 1 << 16;

fuzz_target!(|input: &[u8]| {
    let (head, body) = match input.windows(2).position(|pair| pair == b"\n\n") {
        Some(at) => (&input[..at], &input[at + 2..]),
        None => (&[][..], input),
    };
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.parse().ok()).unwrap_or(200);
    let headers: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(':')).collect();
    let has = |name: &str| {
        headers
            .iter()
            .any(|(known, value)| known.eq_ignore_ascii_case(name) && !value.trim().is_empty())
    };
    let failed = ["x-brd-err-code", "x-brd-error-code", "x-brd-error", "x-luminati-error-code"]
        .iter()
        .any(|name| has(name));

    for judged in [judge(status, &headers, body), judge_proxied(status, &headers, body)] {
        match judged {
            Ok(passed) => {
                assert!(!failed, "a failure passed");
                let is_blank = body.iter().all(u8::is_ascii_whitespace);
                assert!(!(is_blank && passed.status == 200), "an empty success passed");
            }
            Err(refusal) => {
                let shown = refusal.to_string();
                assert!(!shown.is_empty() && !shown.contains(['\n', '\r']), "{shown:?}");
                if let Some(code) = refusal.code() {
                    assert!(code.len() <= 256 && code.is_ascii(), "{code:?}");
                    let by_hyphen = CodeEntry::find(&code.replace('_', "-"));
                    assert_eq!(CodeEntry::find(code), by_hyphen);
                }
            }
        }
    }
    if let Ok(page) = read_results(body) {
        assert!(page.organic.iter().all(|result| result.rank > 0 || !result.url.is_empty()));
    }
    if let Ok(records) = read_records(body, LIMIT) {
        assert_eq!(records.good().count() + records.failed().count(), records.records.len());
    }
});
