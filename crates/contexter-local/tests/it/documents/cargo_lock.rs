use std::fs;
use std::path::PathBuf;

use contexter_local::{CargoLock, default_registry};
use contexter_model::{ErrorKind, FetchDocs, ResolveLibrary};
use contexter_service::Service;
use tempfile::TempDir;

use super::{All, fetch_all};

/// A registry and a lock file.
struct Fixture {
    folder: TempDir,
    packages: String,
}

impl Fixture {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            packages: String::new(),
        }
    }

    fn registry(&self) -> PathBuf {
        default_registry(Some(self.folder.path().to_path_buf())).unwrap()
    }

    fn lock(mut self, name: &str, version: &str, source: Option<&str>) -> Self {
        let source = source.map_or_else(String::new, |s| format!("source = \"{s}\"\n"));
        let package =
            format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n{source}\n");
        self.packages.push_str(&package);
        self
    }

    fn package(self, name: &str, version: &str, files: &[(&str, &str)]) -> Self {
        let root = self
            .registry()
            .join("index.example-1")
            .join(format!("{name}-{version}"));
        for (path, content) in files {
            let file = root.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, content).unwrap();
        }
        self.lock(name, version, Some("registry+https://example.org"))
    }

    async fn open(&self) -> CargoLock {
        let lock = self.folder.path().join("Cargo.lock");
        fs::write(&lock, format!("version = 4\n\n{}", self.packages)).unwrap();
        CargoLock::open(lock, self.registry()).await.unwrap()
    }

    async fn all(&self, library: &str) -> All {
        let source = self.open().await;
        let library = library.parse().unwrap();
        let all = fetch_all(&source, &library, 100).await;
        let single = fetch_all(&source, &library, 1).await;
        assert_eq!(
            all.documents, single.documents,
            "pages do not change the documents"
        );
        all
    }
}

async fn resolved(source: &CargoLock, name: &str, limit: usize) -> Vec<String> {
    let name = name.to_owned();
    let found = source.call(ResolveLibrary { name, limit }).await.unwrap();
    found
        .into_iter()
        .map(|library| library.id.to_string())
        .collect()
}

#[tokio::test]
async fn names_resolve_exactly_first_and_the_newest_version_first() {
    let manifest = [(
        "Cargo.toml",
        "[package]\nname = \"x\"\ndescription = \"\"\"About\n it.\"\"\"\n",
    )];
    let fixture = Fixture::new()
        .package("tokio-util", "0.7.0", &manifest)
        .package("tokio", "0.3.7", &manifest)
        .package("tokio", "1.10.0", &manifest)
        .package("tokio", "1.9.0", &manifest)
        .package("my_tokio", "1.0.0", &manifest);
    let source = fixture.open().await;
    assert_eq!(
        resolved(&source, "Tokio", 10).await,
        [
            "/crates/tokio/1.10.0",
            "/crates/tokio/1.9.0",
            "/crates/tokio/0.3.7",
            "/crates/tokio-util/0.7.0",
            "/crates/my_tokio/1.0.0"
        ]
    );
    assert_eq!(
        resolved(&source, "tokio", 1).await,
        ["/crates/tokio/1.10.0"]
    );
    assert_eq!(
        resolved(&source, "tokio_util", 9).await,
        ["/crates/tokio-util/0.7.0"]
    );
    assert_eq!(
        resolved(&source, "my-tokio", 9).await,
        ["/crates/my_tokio/1.0.0"]
    );
    assert_eq!(resolved(&source, "", 99).await.len(), 5);
    assert_eq!(resolved(&source, "serde", 9).await, Vec::<String>::new());
    let name = "my_tokio".to_owned();
    let found = source
        .call(ResolveLibrary { name, limit: 1 })
        .await
        .unwrap();
    assert_eq!(
        (found[0].title.as_str(), found[0].description.as_str()),
        ("my_tokio", "About it.")
    );
}

#[tokio::test]
async fn packages_without_sources_are_listed_with_the_reason() {
    let source = Fixture::new()
        .package("here", "1.0.0", &[("README.md", "# Here\n")])
        .lock("own", "0.1.0", None)
        .lock("forked", "0.1.0", Some("git+https://example.org/forked"))
        .lock("gone", "2.0.0", Some("registry+https://example.org"))
        .lock("../../etc", "1.0.0", Some("registry+https://example.org"))
        .open()
        .await;
    let skipped: Vec<(&str, &str)> = source
        .skipped()
        .iter()
        .map(|skipped| (skipped.path.as_str(), skipped.reason.as_str()))
        .collect();
    assert_eq!(
        skipped[0],
        ("forked 0.1.0", "a git dependency: index its folder instead")
    );
    assert_eq!(
        skipped[1],
        (
            "gone 2.0.0",
            "its sources are not in the local registry: run cargo fetch"
        )
    );
    assert_eq!(skipped[2].0, "../../etc 1.0.0");
    assert_eq!(skipped.len(), 3);
    assert_eq!(source.own(), ["own"], "the workspace itself is not skipped");
    assert_eq!(resolved(&source, "", 9).await, ["/crates/here/1.0.0"]);
}

