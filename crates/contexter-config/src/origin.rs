//! Where a value came from.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a value of the configuration was written.
///
/// `Display` gives `prod.yaml:5:20` for a file, the variable's name for the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    place: Place,
    // Values of a higher layer win.
    layer: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    File {
        path: Arc<Path>,
        line: u64,
        column: u64,
    },
    Variable(Arc<str>),
    // Between the brackets of a variable.
    Inside(Arc<str>),
    Set,
    // Only the root of a tree that no file gave.
    Nowhere,
}

impl Origin {
    pub(crate) fn file(path: &Arc<Path>, line: u64, column: u64, layer: usize) -> Self {
        let path = Arc::clone(path);
        Self {
            place: Place::File { path, line, column },
            layer,
        }
    }

    pub(crate) fn variable(name: &str, layer: usize) -> Self {
        Self {
            place: Place::Variable(name.into()),
            layer,
        }
    }

    /// Returns the place of what is written between the brackets of this variable.
    pub(crate) fn inside(&self) -> Self {
        let place = match &self.place {
            Place::Variable(name) => Place::Inside(Arc::clone(name)),
            place => place.clone(),
        };
        Self { place, ..*self }
    }

    pub(crate) fn set(layer: usize) -> Self {
        Self {
            place: Place::Set,
            layer,
        }
    }

    pub(crate) fn nowhere(layer: usize) -> Self {
        Self {
            place: Place::Nowhere,
            layer,
        }
    }

    pub(crate) fn layer(&self) -> usize {
        self.layer
    }

    pub(crate) fn is_file(&self) -> bool {
        matches!(self.place, Place::File { .. })
    }

    pub(crate) fn is_nowhere(&self) -> bool {
        self.place == Place::Nowhere
    }

    /// Returns whether this is a variable itself, not what is between its brackets.
    pub(crate) fn is_variable(&self) -> bool {
        matches!(self.place, Place::Variable(_))
    }

    /// Finds `path` as somebody means who writes it here: from the folder of the file it is in.
    pub(crate) fn resolve(&self, path: &str) -> PathBuf {
        match &self.place {
            Place::File { path: file, .. } => file
                .parent()
                .map_or_else(|| PathBuf::from(path), |folder| folder.join(path)),
            Place::Variable(_) | Place::Inside(_) | Place::Set | Place::Nowhere => {
                PathBuf::from(path)
            }
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::File { path, line, column } => {
                write!(f, "{}:{line}:{column}", path.display())
            }
            Place::Variable(name) | Place::Inside(name) => f.write_str(name),
            Place::Set => f.write_str("set by the program"),
            Place::Nowhere => f.write_str("not written"),
        }
    }
}
