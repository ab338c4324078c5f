//! What is held while vectors are asked for and read.
//!
//! A program of its own, because it counts allocations: those of the thread that asks, while the server
//! has another. A block that grows or shrinks counts twice meanwhile, as where it cannot stay in its
//! place.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use allocation_counter::measure;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contexter_adapter::ServiceAdapter as _;
use contexter_model::Purpose;
use contexter_service::Service as _;
use contexter_testkit::{Scripted, ScriptedServer};
use contexter_voyage::{Config, EmbedTexts, TextEmbeddings, Transport, VoyageAdapter};

const DIMENSIONS: u16 = 1_024;

fn vector(text: u16) -> Vec<f32> {
    let values = (0..DIMENSIONS).map(|place| f32::from(place).mul_add(0.25, f32::from(text)));
    values.collect()
}

/// The reply to so many texts, the last vector first.
fn body(texts: u16, transport: Transport) -> Vec<u8> {
    let of = |text: u16| {
        let embedding = if transport == Transport::Base64 {
            let values = vector(text);
            let bytes: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
            format!("\"{}\"", STANDARD.encode(bytes))
        } else {
            serde_json::to_string(&vector(text)).unwrap()
        };
        format!(r#"{{"object":"embedding","embedding":{embedding},"index":{text}}}"#)
    };
    let data: Vec<String> = (0..texts).rev().map(of).collect();
    let data = data.join(",");
    format!(r#"{{"data":[{data}],"model":"voyage-4","usage":{{"total_tokens":9}}}}"#).into_bytes()
}

fn request(texts: u16, transport: Transport) -> EmbedTexts {
    let texts = (0..texts).map(|text| format!("text {text}"));
    let request = EmbedTexts::new(texts, Purpose::Document).with_model("voyage-4");
    request.with_transport(transport)
}

/// Asserts that `read` holds at most so many hundredths of the vectors at once.
fn assert_holds_at_most(most: u64, texts: u16, what: &str, read: impl FnOnce() -> TextEmbeddings) {
    let mut reply = None;
    let counted = measure(|| reply = Some(read()));
    let expected: Vec<Vec<f32>> = (0..texts).map(vector).collect();
    assert_eq!(reply.unwrap().vectors.into_float(), Some(expected));
    let vectors = u64::from(texts) * u64::from(DIMENSIONS) * 4;
    let held = counted.bytes_max * 100 / vectors;
    assert!(held >= 100, "{what}: {held} % of the vectors were counted");
    assert!(held <= most, "{what}: {held} % of the vectors");
}

/// Answers on a thread of its own, as long as the process lives; returns the address.
fn serve(script: Vec<Scripted>) -> String {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let server = ScriptedServer::start(script).await;
            sender.send(server.base_url()).unwrap();
            std::future::pending::<()>().await;
        });
    });
    receiver
        .recv_timeout(Duration::from_secs(30))
        .unwrap_or_else(|error| panic!("no server: {error}"))
}

/// From the request in the caller's hand to the vectors. What the HTTP client reads ahead of what is
/// asked of it, at most three times 400 KiB, does not grow with the reply: so the reply is a large one.
#[test]
fn a_call_holds_at_most_twice_the_vectors() {
    const TEXTS: u16 = 1_000;
    for transport in [Transport::Base64, Transport::List] {
        let body = body(TEXTS, transport);
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
        // With its length and without.
        let address = serve(vec![
            Scripted::status(200).body(body.clone()),
            Scripted::raw([head, &*body].concat()),
        ]);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let config = Config::new("pa-none")
            .with_base_url(format!("{address}/v1"))
            .with_max_batch(TEXTS.into());
        let adapter = VoyageAdapter::new(config).unwrap();
        let handle = adapter.capabilities().handle::<EmbedTexts>().unwrap();
        for reply in ["first", "second"] {
            let request = request(TEXTS, transport);
            let what = format!("{transport:?}, the {reply}");
            assert_holds_at_most(200, TEXTS, &what, || {
                runtime.block_on(handle.call(request)).unwrap()
            });
        }
    }
}

#[test]
fn a_reply_becomes_vectors_and_little_else() {
    const TEXTS: u16 = 128;
    for transport in [Transport::Base64, Transport::List] {
        let (body, request) = (body(TEXTS, transport), request(TEXTS, transport));
        assert_holds_at_most(110, TEXTS, &format!("{transport:?}"), || {
            request.read_reply(&body).unwrap()
        });
    }
}
