//! Under which path an item can be used.

use super::crate_tree::CrateTree;
use super::outline::{ModulePath, Visibility};
use super::render::Naming;

/// The names of the items in one file of a crate.
#[derive(Debug)]
pub(crate) struct InCrate<'t> {
    tree: &'t mut CrateTree,
    module: ModulePath,
    /// The path by which the module can be named from outside.
    public: Option<ModulePath>,
}

impl<'t> InCrate<'t> {
    /// Returns `None` for a module that is hidden from the documentation.
    pub(crate) fn new(tree: &'t mut CrateTree, module: ModulePath) -> Option<Self> {
        if tree.visibility(&module) == Visibility::Hidden {
            return None;
        }
        let public = tree.public_module(&module);
        Some(Self {
            tree,
            module,
            public,
        })
    }
}

impl Naming for InCrate<'_> {
    fn module(&self) -> Option<String> {
        self.public.as_ref().map(|path| self.tree.written(path))
    }

    fn item(&mut self, inline: &[String], name: &str) -> String {
        let mut path = self.module.clone();
        path.extend_from_slice(inline);
        path.push(name.to_owned());
        let public = self.tree.public_path(&path).unwrap_or(path);
        self.tree.written(&public)
    }

    fn exported_macro(&self, name: &str) -> String {
        format!("{}::{name}!", self.tree.name())
    }

    fn stem(&self) -> &str {
        self.module.last().map_or(self.tree.name(), String::as_str)
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
