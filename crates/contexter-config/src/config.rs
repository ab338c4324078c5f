//! A loaded configuration.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use thiserror::Error as ThisError;
use tokio::sync::watch;

use crate::node::Node;
use crate::secret_file::SecretFiles;
use crate::{Error, ErrorKind, Origin, key, late, set};

/// Decides whether a configuration can be used as a whole.
pub(crate) type Check<T> =
    Arc<dyn Fn(&T) -> Result<(), Box<dyn std::error::Error + Send + Sync>> + Send + Sync>;

/// A configuration that has been read into `T`, and can be updated while the program runs.
///
/// Cloning is cheap and all clones see the same values. Readers never wait for an update.
/// [`Loader`](crate::Loader) makes one.
pub struct Config<T> {
    inner: Arc<Inner<T>>,
}

struct Inner<T> {
    // Where updates are written, above all that was loaded.
    layer: usize,
    updating: Mutex<()>,
    files: SecretFiles,
    check: Option<Check<T>>,
    state: watch::Sender<State<T>>,
}

struct State<T> {
    tree: Arc<Node>,
    value: Arc<T>,
}

impl<T: DeserializeOwned> Config<T> {
    pub(crate) fn new(tree: Node, layer: usize, check: Option<Check<T>>) -> Result<Self, Error> {
        let files = SecretFiles::default();
        let state = State::read(tree, &files, check.as_ref())?;
        Ok(Self {
            inner: Arc::new(Inner {
                layer,
                updating: Mutex::new(()),
                files,
                check,
                state: watch::Sender::new(state),
            }),
        })
    }

    /// Sets one value in memory, above all other layers, and notifies who watches it.
    ///
    /// `key` is a dotted path such as `services.voyage_ai.timeout`. The whole configuration is read
    /// again first; if it cannot be, everything stays as it is. Null takes the place of a whole
    /// section. Files are not written, and a secret's file that was read before is not read again.
    ///
    /// # Errors
    ///
    /// Returns [`Error`] if the key is malformed, or if the configuration would no longer be valid.
    pub fn update(&self, key: &str, value: impl Into<serde_json::Value>) -> Result<(), Error> {
        let single = set::single(key, value.into(), self.inner.layer)?;
        // Held to the end, so that of two updates at once neither forgets the other.
        let _alone = self.inner.updating.lock();
        let mut tree = Node::clone(&self.tree());
        tree.merge(single);
        let state = State::read(tree, &self.inner.files, self.inner.check.as_ref())?;
        self.inner.state.send_replace(state);
        tracing::info!(key, "configuration updated");
        Ok(())
    }
}

impl<T> Config<T> {
    /// Returns the configuration as it is now.
    #[must_use]
    pub fn current(&self) -> Arc<T> {
        Arc::clone(&self.inner.state.borrow().value)
    }

    /// Reads the section at the dotted path `key` into a type of its own.
    ///
    /// A section that is not there is read as an empty one, so a type whose fields all have
    /// defaults needs nothing to be written.
    ///
    /// # Errors
    ///
    /// Returns [`Error`] if the key is malformed, or if `S` does not take what is there.
    pub fn section<S: DeserializeOwned>(&self, key: &str) -> Result<S, Error> {
        self.read(&key::parse(key)?)
    }

    /// Reads `services.NAME` into a type of its own; as [`section`](Self::section) otherwise.
    ///
    /// # Errors
    ///
    /// Returns [`Error`] if `S` does not take what is there.
    pub fn service<S: DeserializeOwned>(&self, name: &str) -> Result<S, Error> {
        self.read(&["services".to_owned(), name.to_owned()])
    }

    /// Reads `integrations.NAME` into a type of its own; as [`section`](Self::section) otherwise.
    ///
    /// # Errors
    ///
    /// Returns [`Error`] if `S` does not take what is there.
    pub fn integration<S: DeserializeOwned>(&self, name: &str) -> Result<S, Error> {
        self.read(&["integrations".to_owned(), name.to_owned()])
    }

    /// Returns where the value at the dotted path `key` was written, if anywhere.
    #[must_use]
    pub fn origin(&self, key: &str) -> Option<Origin> {
        let path = key::parse(key).ok()?;
        let tree = self.tree();
        Some(tree.get(&path)?.origin.clone())
    }

    /// Watches the value or section at the dotted path `key`, which need not be there yet.
    ///
    /// # Errors
    ///
    /// Returns [`Error`] if the key is malformed.
    pub fn watch(&self, key: &str) -> Result<Watch<T>, Error> {
        let path = key::parse(key)?;
        let states = self.inner.state.subscribe();
        let seen = Arc::clone(&states.borrow().tree);
        Ok(Watch { states, path, seen })
    }

    fn read<S: DeserializeOwned>(&self, path: &[String]) -> Result<S, Error> {
        let tree = self.tree();
        let files = self.inner.files.reading();
        // What is written nowhere is an empty section.
        let nothing = Node::empty(0);
        let section = tree.get(path).unwrap_or(&nothing);
        let read = late::typed(section, &files).map_err(|fault| fault.into_error(path))?;
        files.keep();
        Ok(read)
    }

    fn tree(&self) -> Arc<Node> {
        Arc::clone(&self.inner.state.borrow().tree)
    }
}

impl<T: DeserializeOwned> State<T> {
    fn read(tree: Node, files: &SecretFiles, check: Option<&Check<T>>) -> Result<Self, Error> {
        let files = files.reading();
        let value: T = late::typed(&tree, &files).map_err(|fault| fault.into_error(&[]))?;
        if let Some(check) = check {
            check(&value).map_err(|refusal| {
                Error::new(ErrorKind::Refused, "the configuration was refused").because(refusal)
            })?;
        }
        files.keep();
        Ok(Self {
            tree: Arc::new(tree),
            value: Arc::new(value),
        })
    }
}

impl<T> Clone for Config<T> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<T> fmt::Debug for Config<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values may be secrets, and `T` may not be careful.
        f.debug_struct("Config").finish_non_exhaustive()
    }
}

/// Waits for changes of one value or section; [`Config::watch`] makes one.
pub struct Watch<T> {
    states: watch::Receiver<State<T>>,
    path: Vec<String>,
    seen: Arc<Node>,
}

/// The configuration is gone: all its clones were dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ThisError)]
#[error("the configuration is gone")]
pub struct Gone;

impl<T> Watch<T> {
    /// Waits until the watched value is another one than at the last call, and returns the whole.
    ///
    /// Several changes in quick succession are one. Changes elsewhere do not count, nor does
    /// writing the same value again.
    ///
    /// # Errors
    ///
    /// Returns [`Gone`] when nothing can change any more.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no change.
    pub async fn changed(&mut self) -> Result<Arc<T>, Gone> {
        loop {
            self.states.changed().await.map_err(|_closed| Gone)?;
            let state = self.states.borrow_and_update();
            let changed = match (self.seen.get(&self.path), state.tree.get(&self.path)) {
                (Some(before), Some(after)) => !before.same(after),
                (None, None) => false,
                _ => true,
            };
            self.seen = Arc::clone(&state.tree);
            if changed {
                return Ok(Arc::clone(&state.value));
            }
        }
    }
}

impl<T> fmt::Debug for Watch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("key", &self.path.join("."))
            .finish_non_exhaustive()
    }
}
