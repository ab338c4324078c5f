//! What is wrong with settings.

use contexter_service::InvalidConfig;

use crate::limits::MAX_TEXTS;
use crate::{Config, Model, ModelKind};

/// More requests at once use no quota better.
const MOST_CONCURRENT: usize = 1_000;

impl Config {
    /// Checks all settings.
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range, never the key.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let zero =
            |limit: Option<u64>| (limit == Some(0)).then(|| "must be at least 1, got 0".to_owned());
        let within = |value: usize, most: usize| {
            (!(1..=most).contains(&value)).then(|| format!("must be 1 to {most}, got {value}"))
        };
        let own = InvalidConfig::check([
            ("api_key", self.fault_of_key()),
            ("rate_limit", zero(self.rate_limit)),
            ("token_limit", zero(self.token_limit)),
            (
                "timeout",
                self.timeout
                    .is_zero()
                    .then(|| "must be longer than zero, got 0s".to_owned()),
            ),
            ("model", self.fault_of_model(&self.model, ModelKind::Text)),
            ("query_model", self.fault_of_query_model()),
            ("output_dimension", self.fault_of_dimension()),
            (
                "rerank_model",
                self.fault_of_model(&self.rerank_model, ModelKind::Rerank),
            ),
            (
                "context_model",
                self.fault_of_model(&self.context_model, ModelKind::Contextualized),
            ),
            (
                "multimodal_model",
                self.fault_of_model(&self.multimodal_model, ModelKind::Multimodal),
            ),
            ("tokenizer", self.fault_of_tokenizer()),
            ("max_batch", within(self.max_batch, MAX_TEXTS)),
            (
                "max_concurrent",
                within(self.max_concurrent, MOST_CONCURRENT),
            ),
        ]);
        let stack = if own.is_ok() {
            self.stack().validate()
        } else {
            Ok(())
        };
        InvalidConfig::join([own, stack])
    }

    fn fault_of_key(&self) -> Option<String> {
        let key = self.api_key.expose();
        if key.is_empty() {
            Some("must be set: a key such as pa-… or al-…".to_owned())
        } else if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            Some("must be visible ASCII without blanks".to_owned())
        } else {
            None
        }
    }

    #[expect(clippy::unused_self, reason = "it reads as its siblings do")]
    fn fault_of_model(&self, name: &str, kind: ModelKind) -> Option<String> {
        if name.is_empty() {
            return Some("must be the name of a model, got none".to_owned());
        }
        let found = Model::find(name)?;
        (found.kind != kind).then(|| {
            let fitting: Vec<_> = Model::all()
                .filter(|model| model.kind == kind)
                .map(|model| model.name)
                .collect();
            format!("must be one of {}, got {name:?}", fitting.join(", "))
        })
    }

    fn fault_of_query_model(&self) -> Option<String> {
        let name = self.query_model.as_deref()?;
        self.fault_of_model(name, ModelKind::Text).or_else(|| {
            let (documents, queries) =
                (self.embedding_model(), Model::named(name, ModelKind::Text));
            (!documents.shares_space_with(&queries)).then(|| {
                format!(
                    "must share the space of model {:?}, which {name:?} is not known to do",
                    self.model
                )
            })
        })
    }

    fn fault_of_dimension(&self) -> Option<String> {
        let model = self.embedding_model();
        match self.output_dimension {
            Some(0) => Some("must be at least 1, got 0".to_owned()),
            Some(dimension) if !model.has_dimension(dimension) => Some(format!(
                "must be one of {:?} for {}, got {dimension}",
                model.dimensions, model.name
            )),
            None if model.default_dimension().is_none() => Some(format!(
                "must be set for {}, which is not in the table of models",
                model.name
            )),
            _ => None,
        }
    }

    fn fault_of_tokenizer(&self) -> Option<String> {
        let built_in = cfg!(feature = "tokenizer");
        (self.tokenizer.is_some() && !built_in)
            .then(|| "needs the feature `tokenizer`, which is not built in".to_owned())
    }
}
