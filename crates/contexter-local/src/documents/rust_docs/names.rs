//! Under which path an item can be used: modules, visibility and re-exports of a crate.
//!
//! Only the modules above a file are read, when the file is: the crate is never held as a whole.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use crate::documents::file;

use super::items::{self, Item, Kind, Module};
use super::render::Naming;

/// Re-exports of re-exports are followed this far.
const MAX_HOPS: usize = 8;

/// A path of names, without the crate's own.
type ModulePath = Vec<String>;

/// The module tree of a crate, as far as it has been looked at.
#[derive(Debug)]
pub(crate) struct CrateTree {
    name: String,
    root_file: PathBuf,
    root_folder: PathBuf,
    outlines: HashMap<ModulePath, Outline>,
}

/// What a file says about modules and re-exports.
#[derive(Debug, Default)]
struct Outline {
    modules: BTreeMap<ModulePath, Visibility>,
    exports: Vec<Export>,
}

/// Whether a module can be named from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visibility {
    Public,
    Private,
    /// Hidden from the documentation, or part of the tests.
    Hidden,
}

/// A public `use`.
#[derive(Debug)]
struct Export {
    from: ModulePath,
    target: ModulePath,
    /// `None` for a glob.
    name: Option<String>,
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
        }
    }

    pub(crate) fn root_folder(&self) -> &Path {
        &self.root_folder
    }

    /// Returns the path of the module in `file`, by the convention of Cargo.
    pub(crate) fn module_of(&self, file: &Path) -> Option<Vec<String>> {
        if file == self.root_file {
            return Some(Vec::new());
        }
        let relative = file
            .strip_prefix(&self.root_folder)
            .ok()?
            .with_extension("");
        let mut path: Vec<String> = relative
            .components()
            .map(|part| part.as_os_str().to_str().map(str::to_owned))
            .collect::<Option<_>>()?;
        if path.last().is_some_and(|last| last == "mod") {
            path.pop();
        }
        Some(path)
    }

    /// Returns whether a module can be named from outside.
    pub(crate) fn visibility(&mut self, module: &[String]) -> Visibility {
        let mut whole = Visibility::Public;
        for length in 1..=module.len() {
            let Some((path, above)) = module
                .get(..length)
                .and_then(|path| Some((path, path.split_last()?.1)))
            else {
                break;
            };
            let declared = self
                .outlines_above(above)
                .iter()
                .find_map(|outline| outline.modules.get(path).copied())
                // Declared by a macro, or not part of the crate at all.
                .unwrap_or(Visibility::Private);
            match declared {
                Visibility::Hidden => return Visibility::Hidden,
                Visibility::Private => whole = Visibility::Private,
                Visibility::Public => {}
            }
        }
        whole
    }

    /// Returns the shortest way to name an item from outside, the plain path if there is none.
    fn public_path(&mut self, module: &[String], name: &str) -> String {
        let mut at = module.to_vec();
        let mut item = name.to_owned();
        for _ in 0..MAX_HOPS {
            if self.visibility(&at) == Visibility::Public {
                return self.joined(&at, &item);
            }
            let Some((from, alias)) = self.export_of(&at, &item) else {
                break;
            };
            if from == at && alias == item {
                break;
            }
            at = from;
            item = alias;
        }
        self.joined(module, name)
    }

    /// Finds the nearest module that exports the item: one above it, or a public one beside those.
    fn export_of(&mut self, module: &[String], item: &str) -> Option<(ModulePath, String)> {
        let above = self.outlines_above(module);
        let mut found: Vec<(ModulePath, String)> = above
            .iter()
            .flat_map(|outline| outline.exports_of(module, item))
            .collect();
        if found.is_empty() {
            let beside: Vec<ModulePath> = above
                .iter()
                .flat_map(|outline| &outline.modules)
                .filter(|(path, visibility)| {
                    **visibility == Visibility::Public && !module.starts_with(path)
                })
                .map(|(path, _)| path.clone())
                .collect();
            for path in &beside {
                found.extend(self.outline(path).exports_of(module, item));
            }
        }
        found
            .into_iter()
            .find(|(from, _)| self.visibility(from) != Visibility::Hidden)
    }

    /// Returns the outlines of the files that hold `module` and the modules above it, the nearest
    /// first.
    fn outlines_above(&mut self, module: &[String]) -> Vec<&Outline> {
        let paths: Vec<&[String]> = (0..=module.len())
            .rev()
            .filter_map(|length| module.get(..length))
            .collect();
        for path in &paths {
            self.outline(path);
        }
        paths
            .iter()
            .filter_map(|path| self.outlines.get(*path))
            .collect()
    }

    /// Returns the outline of the file that holds `module`, read when it is first asked for.
    fn outline(&mut self, module: &[String]) -> &Outline {
        if !self.outlines.contains_key(module) {
            let outline = self.read(module);
            self.outlines.insert(module.to_vec(), outline);
        }
        // Inserted above, if it was missing.
        self.outlines.entry(module.to_vec()).or_default()
    }

    fn read(&self, module: &[String]) -> Outline {
        let mut outline = Outline::default();
        let candidates = if module.is_empty() {
            vec![self.root_file.clone()]
        } else {
            let folder: PathBuf = self.root_folder.join(module.join("/"));
            vec![folder.with_extension("rs"), folder.join("mod.rs")]
        };
        let Some(file) = candidates.iter().find(|file| file.is_file()) else {
            return outline;
        };
        let Ok(text) = file::read_text(file, file::MAX_FILE_BYTES) else {
            return outline;
        };
        if let Ok(content) = items::read(&text, &|_| None) {
            outline.add(&content, module);
        }
        outline
    }

    fn joined(&self, module: &[String], name: &str) -> String {
        let mut path = self.name.clone();
        for part in module.iter().map(String::as_str).chain([name]) {
            path.push_str("::");
            path.push_str(part);
        }
        path
    }
}

