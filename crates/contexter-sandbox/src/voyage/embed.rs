//! What computes the vectors.

use std::fmt;

use crate::voyage::hashed;

/// What computes the vectors of the Voyage AI server.
#[derive(Clone)]
pub struct Embedder(Engine);

#[derive(Clone)]
enum Engine {
    Lexical,
    #[cfg(feature = "minilm")]
    MiniLm(contexter_local::MiniLm),
}

impl Embedder {
    /// Hashed wording: needs no file; near vectors share words.
    #[must_use]
    pub fn lexical() -> Self {
        Self(Engine::Lexical)
    }

    /// The local model: near vectors mean near meanings. It reads 256 tokens of a text.
    #[cfg(feature = "minilm")]
    #[must_use]
    pub fn minilm(model: contexter_local::MiniLm) -> Self {
        Self(Engine::MiniLm(model))
    }

    /// Returns one vector for each text, not normalised.
    pub(super) async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, String> {
        match &self.0 {
            Engine::Lexical => tokio::task::spawn_blocking(move || {
                texts.iter().map(|text| hashed::embed(text)).collect()
            })
            .await
            .map_err(|failed| failed.to_string()),
            #[cfg(feature = "minilm")]
            Engine::MiniLm(model) => model
                .embed(texts)
                .await
                .map(|reply| reply.vectors)
                .map_err(|error| error.to_string()),
        }
    }
}

impl fmt::Debug for Embedder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Engine::Lexical => "Embedder::Lexical",
            #[cfg(feature = "minilm")]
            Engine::MiniLm(_) => "Embedder::MiniLm",
        })
    }
}
