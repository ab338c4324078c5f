//! Which embedder a user asks for.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Which local embedder to use: `auto`, `minilm`, `lexical` or the path of a model.
///
/// A file that has the name of a choice is reached as `./auto`.
///
/// # Examples
///
/// ```
/// use contexter_local::EmbedderChoice;
///
/// assert_eq!("minilm".parse(), Ok(EmbedderChoice::MiniLm));
/// assert_eq!("m/model.onnx".parse(), Ok(EmbedderChoice::Path("m/model.onnx".into())));
/// assert!("".parse::<EmbedderChoice>().is_err());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum EmbedderChoice {
    /// MiniLM when its file can be had, else the lexical embedder.
    #[default]
    Auto,
    /// MiniLM; without its file there is no embedder.
    MiniLm,
    /// The lexical embedder, which needs no file.
    Lexical,
    /// The model at this path: an `.onnx` file, a wheel, or a folder that holds one.
    Path(PathBuf),
}

impl FromStr for EmbedderChoice {
    type Err = InvalidEmbedderChoice;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "" => Err(InvalidEmbedderChoice(())),
            "auto" => Ok(Self::Auto),
            "minilm" => Ok(Self::MiniLm),
            "lexical" => Ok(Self::Lexical),
            path => PathBuf::from_str(path)
                .map(Self::Path)
                .map_err(|never: Infallible| match never {}),
        }
    }
}

impl fmt::Display for EmbedderChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::MiniLm => f.write_str("minilm"),
            Self::Lexical => f.write_str("lexical"),
            Self::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

/// An empty text names no embedder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"\" is no embedder: use auto, minilm, lexical or the path of a model")]
pub struct InvalidEmbedderChoice(());
