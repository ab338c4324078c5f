//! Listing the files of a folder, in a fixed order and without following symbolic links.
//!
//! A link into the folder leads to what is listed anyway, a link out of it leads to what the
//! caller did not name: following neither makes loops and link bombs harmless.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

/// Folders that hold no documentation of the project, besides the hidden ones.
const IGNORED_FOLDERS: [&str; 2] = ["target", "node_modules"];

/// The file that marks a folder as a cache, and how it begins (bford.info/cachedir): what it holds
/// was made by a program, such as an index of this very documentation.
const CACHE_TAG: &str = "CACHEDIR.TAG";
const CACHE_SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// Pages that Sphinx generates and that hold only links.
const SPHINX_INDEXES: [&str; 3] = ["genindex.html", "py-modindex.html", "search.html"];

/// One file of a folder, or a place that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// The path within the folder, with `/` between the parts; unique.
    pub(crate) path: String,
    /// The last part of the path, as it is on disk.
    pub(crate) name: String,
    /// The file, or why it cannot be read.
    pub(crate) file: Result<PathBuf, String>,
}

/// Lists the files below `root`, sorted by [`Listed::path`].
///
/// `root` must be canonical.
pub(crate) fn list(root: &Path) -> Vec<Listed> {
    let mut listed = Vec::new();
    let entries = WalkDir::new(root)
        .min_depth(1)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| entry.depth() == 0 || !is_ignored(entry));
    for entry in entries {
        match entry {
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry) => {
                let file = if entry.path_is_symlink() {
                    match link_reason(root, entry.path()) {
                        Some(reason) => Err(reason),
                        None => continue,
                    }
                } else if entry.file_type().is_file() {
                    Ok(entry.path().to_path_buf())
                } else {
                    Err("not a regular file".to_owned())
                };
                let path = shown(root, entry.path());
                let name = entry.file_name().to_string_lossy().into_owned();
                listed.push(Listed { path, name, file });
            }
            Err(error) => {
                let path = error
                    .path()
                    .map_or_else(String::new, |path| shown(root, path));
                let reason = match error.io_error() {
                    Some(cause) => format!("cannot be read: {cause}"),
                    None => "cannot be read".to_owned(),
                };
                listed.push(Listed {
                    path,
                    name: String::new(),
                    file: Err(reason),
                });
            }
        }
    }
    listed.sort_by(|a, b| a.path.cmp(&b.path));
    make_unique(&mut listed);
    listed
}

/// Returns why the link is left out; `None` if it leads to what is listed anyway.
fn link_reason(root: &Path, link: &Path) -> Option<String> {
    match std::fs::canonicalize(link) {
        Ok(target) if link.starts_with(&target) => Some("symbolic link loop".to_owned()),
        Ok(target) if target.starts_with(root) => None,
        Ok(_) => Some("symbolic link out of the folder".to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Some("broken symbolic link".to_owned())
        }
        Err(error) => Some(format!("symbolic link that cannot be followed: {error}")),
    }
}

fn is_ignored(entry: &DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy();
    if name.starts_with('.') {
        return true;
    }
    let folder = entry.path().parent();
    if entry.file_type().is_dir() {
        // Sphinx publishes beside its pages a copy of the text that they were made of.
        let is_copy = name == "_sources" && folder.is_some_and(is_sphinx);
        IGNORED_FOLDERS.contains(&name.as_ref()) || is_copy || is_cache(entry.path())
    } else {
        let is_index = SPHINX_INDEXES.contains(&name.as_ref()) || name.starts_with("genindex-");
        name == CACHE_TAG || is_index && folder.is_some_and(is_sphinx)
    }
}

fn is_cache(folder: &Path) -> bool {
    let mut start = [0; CACHE_SIGNATURE.len()];
    File::open(folder.join(CACHE_TAG))
        .and_then(|mut tag| tag.read_exact(&mut start))
        .is_ok_and(|()| start == *CACHE_SIGNATURE)
}

fn is_sphinx(folder: &Path) -> bool {
    folder.join("searchindex.js").is_file() || folder.join("objects.inv").is_file()
}

fn shown(root: &Path, path: &Path) -> String {
    let parts: Vec<_> = path
        .strip_prefix(root)
        .unwrap_or(path)
        .components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    parts.join("/")
}

/// Tells apart names that differ only in bytes that are no UTF-8.
fn make_unique(listed: &mut [Listed]) {
    let mut taken: HashSet<String> = HashSet::with_capacity(listed.len());
    let mut renamed = false;
    for entry in &mut *listed {
        let mut path = entry.path.clone();
        let mut number = 1_u32;
        while taken.contains(&path) {
            number += 1;
            path = format!("{}~{number}", entry.path);
        }
        renamed |= number > 1;
        taken.insert(path.clone());
        entry.path = path;
    }
    if renamed {
        listed.sort_by(|a, b| a.path.cmp(&b.path));
    }
}
