//! What cargo knows of the workspace.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::cargo;

/// One crate of the workspace.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) published: bool,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
}

/// One line of a crate's dependency tables.
#[derive(Clone, Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `normal`, `dev` or `build`.
    pub(crate) kind: String,
}

/// Something that cargo builds from a crate.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) name: String,
    /// `lib`, `bin`, `example`, `test`, `bench`, ….
    pub(crate) kind: String,
}

/// Asks cargo for the crates of the workspace.
pub(crate) fn packages() -> Result<Vec<Package>> {
    let json =
        cargo::output(cargo::cargo("metadata").args(["--no-deps", "--format-version", "1"]))?;
    parse(&json).context("cannot read what `cargo metadata` printed")
}

fn parse(json: &str) -> Result<Vec<Package>> {
    let metadata: Value = serde_json::from_str(json)?;
    list(&metadata, "packages")?.iter().map(package).collect()
}

fn package(value: &Value) -> Result<Package> {
    let dependencies = list(value, "dependencies")?.iter().map(|dependency| {
        let kind = dependency
            .get("kind")
            .and_then(Value::as_str)
            .unwrap_or("normal");
        Ok(Dependency {
            name: text(dependency, "name")?,
            kind: kind.to_owned(),
        })
    });
    let targets = list(value, "targets")?.iter().map(|target| {
        let kind = list(target, "kind")?
            .first()
            .and_then(Value::as_str)
            .unwrap_or("lib");
        Ok(Target {
            name: text(target, "name")?,
            kind: kind.to_owned(),
        })
    });
    let manifest = text(value, "manifest_path")?;
    Ok(Package {
        name: text(value, "name")?,
        folder: Path::new(&manifest)
            .parent()
            .unwrap_or(Path::new("."))
            .to_owned(),
        // `null`: any registry; `[]`: `publish = false`.
        published: value
            .get("publish")
            .and_then(Value::as_array)
            .is_none_or(|to| !to.is_empty()),
        dependencies: dependencies.collect::<Result<_>>()?,
        targets: targets.collect::<Result<_>>()?,
    })
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>> {
    value
        .get(key)
        .and_then(Value::as_array)
        .with_context(|| format!("no list `{key}`"))
}

fn text(value: &Value, key: &str) -> Result<String> {
    let text = value.get(key).and_then(Value::as_str);
    text.map(str::to_owned)
        .with_context(|| format!("no text `{key}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_cargo_prints() {
        let json = r#"{"packages": [{
            "name": "a", "manifest_path": "/w/crates/a/Cargo.toml", "publish": [],
            "dependencies": [{"name": "b", "kind": null}, {"name": "c", "kind": "dev"}],
            "targets": [{"name": "show", "kind": ["example"]}]
        }]}"#;
        let packages = parse(json).unwrap();
        let package = &packages[0];
        assert_eq!(package.folder, Path::new("/w/crates/a"));
        assert!(!package.published);
        assert_eq!(package.dependencies[0].kind, "normal");
        assert_eq!(package.dependencies[1].kind, "dev");
        assert_eq!(package.targets[0].kind, "example");
    }

    #[test]
    fn a_missing_key_is_named() {
        let error = parse(r#"{"packages": [{"name": "a"}]}"#).unwrap_err();
        assert_eq!(error.to_string(), "no list `dependencies`");
    }
}
