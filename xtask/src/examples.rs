//! Builds the examples and runs them as a newcomer would.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::cargo;
use crate::metadata;

/// The package whose examples need arguments or time; the others run bare, within seconds.
const ASSEMBLIES: &str = "contexter-examples";

/// What the small folder says that the pipeline indexes.
const DOCUMENTS: [(&str, &str); 2] = [
    (
        "retry.md",
        "# Retry\n\nA retry waits longer after every failure, up to a cap.\n",
    ),
    (
        "breaker.md",
        "# Circuit breaker\n\nAn open breaker refuses calls until its rest is over.\n",
    ),
];

/// Builds all examples and returns where each program is.
pub(crate) fn build() -> Result<BTreeMap<String, PathBuf>> {
    let mut command = cargo::cargo("build");
    command
        .args(cargo::PROFILE)
        .args(["--workspace", "--examples"]);
    command.arg("--message-format=json-render-diagnostics");
    let messages = cargo::output(&mut command)?;
    let mut programs = BTreeMap::new();
    for line in messages.lines() {
        let message: Value =
            serde_json::from_str(line).context("cannot read a message of cargo")?;
        let is_example =
            message.pointer("/target/kind/0").and_then(Value::as_str) == Some("example");
        let name = message.pointer("/target/name").and_then(Value::as_str);
        let program = message.get("executable").and_then(Value::as_str);
        if let (true, Some(name), Some(program)) = (is_example, name, program) {
            programs.insert(name.to_owned(), PathBuf::from(program));
        }
    }
    Ok(programs)
}

/// Builds and runs all examples.
pub(crate) fn run() -> Result<()> {
    let programs = build()?;
    for package in metadata::packages()? {
        for target in package
            .targets
            .iter()
            .filter(|target| target.kind == "example")
        {
            let program = programs
                .get(&target.name)
                .with_context(|| format!("cargo built no example `{}`", target.name))?;
            if package.name == ASSEMBLIES {
                output(program, &["--help"])?;
            } else {
                output(program, &[])?;
            }
            println!("ran {} ({})", target.name, package.name);
        }
    }
    match programs.get("rag_pipeline") {
        Some(pipeline) => index_and_search(pipeline),
        None => Ok(()),
    }
}

/// Indexes a small folder, twice, and finds the document that a question is about.
fn index_and_search(pipeline: &Path) -> Result<()> {
    let folder = cargo::target().join("examples-run");
    if folder.exists() {
        fs::remove_dir_all(&folder).context("cannot empty target/examples-run")?;
    }
    let (source, data) = (folder.join("docs"), folder.join("data"));
    fs::create_dir_all(&source).context("cannot make target/examples-run/docs")?;
    for (name, text) in DOCUMENTS {
        fs::write(source.join(name), text).with_context(|| format!("cannot write {name}"))?;
    }
    let (source, data) = (source.to_string_lossy(), data.to_string_lossy());
    // Without a download, so that this says the same on every machine.
    let here = ["--data", &data, "--embedder", "lexical", "--offline"];
    let index = [
        &["index", "--source", &source, "--library", "/ci/docs"],
        &here[..],
    ]
    .concat();
    let search = [
        &["search", "when does a breaker refuse", "--json"],
        &here[..],
    ]
    .concat();
    output(pipeline, &index)?;
    output(pipeline, &index)?;
    let found = output(pipeline, &search)?;
    let found: Value = serde_json::from_str(&found).context("the search printed no JSON")?;
    let first = found
        .pointer("/hits/0/path")
        .and_then(Value::as_str)
        .unwrap_or_default();
    ensure!(
        first.ends_with("breaker.md"),
        "the search found `{first}` first: {found}"
    );
    let hits = found
        .get("hits")
        .and_then(Value::as_array)
        .map_or(0, Vec::len);
    ensure!(
        hits == DOCUMENTS.len(),
        "indexing twice must not double: {hits} hits in {found}"
    );
    println!("ran rag_pipeline on a small folder: index, index again, search");
    Ok(())
}

/// Runs an example without input; what it printed is shown when it fails.
fn output(program: &Path, args: &[&str]) -> Result<String> {
    let mut command = Command::new(program);
    command
        .args(args)
        .current_dir(cargo::root())
        .stdin(Stdio::null());
    let shown = cargo::show(&command);
    let output = command
        .output()
        .with_context(|| format!("cannot start `{shown}`"))?;
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    if !output.status.success() {
        bail!("`{shown}` failed ({}):\n{out}{err}", output.status);
    }
    Ok(out.into_owned())
}
