//! Fault scripts: what can be written, and what is said of the rest.

use std::time::Duration;

use contexter_sandbox::{CutFault, DripFault, Error, Fault, FaultKind, FaultScript, Server};
use proptest::prelude::proptest;

const ALL: &str = r#"
seed: 7
rules:
  - server: voyage
    method: POST
    path: /v1/embeddings
    calls: [1, 4]
    fault: { status: { code: 503, body: "no", content_type: text/html, headers: { x-a: b } } }
  - { every: 10, times: 3, fault: { delay: 200ms } }
  - { probability: 0.05, fault: { reset: { after_bytes: 100 } } }
  - { fault: { rate_limit: { retry_after: 2s } } }
  - { fault: { rate_limit: {} } }
  - { server: qdrant, fault: { grpc_status: { code: 14, message: away } } }
  - { server: brightdata_proxy, fault: hang }
  - { fault: disconnect }
  - { fault: { truncate: {} } }
  - { fault: { cut_short: { after_bytes: 3 } } }
  - { fault: { content_type: { value: text/html, body: "<p>" } } }
  - { fault: { oversize: { bytes: 1000 } } }
  - { fault: { drip: { chunk_bytes: 1, every: 5ms } } }
"#;

#[test]
fn every_fault_can_be_written() {
    let script = FaultScript::from_yaml(ALL).unwrap();
    let kinds: Vec<FaultKind> = script.rules.iter().map(|rule| rule.fault.kind()).collect();
    assert_eq!(
        kinds,
        [
            FaultKind::Status,
            FaultKind::Delay,
            FaultKind::Reset,
            FaultKind::RateLimit,
            FaultKind::RateLimit,
            FaultKind::GrpcStatus,
            FaultKind::Hang,
            FaultKind::Disconnect,
            FaultKind::Truncate,
            FaultKind::CutShort,
            FaultKind::ContentType,
            FaultKind::Oversize,
            FaultKind::Drip,
        ]
    );
    assert_eq!(script.rules[0].server, Some(Server::Voyage));
    assert_eq!(script.rules[0].calls, [1, 4]);
    assert_eq!(
        script.rules[1].fault,
        Fault::Delay(Duration::from_millis(200))
    );
    assert_eq!(script.rules[8].fault, Fault::Truncate(CutFault::default()));
    let drip = DripFault {
        chunk_bytes: 1,
        every: Duration::from_millis(5),
    };
    assert_eq!(script.rules[12].fault, Fault::Drip(drip));
}

#[test]
fn a_script_in_json_is_the_same_script() {
    let script = FaultScript::from_yaml(ALL).unwrap();
    let json = serde_json::to_string(&script).unwrap();
    assert_eq!(FaultScript::from_yaml(&json).unwrap(), script);
}

#[test]
fn an_empty_script_has_no_rules() {
    assert_eq!(FaultScript::from_yaml("").unwrap(), FaultScript::new());
}

#[test]
fn what_cannot_be_read_is_named_with_its_place() {
    let table = [
        ("rules:\n  - { fautl: hang }", "faults:2:7"),
        ("rules:\n  - { fault: burn }", "faults:2:14"),
        ("rules:\n  - { server: google, fault: hang }", "faults:2:15"),
        ("rules:\n  - { fault: { delay: soon } }", "faults:2:23"),
        ("rulez: []", "faults:1:1"),
    ];
    for (text, place) in table {
        let error = FaultScript::from_yaml(text).unwrap_err();
        let Error::Script(cause) = &error else {
            panic!("{text}: {error:?}");
        };
        assert!(cause.to_string().starts_with(place), "{text}: {cause}");
    }
}

#[test]
fn what_cannot_be_is_named_with_its_rule() {
    let table = [
        (
            "{ every: 0, fault: hang }",
            "calls and every count from 1, got 0",
        ),
        (
            "{ calls: [0], fault: hang }",
            "calls and every count from 1, got 0",
        ),
        (
            "{ probability: 1.5, fault: hang }",
            "probability is from 0 to 1, got 1.5",
        ),
        (
            "{ calls: [1], every: 2, fault: hang }",
            "of calls, every and probability only one can be set",
        ),
        (
            "{ path: v1, fault: hang }",
            "path begins with /, got \"v1\"",
        ),
        (
            "{ fault: { status: { code: 99 } } }",
            "status.code is from 200 to 599, got 99",
        ),
        (
            "{ fault: { status: { code: 500, headers: { \"a b\": c } } } }",
            "status.headers has no valid header \"a b\"",
        ),
        (
            "{ fault: { grpc_status: { code: 17 } } }",
            "grpc_status.code is from 1 to 16, got 17",
        ),
        (
            "{ fault: { delay: 2h } }",
            "delay is at most 3600s, got 7200s",
        ),
        (
            "{ fault: { drip: { chunk_bytes: 0 } } }",
            "drip.chunk_bytes is at least 1, got 0",
        ),
    ];
    for (rule, message) in table {
        let text = format!("rules:\n  - {{ fault: hang }}\n  - {rule}");
        let error = FaultScript::from_yaml(&text).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the fault script cannot be used: rule 2: {message}")
        );
    }
}

#[test]
fn a_fault_that_is_written_wrongly_is_told_how_to_write_it() {
    let table = [
        (
            "status",
            "expected settings, as in { status: { code: 503 } }, found text",
        ),
        (
            "delay",
            "expected a time, as in { delay: 200ms }, found text",
        ),
        ("{}", "expected a fault such as hang or { delay: 200ms }"),
        ("{ hang: , delay: 1s }", "write a rule for each"),
        ("burn", "hang, disconnect, reset, truncate, cut_short"),
    ];
    for (fault, message) in table {
        let error = FaultScript::from_yaml(&format!("rules: [{{ fault: {fault} }}]"));
        let Err(Error::Script(cause)) = error else {
            panic!("{fault}: {error:?}");
        };
        assert!(cause.to_string().contains(message), "{fault}: {cause}");
    }
}

#[test]
fn what_has_settings_of_its_own_needs_none() {
    let script = FaultScript::from_yaml("rules: [{ fault: reset }, { fault: { hang: } }]").unwrap();
    assert_eq!(script.rules[0].fault, Fault::Reset(CutFault::default()));
    assert_eq!(script.rules[1].fault, Fault::Hang);
}

#[test]
fn a_missing_file_is_named() {
    let Err(Error::Script(cause)) = FaultScript::from_file("/nonexistent/faults.yaml") else {
        panic!("there is no such file");
    };
    let said = cause.to_string();
    assert!(said.contains("/nonexistent/faults.yaml"), "{said}");
}

proptest! {
    #[test]
    fn any_text_is_a_script_or_an_error(text in "\\PC{0,80}", seed: u64, every: i64) {
        let _either = FaultScript::from_yaml(&text);
        let rule = format!("seed: {seed}\nrules: [{{ every: {every}, fault: {{ {text}: {{}} }} }}]");
        let _either = FaultScript::from_yaml(&rule);
    }
}
