//! The documentation of one unpacked crate.

use std::path::{Path, PathBuf};

use contexter_model::{DocsPage, Document, FetchDocs, Format, LibraryId};
use parking_lot::Mutex;

use super::kind::{self, Guess, Kind};
use super::page::{self, Outcome};
use super::rust_docs::{self, CrateTree, InCrate};
use super::walk::{self, Listed};
use super::{convert, file};

/// Folders of a crate that hold guides.
const GUIDE_FOLDERS: &[&str] = &["book", "doc", "docs", "guide", "guides"];

/// Files at the root of a crate that are written for its developers.
const NO_GUIDES: &[&str] = &[
    "agents",
    "authors",
    "changelog",
    "changes",
    "claude",
    "code-of-conduct",
    "codeofconduct",
    "contributing",
    "contributors",
    "copying",
    "governance",
    "history",
    "license",
    "maintainers",
    "news",
    "notice",
    "pull-request-template",
    "release",
    "releasenotes",
    "releases",
    "releasing",
    "security",
    "third-party",
    "thirdparty",
    "todo",
    "unlicense",
];

/// Folders that hold no modules of a library whose root lies beside them.
const NO_MODULES: &[&str] = &["benches", "examples", "fuzz", "target", "tests"];

/// A crate in the registry, listed.
#[derive(Debug)]
pub(crate) struct CrateDocs {
    library: LibraryId,
    folder: PathBuf,
    readme: Option<String>,
    entries: Vec<Entry>,
    tree: Mutex<CrateTree>,
}

#[derive(Debug)]
struct Entry {
    listed: Listed,
    kind: EntryKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EntryKind {
    Guide(Kind),
    Module,
}

/// What a manifest says, as far as documentation is concerned.
#[derive(Debug, Default, serde::Deserialize)]
pub(crate) struct Manifest {
    #[serde(default)]
    pub(crate) package: Package,
    #[serde(default)]
    lib: Lib,
}

#[derive(Debug, Default, serde::Deserialize)]
pub(crate) struct Package {
    #[serde(default)]
    pub(crate) description: Option<toml::Value>,
    #[serde(default)]
    readme: Option<toml::Value>,
}

#[derive(Debug, Default, serde::Deserialize)]
struct Lib {
    name: Option<String>,
    path: Option<String>,
}

impl Manifest {
    /// Reads the manifest of the crate in `folder`; one that cannot be read says nothing.
    pub(crate) fn of(folder: &Path) -> Self {
        file::read_text(&folder.join("Cargo.toml"), file::MAX_FILE_BYTES)
            .ok()
            .and_then(|text| toml::from_str(&text).ok())
            .unwrap_or_default()
    }
}

impl CrateDocs {
    /// Lists the documents of the crate `name` in `folder`, which must be canonical.
    pub(crate) fn list(library: LibraryId, name: &str, folder: PathBuf) -> Self {
        let manifest = Manifest::of(&folder);
        let root_file = folder.join(manifest.lib.path.as_deref().unwrap_or("src/lib.rs"));
        let crate_name = manifest.lib.name.unwrap_or_else(|| name.replace('-', "_"));
        let tree = CrateTree::new(crate_name, root_file);
        let listing = walk::list(&folder);
        let readme = match manifest.package.readme {
            Some(toml::Value::String(path)) => Some(path.trim_start_matches("./").to_owned()),
            Some(toml::Value::Boolean(false)) => None,
            _ => listing
                .iter()
                .map(|listed| &listed.path)
                .find(|path| is_readme(path))
                .cloned(),
        };
        let entries = listing
            .into_iter()
            .filter_map(|listed| {
                let kind = entry_kind(&listed, readme.as_deref(), &folder, &tree)?;
                Some(Entry { listed, kind })
            })
            .collect();
        Self {
            library,
            folder,
            readme,
            entries,
            tree: Mutex::new(tree),
        }
    }

    pub(crate) fn fetch(&self, request: &FetchDocs) -> DocsPage {
        page::assemble(
            &self.entries,
            request.cursor.as_deref(),
            request.limit,
            |entry| &entry.listed.path,
            |entry| self.read(entry),
        )
    }

