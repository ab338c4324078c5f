//! Replies of status 200 that are wrong in every way.

use contexter_model::{ErrorKind, Purpose};
use contexter_service::{Again, Sample, Verdict as _};
use contexter_testkit::{Scripted, ScriptedServer};
use contexter_voyage::{Dtype, EmbedTexts, Transport, Vectors, VoyageAdapter};
use serde_json::{Value, json};

use crate::support::{adapter, base64_of, call, config, embed, good, reply, vector};

fn v(first: f32) -> Value {
    json!(base64_of(&vector(first)))
}

fn changed(change: impl FnOnce(&mut Value)) -> String {
    let mut body = reply(&[(0, v(0.0)), (1, v(1.0))], 2);
    change(&mut body);
    body.to_string()
}

/// Bodies for two texts of 256 floats each, and what is said about them.
#[expect(clippy::too_many_lines, reason = "it is one table")]
fn bodies() -> Vec<(String, &'static str)> {
    let of = |vectors: &[(usize, Value)]| reply(vectors, 2).to_string();
    let mut with_nan = vector(1.0);
    with_nan[255] = f32::NAN;
    let mut with_infinity = vector(1.0);
    with_infinity[7] = f32::NEG_INFINITY;
    let whole = of(&[(0, v(0.0)), (1, v(1.0))]);
    let part = whole[..whole.len() / 2].to_owned();
    vec![
        (String::new(), "the reply is empty, expected JSON"),
        (" \n".to_owned(), "the reply is empty, expected JSON"),
        (part, "the reply cannot be read as JSON, at line 1 column "),
        (
            format!("{whole}x"),
            "the reply cannot be read as JSON, at line 1 column ",
        ),
        (
            "null".to_owned(),
            "the reply is not the JSON that is documented, at line 1 column ",
        ),
        (
            "[]".to_owned(),
            "the reply is not the JSON that is documented, at line 1 column ",
        ),
        ("{}".to_owned(), "the reply has no `data`"),
        (
            r#"{"data":null}"#.to_owned(),
            "the reply is not the JSON that is documented",
        ),
        (
            r#"{"data":{}}"#.to_owned(),
            "the reply is not the JSON that is documented",
        ),
        (of(&[]), "the reply has 0 vectors, expected 2"),
        (of(&[(0, v(0.0))]), "the reply has 1 vectors, expected 2"),
        (
            of(&[(0, v(0.0)), (1, v(1.0)), (2, v(2.0))]),
            "the reply has index 2, expected 0 to 1",
        ),
        (
            of(&[(0, v(0.0)), (0, v(1.0))]),
            "the reply has index 0 twice",
        ),
        (
            of(&[(0, v(0.0)), (7, v(1.0))]),
            "the reply has index 7, expected 0 to 1",
        ),
        (
            changed(|body| drop(body["data"][1].as_object_mut().unwrap().remove("index"))),
            "a part of the reply has no `index`",
        ),
        (
            changed(|body| body["data"][1]["index"] = json!(-1)),
            "the reply is not the JSON that is documented",
        ),
        (
            changed(|body| body["data"][1]["index"] = json!("s3cr3t text")),
            "the reply is not the JSON that is documented",
        ),
        (
            changed(|body| drop(body["data"][1].as_object_mut().unwrap().remove("embedding"))),
            "part 1 of the reply has an index and nothing else",
        ),
        (
            of(&[(0, v(0.0)), (1, json!(null))]),
            "the reply is not the JSON that is documented",
        ),
        (
            of(&[(0, v(0.0)), (1, json!(7))]),
            "the reply is not the JSON that is documented",
        ),
        (
            of(&[(0, v(0.0)), (1, json!(base64_of(&[0.5; 255])))]),
            "vector 1 of the reply has 255 values, expected 256",
        ),
        (
            of(&[(0, v(0.0)), (1, json!(vec![0.5; 257]))]),
            "vector 1 of the reply has 257 values, expected 256",
        ),
        (
            of(&[(0, v(0.0)), (1, json!([]))]),
            "vector 1 of the reply has 0 values, expected 256",
        ),
        (
            of(&[(0, v(0.0)), (1, json!(""))]),
            "vector 1 of the reply has 0 values, expected 256",
        ),
        (
            of(&[(0, v(0.0)), (1, json!("AAAA"))]),
            "vector 1 of the reply is base64 of 3 bytes, which are no whole values",
        ),
        (
            of(&[(0, v(0.0)), (1, json!("AAAAA"))]),
            "vector 1 of the reply is base64 of 3 bytes, which are no whole values",
        ),
        (
            of(&[(0, v(0.0)), (1, json!("!".repeat(1_366)))]),
            "vector 1 of the reply is no base64",
        ),
        (
            of(&[(0, v(0.0)), (1, json!(base64_of(&with_nan)))]),
            "vector 1 of the reply has a value that is not finite",
        ),
        (
            of(&[(0, v(0.0)), (1, json!(base64_of(&with_infinity)))]),
            "vector 1 of the reply has a value that is not finite",
        ),
        (
            of(&[(0, v(0.0)), (1, json!([1e39].repeat(256)))]),
            "the reply cannot be read as JSON, at line 1 column ",
        ),
        (
            of(&[(0, v(0.0)), (1, json!(["s3cr3t"]))]),
            "the reply is not the JSON that is documented",
        ),
        (
            of(&[(0, v(0.0)), (1, v(1.0))])
                .replace("0.5", "NaN")
                .replace("\"total_tokens\":2", "\"total_tokens\":NaN"),
            "the reply cannot be read as JSON",
        ),
        (
            changed(|body| body["usage"]["total_tokens"] = json!("many")),
            "the reply is not the JSON that is documented",
        ),
    ]
}

