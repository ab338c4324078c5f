//! Embeds more texts than one request takes, within the quota of an account, without a key: what
//! stands in for the vendor counts words and makes vectors of them.
//!
//! `cargo run -p contexter-voyage --example embed_within_quota`

#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::sync::Arc;

use contexter_model::{Embed, Embeddings, Error, Purpose, Usage};
use contexter_resilience::StandardStack;
use contexter_service::Service;
use contexter_voyage::{Caps, Config, Lane, Model, ModelKind, Packed};

/// Embeds one request.
struct Words;

impl Service<Embed> for Words {
    type Response = Embeddings;
    type Error = Error;

    async fn call(&self, request: Embed) -> Result<Embeddings, Error> {
        let words = |text: &String| u16::try_from(text.split(' ').count()).unwrap_or(u16::MAX);
        let counts: Vec<u16> = request.texts.iter().map(words).collect();
        println!("a request of {} texts", counts.len());
        Ok(Embeddings {
            vectors: counts.iter().map(|&count| vec![f32::from(count)]).collect(),
            usage: Usage {
                tokens: counts.iter().map(|&count| u64::from(count)).sum(),
            },
        })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::new("pa-none").with_model("voyage-4-large");
    let model = Model::named(&config.model, ModelKind::Text);
    let stack = StandardStack::new(config.stack_of(&model))?;
    let caps = Caps::new(config.max_batch, model.request_tokens).context(model.context);
    let packed = Packed::new(Words, Arc::new(Lane::new(stack, caps)));

    let texts: Vec<String> = (1..=2_500)
        .map(|words| vec!["word"; words % 40 + 1].join(" "))
        .collect();
    let purpose = Purpose::Document;
    let reply = packed.call(Embed { texts, purpose }).await?;
    println!(
        "{} vectors in order, {} tokens",
        reply.vectors.len(),
        reply.usage.tokens
    );
    Ok(())
}