    fn read(&self, entry: &Entry) -> Outcome {
        let path = &entry.listed.path;
        let read = match &entry.listed.file {
            Ok(file) => file::read_text(file, file::MAX_FILE_BYTES).map(|text| (file, text)),
            Err(reason) => Err(reason.clone()),
        };
        let (file, text) = match read {
            Ok(found) => found,
            Err(reason) => return Outcome::Skipped(reason),
        };
        let document = |title: String, format, text| {
            Outcome::Document(Document {
                library: self.library.clone(),
                path: path.clone(),
                title,
                format,
                text,
            })
        };
        match entry.kind {
            EntryKind::Guide(kind) => match convert::convert(kind, path, "", text) {
                Ok(converted) => document(converted.title, converted.format, converted.text),
                Err(reason) => Outcome::Skipped(reason),
            },
            EntryKind::Module => match convert::guarded(|| Ok(self.module(file, &text))) {
                Ok(Some(rendered)) => document(rendered.title, Format::Markdown, rendered.markdown),
                // Most modules of most crates document nothing.
                Ok(None) => Outcome::Nothing,
                Err(reason) => Outcome::Skipped(reason),
            },
        }
    }

    fn module(&self, file: &Path, text: &str) -> Option<rust_docs::Rendered> {
        let mut tree = self.tree.lock();
        let module = tree.module_of(file)?;
        let mut naming = InCrate::new(&mut tree, module)?;
        rust_docs::document(text, &mut naming, &|path| self.included(file, path))
    }

    /// Reads what `include_str!` in `file` names, if it is part of the crate.
    fn included(&self, file: &Path, path: &str) -> Option<String> {
        let target = std::fs::canonicalize(file.parent()?.join(path)).ok()?;
        let relative = target.strip_prefix(&self.folder).ok()?;
        // The readme is a document of its own.
        if self
            .readme
            .as_deref()
            .is_some_and(|readme| relative == Path::new(readme))
        {
            return None;
        }
        file::read_text(&target, file::MAX_FILE_BYTES).ok()
    }
}

fn entry_kind(
    listed: &Listed,
    readme: Option<&str>,
    folder: &Path,
    tree: &CrateTree,
) -> Option<EntryKind> {
    let path = listed.path.as_str();
    let guess = kind::guess(path.rsplit('/').next().unwrap_or(path));
    if Some(path) == readme {
        return match guess {
            Guess::Text(kind) => Some(EntryKind::Guide(kind)),
            _ => Some(EntryKind::Guide(Kind::Plain)),
        };
    }
    let Guess::Text(kind) = guess else {
        return None;
    };
    if kind == Kind::Rust {
        let file = listed.file.as_ref().ok()?;
        let within = file.strip_prefix(tree.root_folder()).ok()?;
        let mut parts = within.components().map(std::path::Component::as_os_str);
        let first = parts.next()?;
        let is_program = first == "bin" || first == "main.rs" || first == "build.rs";
        let is_beside =
            tree.root_folder() == folder && NO_MODULES.iter().any(|name| first == *name);
        return (!is_program && !is_beside).then_some(EntryKind::Module);
    }
    let is_guide = match path.split_once('/') {
        Some((first, _)) => GUIDE_FOLDERS.contains(&first) && kind != Kind::Plain,
        None => matches!(kind, Kind::Markdown | Kind::Mdx) && !is_for_developers(path),
    };
    is_guide.then_some(EntryKind::Guide(kind))
}

fn is_readme(path: &str) -> bool {
    let lower = path.to_lowercase();
    matches!(
        lower.as_str(),
        "readme.md" | "readme" | "readme.txt" | "readme.rst" | "readme.markdown"
    )
}

fn is_for_developers(path: &str) -> bool {
    let stem = path
        .split('.')
        .next()
        .unwrap_or(path)
        .to_lowercase()
        .replace('_', "-");
    // A second readme is the first one in another language.
    stem.starts_with("readme") || NO_GUIDES.iter().any(|name| stem.starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_read_as_cargo_writes_it() {
        let text = "[package]\nname = \"x\"\ndescription = \"\"\"About\n it.\"\"\"\nreadme = false\n\n\
                    [lib]\nname = \"y\"\npath = \"lib.rs\"\n";
        let manifest: Manifest = toml::from_str(text).unwrap();
        assert_eq!(
            manifest.package.description.unwrap().as_str(),
            Some("About\n it.")
        );
        assert_eq!(manifest.package.readme, Some(toml::Value::Boolean(false)));
        assert_eq!(manifest.lib.name.as_deref(), Some("y"));
        assert_eq!(manifest.lib.path.as_deref(), Some("lib.rs"));
    }
}
