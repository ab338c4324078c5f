//! What building an index takes, measured in a process of its own.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Outcome, bare, ours, points_of, questions_of};

/// The argument with which this program starts itself; a [`Task`] as JSON follows.
const CHILD: &str = "--build";

/// Whose index is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Side {
    Ours,
    Peer,
}

impl Side {
    pub(crate) const BOTH: [Self; 2] = [Self::Ours, Self::Peer];
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ours => "ours",
            Self::Peer => "peer",
        })
    }
}

/// What one side takes to store, index and search its points.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Footprint {
    /// The most memory it held at any time, MB.
    pub(crate) peak: f64,
    /// The memory it holds once it has indexed and searched, MB.
    pub(crate) after: f64,
    /// What its files take, MB.
    pub(crate) disk: f64,
    /// Points stored per second, flushes included.
    pub(crate) upserts: f64,
    /// How long building the index took, seconds.
    pub(crate) optimize: f64,
}

impl fmt::Display for Footprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "peak {:.0} MB, then {:.0} MB; disk {:.0} MB; {:.0} points/s, optimized in {:.1} s",
            self.peak, self.after, self.disk, self.upserts, self.optimize
        )
    }
}

/// How long the parts of a build took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    pub(crate) upsert: Duration,
    pub(crate) optimize: Duration,
}

/// One build.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    side: Side,
    size: usize,
    /// Where points and queries are.
    input: PathBuf,
    /// Where the index goes; it stays.
    index: PathBuf,
}

/// Measures one build; its index stays in `kept`, or is removed.
pub(crate) fn measure(
    side: Side,
    points: usize,
    input: &Path,
    kept: Option<&Path>,
) -> Outcome<Footprint> {
    let scratch = tempfile::tempdir_in(input)?;
    let task = Task {
        side,
        size: points,
        input: input.to_owned(),
        index: kept.map_or_else(|| scratch.path().join("index"), Path::to_owned),
    };
    let output = Command::new(std::env::current_exe()?)
        .arg(CHILD)
        .arg(serde_json::to_string(&task)?)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("the build of {side} failed: {}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

impl Task {
    /// Returns what this process was started for, if it is a child.
    pub(crate) fn of_this_process() -> Outcome<Option<Self>> {
        let mut arguments = std::env::args().skip_while(|argument| argument != CHILD);
        match arguments.nth(1) {
            Some(task) => Ok(Some(serde_json::from_str(&task)?)),
            None => Ok(None),
        }
    }

    /// Builds the index and reports.
    pub(crate) fn run(&self) -> Outcome<()> {
        fs::create_dir_all(&self.index)?;
        let points = points_of(&self.input);
        let questions = questions_of(&self.input)?;
        let runtime = crate::runtime()?;
        let footprint = match self.side {
            Side::Ours => runtime.block_on(async {
                let (store, times) = ours::build(&self.index, &points, self.size).await?;
                let peak = memory_of_process("VmHWM")?;
                let engine = ours::engine(store.clone(), &questions)?;
                for question in &questions {
                    engine.search(&ours::request(question)).await?;
                }
                let footprint = self.footprint(times, peak);
                store.close().await?;
                footprint
            })?,
            Side::Peer => {
                let (shard, times) = bare::build(&self.index, &points, self.size)?;
                let peak = memory_of_process("VmHWM")?;
                for question in &questions {
                    bare::search(&shard, bare::query(question))?;
                }
                self.footprint(times, peak)?
            }
        };
        Ok(serde_json::to_writer(std::io::stdout(), &footprint)?)
    }

    fn footprint(&self, times: Times, peak: f64) -> Outcome<Footprint> {
        Ok(Footprint {
            peak,
            after: memory_of_process("VmRSS")?,
            disk: megabytes(disk(&self.index)?),
            upserts: count(self.size) / times.upsert.as_secs_f64(),
            optimize: times.optimize.as_secs_f64(),
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn count(n: usize) -> f64 {
    n as f64
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// Reads a figure of this process's memory in MB; Linux only.
fn memory_of_process(field: &str) -> Outcome<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(field));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
    let kilobytes: u64 = kilobytes.ok_or("no such figure")?.parse()?;
    Ok(megabytes(kilobytes * 1024))
}

/// Adds up what the files under `folder` take on the disk.
fn disk(folder: &Path) -> Outcome<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            bytes += disk(&entry.path())?;
        } else {
            bytes += on_disk(&entry.metadata()?);
        }
    }
    Ok(bytes)
}

/// Holes in a file take nothing.
#[cfg(unix)]
fn on_disk(metadata: &fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;
    metadata.blocks() * 512
}

#[cfg(not(unix))]
fn on_disk(metadata: &fs::Metadata) -> u64 {
    metadata.len()
}