#[tokio::test]
async fn a_crate_is_its_readme_its_guides_and_its_modules() {
    let all = Fixture::new()
        .package(
            "demo-kit",
            "1.0.0",
            &[
                ("Cargo.toml", "[package]\nname = \"demo-kit\"\nreadme = \"README.md\"\n"),
                ("README.md", "# Demo\n"),
                ("CHANGELOG.md", "# Changes\n"),
                ("CONTRIBUTING.md", "# Contributing\n"),
                ("TUTORIAL.md", "# Tutorial\n"),
                ("docs/guide.md", "# Guide\n"),
                ("docs/notes.txt", "notes\n"),
                ("tests/data/case.md", "# Case\n"),
                ("examples/e.rs", "//! Example.\n"),
                ("build.rs", "//! Build.\n"),
                ("src/main.rs", "//! Program.\n"),
                ("src/bin/tool.rs", "//! Tool.\n"),
                ("src/lib.rs", "#![doc = include_str!(\"../README.md\")]\n//! The crate.\npub mod net;\n"),
                ("src/net/mod.rs", "#![doc = include_str!(\"net.txt\")]\n#![doc = include_str!(\"../../../../../../Cargo.lock\")]\n"),
                ("src/net/net.txt", "Included text.\n"),
            ],
        )
        .all("/crates/demo-kit/1.0.0")
        .await;
    assert_eq!(
        all.paths(),
        [
            "README.md",
            "TUTORIAL.md",
            "docs/guide.md",
            "src/lib.rs",
            "src/net/mod.rs"
        ]
    );
    assert_eq!(all.title("src/net/mod.rs"), "demo_kit::net");
    assert_eq!(
        all.text("src/lib.rs"),
        "# demo_kit\n\nThe crate.\n",
        "the readme is not repeated"
    );
    assert_eq!(
        all.text("src/net/mod.rs"),
        "# demo_kit::net\n\nIncluded text.\n",
        "nothing from outside the crate is included"
    );
}

const LIB: &str = r"//! The crate.
mod sem;
pub mod time;
#[doc(hidden)]
pub mod internals { pub use crate::deep::Buried; }
pub mod outer { pub use crate::deep::Buried; }
mod deep;
mod beside;
pub mod facade;
#[doc(hidden)]
pub mod secret;
#[cfg(test)]
mod tests;
pub use sem::{Semaphore, permit as slot};
cfg_extra! {
    pub mod extra;
}
/// A macro.
#[macro_export]
macro_rules! shout { ($x:expr) => {}; }
";

const SEM: &str = r#"//! Notes for the developers.
use std::fmt;

/// Limits things.
///
/// See [`acquire`](Self::acquire) and [the book].
///
/// [the book]: https://example.org
#[derive(Debug)]
pub struct Semaphore<T = Vec<u8>>
where
    T: Clone,
{
    /// How many.
    pub permits: std::collections::HashMap<fn() -> u8, T>,
    #[doc(hidden)]
    pub internal: u8,
    secret: T,
}

impl<T: Clone> Semaphore<T> {
    /// Takes one.
    ///
    /// # Errors
    ///
    /// Closed.
    pub async fn acquire<F>(
        &self,
        with: F,
    ) -> Result<(), fmt::Error>
    where
        F: Fn(u8) -> [u8; { 1 + 1 }],
    {
        if true { loop {} }
    }

    /// Not public.
    fn inner(&self) {}

    pub fn undocumented(&self) {}
}

impl<T: Clone> fmt::Display for Semaphore<T> {
    /// Of a trait.
    fn fmt(&self) {}
}

/// Gives one.
#[deprecated(since = "1", note = "use \"acquire\"")]
pub fn permit() -> impl Fn() -> u8 { || 1 }

/// What may come.
pub enum Event<'a> {
    /// The start.
    Start,
    /// Data.
    Data { bytes: &'a [u8] },
    Other(u8, u8) = 1 << 3,
}

/// A trait.
pub trait Shape: Sized {
    /// Its area.
    fn area(&self) -> f64;
    /// Sides.
    const SIDES: usize = 4;
}

/// Only here.
pub(crate) struct Internal;

/// The limit.
pub const LIMIT: &[(&str, u8)] = &[("a", 1)];
"#;