impl Outline {
    /// Returns where, and under which names, this file exports an item of another module.
    fn exports_of<'o>(
        &'o self,
        module: &'o [String],
        item: &'o str,
    ) -> impl Iterator<Item = (ModulePath, String)> + 'o {
        let others = self
            .exports
            .iter()
            .filter(move |export| export.from != module);
        others.filter_map(move |export| {
            let name = match &export.name {
                Some(alias) => {
                    let (last, target) = export.target.split_last()?;
                    (target == module && last == item).then(|| alias.clone())
                }
                None => (export.target == module).then(|| item.to_owned()),
            };
            Some((export.from.clone(), name?))
        })
    }

    fn add(&mut self, module: &Module, path: &[String]) {
        let children: Vec<&str> = module
            .items
            .iter()
            .filter(|item| matches!(item.kind, Kind::Module(_)))
            .map(|item| item.name.as_str())
            .collect();
        for item in &module.items {
            match &item.kind {
                Kind::Module(inline) => {
                    let mut child = path.to_vec();
                    child.push(item.name.clone());
                    if let Some(inline) = inline {
                        self.add(inline, &child);
                    }
                    // One of several declarations for different platforms suffices.
                    let visibility = visibility_of(item);
                    let known = self.modules.entry(child).or_insert(visibility);
                    if visibility == Visibility::Public {
                        *known = visibility;
                    }
                }
                Kind::Use(imports) if item.is_public && !item.is_hidden => {
                    for import in imports {
                        if let Some(target) = absolute(&import.path, path, &children) {
                            self.exports.push(Export {
                                from: path.to_vec(),
                                target,
                                name: import.name.clone(),
                            });
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

fn visibility_of(item: &Item) -> Visibility {
    if item.is_hidden || item.is_test {
        Visibility::Hidden
    } else if item.is_public {
        Visibility::Public
    } else {
        Visibility::Private
    }
}

/// Resolves a path of a `use` in `module`; `None` if it leads out of the crate.
fn absolute(import: &[String], module: &[String], children: &[&str]) -> Option<ModulePath> {
    let (first, rest) = import.split_first()?;
    let mut base = match first.as_str() {
        "crate" => Vec::new(),
        "self" => module.to_vec(),
        "super" => module.split_last()?.1.to_vec(),
        name if children.contains(&name) => {
            let mut base = module.to_vec();
            base.push(first.clone());
            base
        }
        _ => return None,
    };
    for part in rest {
        if part == "super" {
            base.pop()?;
        } else {
            base.push(part.clone());
        }
    }
    Some(base)
}

/// The names of the items in one file of a crate.
#[derive(Debug)]
pub(crate) struct InCrate<'t> {
    tree: &'t mut CrateTree,
    module: ModulePath,
    is_public: bool,
}

impl<'t> InCrate<'t> {
    /// Returns `None` for a module that is hidden from the documentation.
    pub(crate) fn new(tree: &'t mut CrateTree, module: ModulePath) -> Option<Self> {
        let visibility = tree.visibility(&module);
        (visibility != Visibility::Hidden).then_some(Self {
            tree,
            module,
            is_public: visibility == Visibility::Public,
        })
    }
}

impl Naming for InCrate<'_> {
    fn module(&self) -> Option<String> {
        if !self.is_public {
            return None;
        }
        match self.module.split_last() {
            Some((last, above)) => Some(self.tree.joined(above, last)),
            None => Some(self.tree.name.clone()),
        }
    }

    fn item(&mut self, inline: &[String], name: &str) -> String {
        let mut module = self.module.clone();
        module.extend_from_slice(inline);
        self.tree.public_path(&module, name)
    }

    fn exported_macro(&self, name: &str) -> String {
        format!("{}::{name}!", self.tree.name)
    }

    fn stem(&self) -> &str {
        self.module.last().map_or(&self.tree.name, String::as_str)
    }
}

/// The names of the items in a file that is read on its own: every module counts as public.
#[derive(Debug)]
pub(crate) struct Alone {
    module: Vec<String>,
}

impl Alone {
    /// Names the items by the path of their file, `folder` being what the path is relative to.
    pub(crate) fn new(path: &str, folder: &str) -> Self {
        let stem = path.strip_suffix(".rs").unwrap_or(path);
        let parts: Vec<&str> = stem.split('/').collect();
        let source = parts.iter().rposition(|part| *part == "src");
        let mut module: Vec<String> = Vec::new();
        if let Some(at) = source {
            let name = at.checked_sub(1).and_then(|above| parts.get(above));
            module.push(name.copied().unwrap_or(folder).replace('-', "_"));
            module.extend(parts.iter().skip(at + 1).map(|part| (*part).to_owned()));
        } else {
            module.extend(parts.last().map(|part| (*part).to_owned()));
        }
        if module.len() > 1
            && module
                .last()
                .is_some_and(|last| last == "mod" || last == "lib")
        {
            module.pop();
        }
        Self { module }
    }
}

impl Naming for Alone {
    fn module(&self) -> Option<String> {
        Some(self.module.join("::"))
    }

    fn item(&mut self, inline: &[String], name: &str) -> String {
        let mut path = self.module.join("::");
        for part in inline.iter().map(String::as_str).chain([name]) {
            path.push_str("::");
            path.push_str(part);
        }
        path
    }

    fn exported_macro(&self, name: &str) -> String {
        let root = self.module.first().map_or("", String::as_str);
        format!("{root}::{name}!")
    }

    fn stem(&self) -> &str {
        self.module.last().map_or("", String::as_str)
    }
}