#[tokio::test]
async fn a_malformed_reply_is_a_typed_error_that_shows_nothing_of_it() {
    for (body, message) in bodies() {
        let script = Scripted::status(200)
            .header("content-type", "application/json")
            .header("request-id", "req-9")
            .body(body.clone());
        let server = ScriptedServer::start(vec![script]).await;
        let error = embed(&adapter(&server), &["a", "b"]).await.unwrap_err();
        let what = &body[..body.len().min(200)];
        assert_eq!(error.kind(), ErrorKind::Protocol, "{what}");
        assert_eq!(
            (error.sample(), error.again()),
            (Sample::Failure, Again::No),
            "{what}"
        );
        let expected = format!("answered 200 OK: {message}");
        assert!(error.message().starts_with(&expected), "{error}\n{what}");
        assert_eq!(error.request_id(), Some("req-9"), "{what}");
        assert!(!format!("{error:?}").contains("s3cr3t"), "{error:?}");
        assert!(error.to_string().lines().count() == 1);
    }
}

#[tokio::test]
async fn a_page_for_people_is_named_as_what_it_is() {
    let script = Scripted::status(200)
        .header("content-type", "text/html; charset=utf-8")
        .body("<html><body>Please sign in</body></html>");
    let server = ScriptedServer::start(vec![script]).await;
    let error = embed(&adapter(&server), &["a"]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert_eq!(
        error.message(),
        "answered 200 OK: the reply cannot be read as JSON, at line 1 column 1, of type text/html; \
         charset=utf-8"
    );
}

#[tokio::test]
async fn what_is_more_than_documented_does_no_harm() {
    let body = json!({
        "novel": { "deep": [1, { "er": null }] },
        "usage": null,
        "data": [
            { "embedding": base64_of(&vector(1.0)).trim_end_matches('='), "index": 1, "x": [] },
            { "text": null, "index": 0, "embedding": vector(0.0) },
        ],
    });
    let server = ScriptedServer::start(vec![Scripted::json(200, body)]).await;
    let reply = embed(&adapter(&server), &["a", "b"]).await.unwrap();
    assert_eq!(reply.vectors, [vector(0.0), vector(1.0)]);
    assert_eq!(reply.usage.tokens, 0);
}

#[tokio::test]
async fn every_type_of_value_comes_both_ways() {
    let (signed, unsigned) = (
        [-128_i8, 0, 127, 5].repeat(8),
        [0_u8, 128, 255, 9].repeat(8),
    );
    let base64 = |bytes: &[u8]| {
        use base64::Engine as _;
        json!(base64::engine::general_purpose::STANDARD.encode(bytes))
    };
    let bytes_of =
        |values: &[i8]| -> Vec<u8> { values.iter().map(|v| v.cast_unsigned()).collect() };
    let long_signed = signed.repeat(8);
    let long_unsigned = unsigned.repeat(8);
    let cases = [
        (
            Dtype::Int8,
            json!(long_signed),
            base64(&bytes_of(&long_signed)),
            Vectors::Int8(vec![long_signed.clone()]),
        ),
        (
            Dtype::Uint8,
            json!(long_unsigned),
            base64(&long_unsigned),
            Vectors::Uint8(vec![long_unsigned.clone()]),
        ),
        (
            Dtype::Binary,
            json!(signed),
            base64(&bytes_of(&signed)),
            Vectors::Binary(vec![signed.clone()]),
        ),
        (
            Dtype::Ubinary,
            json!(unsigned),
            base64(&unsigned),
            Vectors::Ubinary(vec![unsigned.clone()]),
        ),
        (
            Dtype::Float,
            json!(vector(3.0)),
            json!(base64_of(&vector(3.0))),
            Vectors::Float(vec![vector(3.0)]),
        ),
    ];
    for (dtype, list, text, expected) in cases {
        for (transport, embedding) in [(Transport::List, list), (Transport::Base64, text)] {
            let script = Scripted::json(200, reply(&[(0, embedding)], 1));
            let server = ScriptedServer::start(vec![script]).await;
            let request = EmbedTexts::new(["text"], Purpose::Document)
                .with_dtype(dtype)
                .with_transport(transport);
            let reply = call(&adapter(&server), request).await.unwrap();
            assert_eq!(reply.vectors, expected, "{dtype:?} {transport:?}");
            assert_eq!(reply.model, "voyage-4");
        }
    }
}

#[tokio::test]
async fn values_out_of_their_type_s_range_are_refused() {
    for (dtype, values) in [
        (Dtype::Int8, json!([128])),
        (Dtype::Uint8, json!([-1])),
        (Dtype::Binary, json!([0.5])),
    ] {
        let script = Scripted::json(200, reply(&[(0, values)], 1));
        let server = ScriptedServer::start(vec![script]).await;
        let request = EmbedTexts::new(["text"], None).with_dtype(dtype);
        let error = call(&adapter(&server), request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{dtype:?}");
    }
}

#[tokio::test]
async fn one_malformed_part_fails_the_whole_request() {
    let server =
        ScriptedServer::start(vec![good(1), Scripted::json(200, json!({})), good(1)]).await;
    let settings = config(&server).with_max_batch(1).with_max_concurrent(1);
    let adapter = VoyageAdapter::new(settings).unwrap();
    let error = embed(&adapter, &["a", "b", "c"]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert_eq!(server.requests().len(), 2, "what is left is not sent");
}

#[tokio::test]
async fn vectors_of_a_model_that_is_not_known_are_all_as_long_as_the_first() {
    let short = json!(base64_of(&[1.0, 2.0, 3.0]));
    for (second, fits) in [(v(1.0), false), (short.clone(), true)] {
        let body = reply(&[(0, short.clone()), (1, second)], 2);
        let server = ScriptedServer::start(vec![Scripted::json(200, body)]).await;
        let request = EmbedTexts::new(["a", "b"], None).with_model("voyage-99");
        let outcome = call(&adapter(&server), request).await;
        assert_eq!(outcome.is_ok(), fits, "{outcome:?}");
        if let Err(error) = outcome {
            assert_eq!(error.kind(), ErrorKind::Protocol);
            assert!(error.message().contains("256"), "{error}");
        }
    }
}
