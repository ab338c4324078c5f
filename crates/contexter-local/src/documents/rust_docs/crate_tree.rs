//! The modules of a crate: which can be named from outside, and under which path their items are.
//!
//! Only the modules above a file and beside those are read, when the file is: the crate is never
//! held as a whole.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::documents::file;

use super::items;
use super::outline::{Export, ModulePath, Outline, Visibility};

/// Re-exports of re-exports are followed this far.
const MAX_HOPS: usize = 8;

/// How many public modules beside those above a file are searched for re-exports.
const MAX_BESIDE: usize = 64;

/// A module that only re-exports is a small file; larger ones are not searched, in bytes.
const MAX_BESIDE_BYTES: u64 = 64 << 10;

/// The module tree of a crate, as far as it has been looked at.
#[derive(Debug)]
pub(crate) struct CrateTree {
    name: String,
    root_file: PathBuf,
    root_folder: PathBuf,
    outlines: HashMap<ModulePath, Outline>,
    visibilities: HashMap<ModulePath, Visibility>,
    exports: HashMap<ModulePath, Arc<[Export]>>,
}

impl CrateTree {
    /// Creates the tree of the crate `name` whose root module is `root_file`.
    pub(crate) fn new(name: String, root_file: PathBuf) -> Self {
        let root_folder = root_file
            .parent()
            .map(Path::to_path_buf)
            .unwrap_or_default();
        Self {
            name,
            root_file,
            root_folder,
            outlines: HashMap::new(),
            visibilities: HashMap::new(),
            exports: HashMap::new(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn root_folder(&self) -> &Path {
        &self.root_folder
    }

    /// Returns the path of the module in `file`, by the convention of Cargo.
    pub(crate) fn module_of(&self, file: &Path) -> Option<ModulePath> {
        if file == self.root_file {
            return Some(Vec::new());
        }
        let relative = file
            .strip_prefix(&self.root_folder)
            .ok()?
            .with_extension("");
        let mut path: ModulePath = relative
            .components()
            .map(|part| part.as_os_str().to_str().map(str::to_owned))
            .collect::<Option<_>>()?;
        if path.last().is_some_and(|last| last == "mod") {
            path.pop();
        }
        Some(path)
    }

    /// Returns whether a module can be named from outside by the path at which it is declared.
    pub(crate) fn visibility(&mut self, module: &[String]) -> Visibility {
        let Some((_, above)) = module.split_last() else {
            return Visibility::Public;
        };
        if let Some(known) = self.visibilities.get(module) {
            return *known;
        }
        let visibility = match (self.declared(module), self.visibility(above)) {
            (Visibility::Hidden, _) | (_, Visibility::Hidden) => Visibility::Hidden,
            (Visibility::Private, _) | (_, Visibility::Private) => Visibility::Private,
            (Visibility::Public, Visibility::Public) => Visibility::Public,
        };
        self.visibilities.insert(module.to_vec(), visibility);
        visibility
    }

    /// Returns the path by which what is at `path` can be named from outside, if there is one.
    pub(crate) fn public_path(&mut self, path: &[String]) -> Option<ModulePath> {
        let mut path = path.to_vec();
        for _ in 0..MAX_HOPS {
            let (_, module) = path.split_last()?;
            if self.visibility(module) == Visibility::Public {
                return Some(path);
            }
            let mut next = None;
            for export in self.exports_for(module).iter() {
                let Some(renamed) = export.rename(&path) else {
                    continue;
                };
                let from = self.visibility(&export.from);
                if from == Visibility::Hidden || !self.is_open(module, export.target.len()) {
                    continue;
                }
                if from == Visibility::Public {
                    return Some(renamed);
                }
                next = next.or(Some(renamed));
            }
            path = next?;
        }
        None
    }

    /// Returns the path by which a module can be named from outside, if there is one.
    pub(crate) fn public_module(&mut self, module: &[String]) -> Option<ModulePath> {
        match self.declared(module) {
            Visibility::Public if module.is_empty() => Some(Vec::new()),
            // It can be named as far as the module above it can.
            Visibility::Public => self.public_path(module),
            Visibility::Private | Visibility::Hidden => None,
        }
    }

    /// Returns a path as it is written.
    pub(crate) fn written(&self, path: &[String]) -> String {
        let mut written = self.name.clone();
        for part in path {
            written.extend(["::", part.as_str()]);
        }
        written
    }

    /// Returns whether the modules from the outer one of length `from` to `module` are public.
    fn is_open(&mut self, module: &[String], from: usize) -> bool {
        (from + 1..=module.len()).all(|length| {
            module
                .get(..length)
                .is_some_and(|path| self.declared(path) == Visibility::Public)
        })
    }

    /// Returns how a module is declared, whatever the modules above it are.
    fn declared(&mut self, module: &[String]) -> Visibility {
        let Some((_, above)) = module.split_last() else {
            return Visibility::Public;
        };
        self.read_above(above);
        self.above(above)
            .find_map(|outline| outline.modules.get(module).copied())
            // Declared by a macro, or not part of the crate at all.
            .unwrap_or(Visibility::Private)
    }

    /// Returns the exports that may name items of `module`: those of the modules above it, the
    /// nearest first, then those of public modules beside these.
    fn exports_for(&mut self, module: &[String]) -> Arc<[Export]> {
        if let Some(known) = self.exports.get(module) {
            return Arc::clone(known);
        }
        self.read_above(module);
        let beside: Vec<ModulePath> = self
            .above(module)
            .flat_map(|outline| &outline.modules)
            .filter(|(path, visibility)| {
                **visibility == Visibility::Public && !module.starts_with(path)
            })
            .map(|(path, _)| path.clone())
            .take(MAX_BESIDE)
            .collect();
        for path in &beside {
            self.read(path, MAX_BESIDE_BYTES);
        }
        let found: Arc<[Export]> = self
            .above(module)
            .chain(beside.iter().filter_map(|path| self.outlines.get(path)))
            .flat_map(|outline| &outline.exports)
            .filter(|export| export.concerns(module))
            .cloned()
            .collect();
        self.exports.insert(module.to_vec(), Arc::clone(&found));
        found
    }

    /// Returns the outlines of the files of `module` and the modules above it, the nearest first.
    fn above<'t>(&'t self, module: &'t [String]) -> impl Iterator<Item = &'t Outline> {
        (0..=module.len())
            .rev()
            .filter_map(|length| self.outlines.get(module.get(..length)?))
    }

    fn read_above(&mut self, module: &[String]) {
        for length in 0..=module.len() {
            if let Some(path) = module.get(..length) {
                self.read(path, file::MAX_FILE_BYTES);
            }
        }
    }

    /// Reads the outline of the file of `module`, unless that has been done.
    fn read(&mut self, module: &[String], max_bytes: u64) {
        if self.outlines.contains_key(module) {
            return;
        }
        let candidates = if module.is_empty() {
            vec![self.root_file.clone()]
        } else {
            let folder = self.root_folder.join(module.join("/"));
            vec![folder.with_extension("rs"), folder.join("mod.rs")]
        };
        let mut outline = Outline::default();
        if let Some(text) = candidates
            .iter()
            .find(|file| file.is_file())
            .and_then(|file| file::read_text(file, max_bytes).ok())
            && let Ok(content) = items::read(&text, &|_| None)
        {
            outline.add(&content, module);
        }
        self.outlines.insert(module.to_vec(), outline);
    }
}
