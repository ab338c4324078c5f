//! `bench`: runs benchmark programs and makes one table of what they report.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::cargo;

/// A named set of benchmark programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Suite {
    name: &'static str,
    programs: &'static [Program],
}

/// What is run for some of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    /// A `[[bench]]` target of `benches/Cargo.toml`.
    Bench(&'static str),
    /// `benches/peers`, which has a workspace, a lock file and a profile of its own.
    Peers,
}

/// All of them.
const SUITES: &[Suite] = &[
    Suite {
        name: "adapters",
        programs: &[
            Program::Bench("adapters_qdrant"),
            Program::Bench("adapters_voyage"),
        ],
    },
    Suite {
        name: "rag",
        programs: &[
            Program::Bench("embed"),
            Program::Bench("ingest"),
            Program::Bench("vector_store"),
        ],
    },
    Suite {
        name: "events",
        programs: &[Program::Bench("events")],
    },
    Suite {
        name: "resilience",
        programs: &[Program::Peers],
    },
];

/// The names of all suites, as a person reads them.
pub(crate) fn names() -> String {
    let names: Vec<_> = SUITES.iter().map(|suite| suite.name).collect();
    names.join(", ")
}

/// The keys of a row, exactly these.
const KEYS: [&str; 6] = ["row", "ours", "peer", "peer_name", "unit", "ratio"];

impl Suite {
    /// Finds a suite; the error lists those that exist.
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        SUITES
            .iter()
            .find(|suite| suite.name == name)
            .copied()
            .ok_or_else(|| format!("unknown benchmark `{name}`; known: {}", names()))
    }
}

/// Runs the suite, prints its table and writes `target/bench/NAME.json`.
pub(crate) fn run(suite: Suite) -> Result<()> {
    let mut rows = Vec::new();
    for program in suite.programs {
        let measured = measure(&mut program.command());
        rows.extend(measured.with_context(|| format!("benchmark `{}`", program.name()))?);
    }
    let folder = cargo::target().join("bench");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let file = folder.join(format!("{}.json", suite.name));
    let json = serde_json::to_string_pretty(&rows).context("cannot write the rows as JSON")?;
    fs::write(&file, json + "\n").with_context(|| format!("cannot write {}", file.display()))?;
    print!("\n{}", table(&rows));
    println!("\nwritten to {}", file.display());
    Ok(())
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Self::Bench(target) => target,
            Self::Peers => "peers",
        }
    }

    /// Returns what builds and runs it.
    fn command(self) -> Command {
        match self {
            Self::Bench(target) => {
                let mut command = cargo::cargo("bench");
                // The whole workspace and one target of it: the features, and so what is built,
                // are then the same for all targets.
                command.args([cargo::RELEASE, "--workspace", "--bench", target]);
                command
            }
            Self::Peers => {
                let mut command = cargo::cargo("run");
                command
                    .args([
                        cargo::RELEASE,
                        "--manifest-path",
                        "benches/peers/Cargo.toml",
                    ])
                    .arg("--target-dir")
                    .arg(cargo::target().join("peers"));
                command
            }
        }
    }
}

/// Runs one program and returns the rows that it reports.
fn measure(command: &mut Command) -> Result<Vec<Value>> {
    let mut lines = Vec::new();
    let keep = |line: &str| lines.extend(line.starts_with('{').then(|| line.to_owned()));
    if !cargo::watch(command, keep)? {
        bail!("`{}` failed", cargo::show(command));
    }
    ensure!(!lines.is_empty(), "it reported no row");
    lines.iter().map(|line| row(line)).collect()
}

/// Reads one line that a program reports.
fn row(line: &str) -> Result<Value> {
    let row: Value =
        serde_json::from_str(line).with_context(|| format!("no JSON in the line {line}"))?;
    let fields = row
        .as_object()
        .with_context(|| format!("no object in the line {line}"))?;
    for key in KEYS {
        let value = fields
            .get(key)
            .with_context(|| format!("no `{key}` in the line {line}"))?;
        let right = match key {
            "row" | "peer_name" | "unit" => value.is_string(),
            _ => value.is_number(),
        };
        ensure!(right, "`{key}` is {value} in the line {line}");
    }
    let unknown = fields.keys().find(|key| !KEYS.contains(&key.as_str()));
    ensure!(
        unknown.is_none(),
        "unknown key {unknown:?} in the line {line}"
    );
    Ok(row)
}

/// Makes a Markdown table of the rows.
fn table(rows: &[Value]) -> String {
    let head =
        "| row | ours | peer | peer is | unit | cost ratio |\n|---|---:|---:|---|---|---:|\n";
    let lines = rows.iter().map(|row| {
        let text = |key| row.get(key).and_then(Value::as_str).unwrap_or_default();
        let figure = |key| significant(row.get(key).and_then(Value::as_f64).unwrap_or(f64::NAN));
        let cells = [
            text("row").to_owned(),
            figure("ours"),
            figure("peer"),
            text("peer_name").to_owned(),
            text("unit").to_owned(),
            figure("ratio"),
        ];
        // A bar would end its cell.
        format!(
            "| {} |\n",
            cells.map(|cell| cell.replace('|', "\\|")).join(" | ")
        )
    });
    head.to_owned() + &lines.collect::<String>()
}

/// Writes a figure with about four digits: more would claim a precision that it does not have.
fn significant(figure: f64) -> String {
    let decimals = match figure.abs() {
        size if size >= 1_000.0 => 0,
        size if size >= 100.0 => 1,
        size if size >= 10.0 => 2,
        size if size >= 1.0 => 3,
        _ => 4,
    };
    format!("{figure:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str =
        r#"{"row":"a|b","ours":2,"peer":1.5,"peer_name":"bare","unit":"ms","ratio":1.3333333}"#;

    #[test]
    fn a_row_is_read_as_it_is() {
        let row = row(LINE).unwrap();
        assert_eq!(row, serde_json::from_str::<Value>(LINE).unwrap());
    }

    #[test]
    fn a_wrong_row_is_refused_and_the_key_named() {
        for (from, to, message) in [
            ("\"unit\":\"ms\",", "", "no `unit`"),
            ("\"ours\":2", "\"ours\":null", "`ours` is null"),
            ("\"ours\":2", "\"ours\":\"2\"", "`ours` is \"2\""),
            (
                "\"ours\":2",
                "\"ours\":2,\"runs\":5",
                "unknown key Some(\"runs\")",
            ),
            ("}", "", "no JSON"),
        ] {
            let error = row(&LINE.replace(from, to)).unwrap_err();
            assert!(error.to_string().starts_with(message), "{error}");
        }
    }

    #[test]
    fn the_peers_are_built_in_their_own_workspace_within_our_target_folder() {
        let suite = Suite::named("resilience").unwrap();
        let [program] = suite.programs else {
            panic!("{:?}", suite.programs);
        };
        let command = cargo::show(&program.command());
        let target = cargo::target().join("peers");
        for part in [
            "--release",
            "--manifest-path benches/peers/Cargo.toml",
            &format!("--target-dir {}", target.display()),
        ] {
            assert!(command.contains(part), "{command}");
        }
        assert!(cargo::root().join("benches/peers/Cargo.lock").is_file());
    }

    #[test]
    fn the_table_is_markdown() {
        let table = table(&[row(LINE).unwrap()]);
        assert_eq!(
            table.lines().nth(2),
            Some(r"| a\|b | 2.000 | 1.500 | bare | ms | 1.333 |")
        );
    }
}