const SEM_DOCS: &str = r#"## demo::Semaphore

```rust
pub struct Semaphore<T = Vec<u8>>
where
    T: Clone,
{
    pub permits: std::collections::HashMap<fn() -> u8, T>,
    // private fields
}
```

Limits things.

See `acquire` and [the book](https://example.org).

- `permits`: How many.

### demo::Semaphore::acquire

```rust
pub async fn acquire<F>(
    &self,
    with: F,
) -> Result<(), fmt::Error>
where
    F: Fn(u8) -> [u8; { 1 + 1 }],
```

Takes one.

#### Errors

Closed.

## demo::slot

```rust
pub fn permit() -> impl Fn() -> u8
```

**Deprecated.** use "acquire"

Gives one.

## demo::sem::Event

```rust
pub enum Event<'a> {
    Start,
    Data { bytes: &'a [u8] },
    Other(u8, u8) = 1 << 3,
}
```

What may come.

- `Start`: The start.
- `Data`: Data.

## demo::sem::Shape

```rust
pub trait Shape: Sized
```

A trait.

### demo::sem::Shape::area

```rust
fn area(&self) -> f64
```

Its area.

### demo::sem::Shape::SIDES

```rust
const SIDES: usize = 4
```

Sides.

## demo::sem::LIMIT

```rust
pub const LIMIT: &[(&str, u8)] = &[("a", 1)]
```

The limit.
"#;

#[tokio::test]
async fn items_appear_under_the_path_by_which_they_are_used() {
    let all = Fixture::new()
        .package(
            "demo",
            "1.0.0",
            &[
                ("src/lib.rs", LIB),
                ("src/sem.rs", SEM),
                ("src/time.rs", "/// Sleeps.\npub fn sleep() {}\n"),
                ("src/deep.rs", "/// Deep down.\npub struct Buried;\n"),
                ("src/beside.rs", "/// Renamed.\npub fn old() {}\n"),
                ("src/facade.rs", "pub use super::beside::old as new;\n"),
                (
                    "src/secret.rs",
                    "pub use crate::sem::Event;\n/// Hidden.\npub fn hidden() {}\n",
                ),
                ("src/tests.rs", "/// Test.\npub fn test() {}\n"),
                ("src/extra.rs", "//! Extra.\n"),
            ],
        )
        .all("/crates/demo/1.0.0")
        .await;
    assert_eq!(
        all.paths(),
        [
            "src/beside.rs",
            "src/deep.rs",
            "src/extra.rs",
            "src/lib.rs",
            "src/sem.rs",
            "src/time.rs"
        ]
    );
    assert_eq!(all.title("src/beside.rs"), "demo::facade::new");
    assert_eq!(all.title("src/deep.rs"), "demo::outer::Buried");
    assert_eq!(all.title("src/extra.rs"), "demo::extra");
    assert_eq!(all.title("src/sem.rs"), "demo::Semaphore");
    assert_eq!(all.title("src/time.rs"), "demo::time");
    assert!(
        all.text("src/time.rs")
            .starts_with("## demo::time::sleep\n")
    );
    assert!(all.text("src/lib.rs").contains("## demo::shout!\n"));
    assert_eq!(all.text("src/sem.rs"), SEM_DOCS);
}

#[tokio::test]
async fn a_lock_file_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str| CargoLock::open(folder.path().join(name), folder.path().join("none"));
    let missing = open("Cargo.lock").await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(
        missing.message().contains("Cargo.lock does not exist"),
        "{missing}"
    );
    fs::write(folder.path().join("bad.lock"), "[[package]]\nname = 1\n").unwrap();
    let bad = open("bad.lock").await.unwrap_err();
    assert_eq!(bad.kind(), ErrorKind::Invalid);
    assert!(
        bad.message().contains("bad.lock is not a lock file"),
        "{bad}"
    );
    // To TOML a heading is a comment.
    fs::write(folder.path().join("README.md"), "# Read me\n").unwrap();
    let empty = open("README.md").await.unwrap_err();
    assert!(empty.message().ends_with("it names no package"), "{empty}");
    fs::write(folder.path().join("bin.lock"), b"a\0").unwrap();
    let binary = open("bin.lock").await.unwrap_err();
    assert!(
        binary.message().ends_with("bin.lock: binary file"),
        "{binary}"
    );
}

#[tokio::test]
async fn an_unknown_crate_is_not_found() {
    let source = Fixture::new().lock("own", "0.1.0", None).open().await;
    let request = FetchDocs {
        library: "/crates/nope/1.0.0".parse().unwrap(),
        cursor: None,
        limit: 1,
    };
    let error = source.call(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.message().contains("/crates/nope/1.0.0"));
}
