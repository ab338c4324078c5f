//! Tokens as a model counts them, by its `tokenizer.json`.

use std::fmt;
use std::path::Path;

use contexter_model::{CountTokens, Error, ErrorKind};
use tokenizers::Tokenizer;

/// The tokenizer of a model, read from the file `tokenizer.json` of its repository
/// `voyageai/<model>` on the Hugging Face hub.
///
/// The series 3, 3.5 and 4 count differently: a file is right for models of its own series only.
///
/// Source: <https://docs.voyageai.com/docs/tokenization>.
pub struct TokenizerFile {
    tokenizer: Tokenizer,
}

impl TokenizerFile {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`], with the path, if it cannot be read or holds no tokenizer.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let unusable = |what: &str| {
            Error::new(
                ErrorKind::Invalid,
                format!("the tokenizer {} {what}", path.display()),
            )
        };
        let bytes =
            std::fs::read(path).map_err(|error| unusable("cannot be read").with_source(error))?;
        let mut tokenizer = Tokenizer::from_bytes(bytes)
            .map_err(|error| unusable("holds no tokenizer").with_source(error))?;
        // What a text has is to be known, not what is left after a cut.
        tokenizer
            .with_truncation(None)
            .map_err(|error| unusable("cannot be set up").with_source(error))?;
        tokenizer.with_padding(None);
        Ok(Self { tokenizer })
    }
}

/// A text that the tokenizer fails on counts as a token for each byte.
impl CountTokens for TokenizerFile {
    fn count(&self, text: &str) -> usize {
        self.tokenizer
            .encode_fast(text, false)
            .map_or(text.len(), |encoding| encoding.len())
    }
}

impl fmt::Debug for TokenizerFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenizerFile").finish_non_exhaustive()
    }
}
