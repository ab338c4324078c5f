//! `POST /embeddings`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contexter_sandbox::SandboxConfig;
use serde_json::{Value, json};

use crate::client::{post, start, voyage};

fn floats(value: &Value) -> Vec<f64> {
    let values = value.as_array().unwrap();
    values.iter().map(|value| value.as_f64().unwrap()).collect()
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[tokio::test]
async fn a_reply_has_the_documented_shape() {
    let sandbox = start(SandboxConfig::new()).await;
    let api = voyage(&sandbox);
    let body = json!({"model": "voyage-4-lite", "input": ["parse the header", "a socket"]});
    let (status, reply) = post(&api, "embeddings", &body).await;
    assert_eq!(status, 200);
    assert_eq!(reply["object"], "list");
    assert_eq!(reply["model"], "voyage-4-lite");
    assert_eq!(reply["usage"], json!({"total_tokens": 8}));
    for (index, item) in reply["data"].as_array().unwrap().iter().enumerate() {
        assert_eq!(item["object"], "embedding");
        assert_eq!(item["index"], index);
        let vector = floats(&item["embedding"]);
        assert_eq!(vector.len(), 1024);
        assert!((cosine(&vector, &vector) - 1.0).abs() < 1e-4, "unit length");
    }
    assert_eq!(sandbox.voyage().tokens_billed(), 8);
}

#[tokio::test]
async fn unset_fields_may_be_null_and_one_text_needs_no_list() {
    let sandbox = start(SandboxConfig::new()).await;
    let body = json!({
        "model": "voyage-4", "input": "one", "input_type": null, "truncation": null,
        "output_dimension": null, "output_dtype": null, "encoding_format": null,
    });
    let (status, reply) = post(&voyage(&sandbox), "embeddings", &body).await;
    assert_eq!(status, 200, "{reply}");
    assert_eq!(reply["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn near_texts_have_near_vectors_in_every_dimension() {
    let sandbox = start(SandboxConfig::new()).await;
    let api = voyage(&sandbox);
    for dimension in [256, 512, 1024, 2048] {
        let body = json!({
            "model": "voyage-4", "output_dimension": dimension,
            "input": ["parsing http headers", "the header parser of http", "brown bears fish"],
        });
        let (_, reply) = post(&api, "embeddings", &body).await;
        let of = |index: usize| floats(&reply["data"][index]["embedding"]);
        assert_eq!(of(0).len(), dimension);
        let (near, far) = (cosine(&of(0), &of(1)), cosine(&of(0), &of(2)));
        assert!(near > far + 0.2, "{dimension}: {near} and {far}");
    }
}

#[tokio::test]
async fn models_of_series_4_share_a_space_and_others_do_not() {
    let sandbox = start(SandboxConfig::new()).await;
    let api = voyage(&sandbox);
    let mut vectors = Vec::new();
    for model in ["voyage-4-large", "voyage-4-lite", "voyage-3.5"] {
        let body = json!({"model": model, "input": "the same text"});
        let (_, reply) = post(&api, "embeddings", &body).await;
        vectors.push(floats(&reply["data"][0]["embedding"]));
    }
    assert!(cosine(&vectors[0], &vectors[1]) > 0.99);
    assert!(cosine(&vectors[0], &vectors[2]).abs() < 0.3);
}

#[tokio::test]
async fn every_type_has_its_length_and_range_in_json_and_base64() {
    let sandbox = start(SandboxConfig::new()).await;
    let api = voyage(&sandbox);
    let table = [
        ("int8", 512, -128..=127),
        ("uint8", 512, 0..=255),
        ("binary", 64, -128..=127),
        ("ubinary", 64, 0..=255),
    ];
    for (dtype, length, range) in table {
        let mut body = json!({
            "model": "voyage-3.5", "input": ["a text"], "output_dimension": 512,
            "output_dtype": dtype,
        });
        let (status, reply) = post(&api, "embeddings", &body).await;
        assert_eq!(status, 200, "{reply}");
        let numbers = reply["data"][0]["embedding"].as_array().unwrap().clone();
        assert_eq!(numbers.len(), length, "{dtype}");
        assert!(
            numbers
                .iter()
                .all(|number| range.contains(&number.as_i64().unwrap())),
            "{dtype}"
        );
        body["encoding_format"] = json!("base64");
        let (_, reply) = post(&api, "embeddings", &body).await;
        let bytes = STANDARD
            .decode(reply["data"][0]["embedding"].as_str().unwrap())
            .unwrap();
        assert_eq!(bytes.len(), length, "{dtype}");
        let signed = *range.start() < 0;
        for (byte, number) in bytes.iter().zip(&numbers) {
            let value = if signed {
                i64::from(i8::from_le_bytes([*byte]))
            } else {
                i64::from(*byte)
            };
            assert_eq!(Some(value), number.as_i64(), "{dtype}");
        }
    }
}

#[tokio::test]
async fn floats_in_base64_are_little_endian_and_the_same() {
    let sandbox = start(SandboxConfig::new()).await;
    let api = voyage(&sandbox);
    let mut body = json!({"model": "voyage-4", "input": ["a text"]});
    let (_, plain) = post(&api, "embeddings", &body).await;
    body["encoding_format"] = json!("base64");
    let (_, packed) = post(&api, "embeddings", &body).await;
    let bytes = STANDARD
        .decode(packed["data"][0]["embedding"].as_str().unwrap())
        .unwrap();
    let unpacked: Vec<f64> = bytes
        .chunks_exact(4)
        .map(|four| f64::from(f32::from_le_bytes(four.try_into().unwrap())))
        .collect();
    for (a, b) in unpacked.iter().zip(floats(&plain["data"][0]["embedding"])) {
        assert!((a - b).abs() < 1e-6);
    }
}

#[tokio::test]
async fn the_prompt_of_an_input_type_counts() {
    let sandbox = start(SandboxConfig::new()).await;
    let api = voyage(&sandbox);
    let mut tokens = Vec::new();
    for input_type in [Value::Null, json!("query"), json!("document")] {
        let body = json!({"model": "voyage-4", "input": ["a", "b"], "input_type": input_type});
        let (_, reply) = post(&api, "embeddings", &body).await;
        tokens.push(reply["usage"]["total_tokens"].as_u64().unwrap());
    }
    assert_eq!(tokens[0], 2);
    assert!(tokens[1] > tokens[2] && tokens[2] > tokens[0], "{tokens:?}");
}
