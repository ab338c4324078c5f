//! Replies of HTTP services, whatever they hold.
//!
//! An error is one line of bounded length; it repeats no value of a body; an id is one word.

#![no_main]

use std::error::Error as StdError;

use contexter_http::{Reply, clean};
use contexter_model::Error;
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;

const VALUE: &str = "q7Zt0Wm4";

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "they are read by Debug")]
struct Expected {
    values: Vec<f32>,
    kind: Option<Kind>,
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Small,
    Large,
}

fuzz_target!(|input: (u16, &str, &str, &[u8])| {
    let (status, name, value, body) = input;
    let headers = [
        (name, value),
        ("content-type", value),
        ("x-request-id", value),
        ("retry-after", value),
    ];
    let Ok(reply) = Reply::new(status, headers, body.to_vec()) else {
        return;
    };
    read(&reply);

    // The same as a text within what is expected to be numbers.
    let text = format!("{}{VALUE}{value}", String::from_utf8_lossy(body));
    let quoted = serde_json::to_string(&text).expect("a text can be written");
    for body in [format!("{{\"values\":{quoted}}}"), format!("{{\"values\":[{quoted}]}}")] {
        let reply = Reply::new(200, [], body).expect("200 is a status");
        let error = reply.json::<Expected>().expect_err("a text is no number");
        check(&error);
        assert!(!chain(&error).contains(VALUE), "{error:?}");
    }
});

fn read(reply: &Reply) {
    for error in [
        reply.json::<Expected>().err(),
        reply.json::<Kind>().err(),
        reply.text().err(),
        Some(reply.error(String::from_utf8_lossy(reply.bytes()))),
    ] {
        error.iter().for_each(check);
    }
    if let Some(id) = reply.request_id() {
        assert!(id.bytes().all(|byte| byte.is_ascii_graphic()), "{id:?}");
    }
    let cleaned = clean(&String::from_utf8_lossy(reply.bytes()));
    assert!(cleaned.chars().count() <= 300, "{cleaned:?}");
    assert_eq!(clean(&cleaned), cleaned, "cleaned twice");
    assert!(reply.headers().count() <= 4);
}

fn check(error: &Error) {
    let text = error.to_string();
    assert!(!text.chars().any(char::is_control), "{text:?}");
    assert!(text.len() <= 4_000, "{text:?}");
}

fn chain(error: &Error) -> String {
    let mut text = format!("{error}\n{error:?}");
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!("\n{error}\n{error:?}");
        source = error.source();
    }
    text
}
