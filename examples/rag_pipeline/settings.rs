//! Settings: defaults, then the configuration file, then the environment, then flags.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use contexter_config::Loader;
use contexter_local::EmbedderChoice;
use contexter_rag::{Fusion, Mode};
use contexter_resilience::StackConfig;
use contexter_service::InvalidConfig;
use serde::Deserialize;

use crate::cli::Common;
use crate::services::Embedding;

/// Everything that a configuration file may set.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// Where the index is kept.
    pub(crate) data: Option<PathBuf>,
    /// What embeds text: `auto`, `minilm`, `lexical` or a path. `auto` is Voyage AI where that is
    /// configured.
    pub(crate) embedder: String,
    /// Never download a model.
    pub(crate) offline: bool,
    /// The name of the collection.
    pub(crate) collection: String,
    /// What `index` fetches from Context7 when no other source is given: ids, or names to look up.
    pub(crate) libraries: Vec<String>,
    pub(crate) search: SearchSettings,
    pub(crate) services: Services,
}

/// How a search goes when no flag says otherwise.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SearchSettings {
    pub(crate) mode: Mode,
    pub(crate) limit: usize,
    /// By default DBSF with a semantic embedder and min-max 0.3/0.7 (meaning, words) with a lexical one.
    pub(crate) fusion: Option<Fusion>,
    /// Whether hits are ordered anew by a model, which costs a call. By default they are where a
    /// service can, which is Voyage AI.
    pub(crate) rerank: Option<bool>,
}

/// The services. A section for a remote one makes it stand in for that of this process; without
/// any, all runs in this process.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Services {
    /// The mechanisms around the documents on disk.
    pub(crate) local_documents: Option<StackConfig>,
    /// The mechanisms around the model of this process.
    pub(crate) local_embedding: Option<StackConfig>,
    /// The mechanisms around the embedded vector engine.
    pub(crate) embedded_qdrant: Option<StackConfig>,
    /// Voyage AI embeds, and orders what was found.
    pub(crate) voyage_ai: Option<Box<contexter_voyage::Config>>,
    /// Context7 has the documentation of `libraries`.
    pub(crate) context7: Option<Box<contexter_context7::Config>>,
    /// Bright Data fetches the pages of its `libraries`.
    pub(crate) brightdata: Option<Box<contexter_brightdata::Config>>,
    /// A Qdrant server keeps the vectors.
    pub(crate) qdrant: Option<Box<contexter_qdrant::remote::Config>>,
}

impl Services {
    /// Checks every section that is there, and tells all that is wrong at once.
    fn validate(&self) -> Result<(), InvalidConfig> {
        let stack = |stack: &Option<StackConfig>| stack.as_ref().map(StackConfig::validate);
        let sections = [
            ("local_documents", stack(&self.local_documents)),
            ("local_embedding", stack(&self.local_embedding)),
            ("embedded_qdrant", stack(&self.embedded_qdrant)),
            (
                "voyage_ai",
                self.voyage_ai
                    .as_deref()
                    .map(contexter_voyage::Config::validate),
            ),
            (
                "context7",
                self.context7
                    .as_deref()
                    .map(contexter_context7::Config::validate),
            ),
            (
                "brightdata",
                self.brightdata
                    .as_deref()
                    .map(contexter_brightdata::Config::validate),
            ),
            (
                "qdrant",
                self.qdrant
                    .as_deref()
                    .map(contexter_qdrant::remote::Config::validate),
            ),
        ];
        InvalidConfig::join(sections.map(|(name, checked)| {
            checked
                .unwrap_or(Ok(()))
                .map_err(|faults| faults.within(&format!("services.{name}")))
        }))
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data: None,
            embedder: "auto".to_owned(),
            offline: false,
            collection: "documentation".to_owned(),
            libraries: Vec::new(),
            search: SearchSettings::default(),
            services: Services::default(),
        }
    }
}

impl Default for SearchSettings {
    fn default() -> Self {
        Self {
            mode: Mode::Hybrid,
            limit: 5,
            fusion: None,
            rerank: None,
        }
    }
}

impl Settings {
    /// Reads the settings that the flags name and lays the flags over them.
    pub(crate) fn load(flags: &Common) -> Result<Self> {
        let mut loader = Loader::new();
        if let Some(file) = &flags.config {
            loader = loader.file(file);
        }
        let config = loader
            .from_env("CONTEXTER")
            .load::<Self>()
            .context("the settings cannot be used")?;
        let mut settings = (*config.current()).clone();
        settings.services.validate()?;
        if let Some(data) = &flags.data {
            settings.data = Some(data.clone());
        }
        if let Some(embedder) = &flags.embedder {
            settings.embedder.clone_from(embedder);
        }
        settings.offline |= flags.offline;
        Ok(settings)
    }

    /// Returns where the index is kept: `.contexter` unless something else is set.
    pub(crate) fn data(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(|| ".contexter".into())
    }

    /// Returns the embedder that was asked for; `CONTEXTER_MODEL` names one where nothing else does.
    pub(crate) fn choice(&self) -> Result<Embedding> {
        if self.embedder != "auto" {
            return Ok(Embedding::Local(self.embedder.parse()?));
        }
        if self.services.voyage_ai.is_some() {
            return Ok(Embedding::Remote);
        }
        Ok(Embedding::Local(
            std::env::var_os("CONTEXTER_MODEL").map_or(EmbedderChoice::Auto, |path| {
                EmbedderChoice::Path(path.into())
            }),
        ))
    }
}
