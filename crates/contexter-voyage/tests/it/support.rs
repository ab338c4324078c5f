//! What several tests need.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contexter_adapter::ServiceAdapter as _;
use contexter_model::{Embed, Embeddings, Error, Purpose};
use contexter_service::{Capability, Service as _};
use contexter_testkit::{Scripted, ScriptedServer};
use contexter_voyage::{Config, RetryConfig, VoyageAdapter};
use serde_json::{Value, json};

/// It is in no error, no `Debug` and no log.
pub(crate) const KEY: &str = "pa-s3cr3t-0123456789";

/// No test waits longer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Settings for a server, without repeats.
pub(crate) fn config(server: &ScriptedServer) -> Config {
    let millisecond = Duration::from_millis(1);
    Config::new(KEY)
        .with_base_url(format!("{}/v1", server.base_url()))
        .with_output_dimension(256)
        .with_timeout(DEADLINE)
        .with_retry_config(
            RetryConfig::new()
                .with_max_attempts(1)
                .with_base_delay(millisecond)
                .with_max_delay(millisecond),
        )
}

pub(crate) fn adapter(server: &ScriptedServer) -> VoyageAdapter {
    VoyageAdapter::new(config(server)).unwrap()
}

/// Calls through the handle of a capability, as others do.
pub(crate) async fn call<R>(adapter: &VoyageAdapter, request: R) -> Result<R::Response, Error>
where
    R: Capability<Error = Error>,
{
    let handle = adapter.capabilities().handle::<R>().unwrap();
    tokio::time::timeout(DEADLINE, handle.call(request))
        .await
        .unwrap_or_else(|_elapsed| panic!("no answer within {DEADLINE:?}"))
}

pub(crate) async fn embed(adapter: &VoyageAdapter, texts: &[&str]) -> Result<Embeddings, Error> {
    let texts = texts.iter().map(|&text| text.to_owned()).collect();
    let purpose = Purpose::Document;
    call(adapter, Embed { texts, purpose }).await
}

/// A vector that tells which text it is for.
pub(crate) fn vector(first: f32) -> Vec<f32> {
    let mut vector = vec![0.5; 256];
    vector[0] = first;
    vector
}

pub(crate) fn base64_of(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    STANDARD.encode(bytes)
}

/// A reply with these vectors, as the vendor sends it.
pub(crate) fn reply(vectors: &[(usize, Value)], tokens: u64) -> Value {
    let data: Vec<Value> = vectors
        .iter()
        .map(|(index, embedding)| {
            json!({ "object": "embedding", "index": index, "embedding": embedding })
        })
        .collect();
    json!({
        "object": "list",
        "data": data,
        "model": "voyage-4",
        "usage": { "total_tokens": tokens },
    })
}

/// A reply to `count` texts, the vectors of which begin with 0, 1, 2, …
pub(crate) fn good(count: u16) -> Scripted {
    let vectors: Vec<(usize, Value)> = (0..count)
        .map(|place| {
            (
                usize::from(place),
                json!(base64_of(&vector(f32::from(place)))),
            )
        })
        .collect();
    Scripted::json(200, reply(&vectors, u64::from(count)))
}
