//! What a file says about modules and re-exports.

use std::collections::BTreeMap;

use super::items::{Item, Kind, Module};

/// A path of names from the root of a crate, without the crate's own.
pub(crate) type ModulePath = Vec<String>;

/// The modules and the public `use`s of a file.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    pub(crate) modules: BTreeMap<ModulePath, Visibility>,
    pub(crate) exports: Vec<Export>,
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
#[derive(Clone, Debug)]
pub(crate) struct Export {
    /// The module that exports.
    pub(crate) from: ModulePath,
    /// What it exports; for a glob, the module whose items it exports.
    pub(crate) target: ModulePath,
    /// The name it gives to `target`; `None` for a glob.
    pub(crate) name: Option<String>,
}

impl Export {
    /// Returns whether some item of `module` may be named by this export.
    pub(crate) fn concerns(&self, module: &[String]) -> bool {
        let names_item = || {
            self.name.is_some()
                && self
                    .target
                    .split_last()
                    .is_some_and(|(_, above)| above == module)
        };
        self.from != module && (module.starts_with(&self.target) || names_item())
    }

    /// Returns the path that this export gives to the item at `path`.
    pub(crate) fn rename(&self, path: &[String]) -> Option<ModulePath> {
        let rest = path.strip_prefix(self.target.as_slice())?;
        // A glob exports what is in the module, not the module.
        if self.name.is_none() && rest.is_empty() {
            return None;
        }
        Some(
            self.from
                .iter()
                .chain(&self.name)
                .chain(rest)
                .cloned()
                .collect(),
        )
    }
}

impl Outline {
    /// Adds the content of `module`, which stands at `path`.
    pub(crate) fn add(&mut self, module: &Module, path: &[String]) {
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
