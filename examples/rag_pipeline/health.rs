//! The health report on disk: what `status` shows while another process holds the data.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use contexter_monitor::{HealthMonitor, HealthReport};
use tokio::task::JoinHandle;

/// How often the report is written.
const INTERVAL: Duration = Duration::from_secs(2);

/// Writes the health report now and then, until dropped.
pub(crate) struct HealthFile(JoinHandle<()>);

impl HealthFile {
    pub(crate) fn keep(path: PathBuf, monitor: HealthMonitor) -> Self {
        Self(tokio::spawn(async move {
            let mut ticks = tokio::time::interval(INTERVAL);
            loop {
                ticks.tick().await;
                let report = monitor.report();
                let path = path.clone();
                // A report that cannot be written must not disturb the work it reports on.
                let _ = tokio::task::spawn_blocking(move || write(&path, &report)).await;
            }
        }))
    }
}

impl Drop for HealthFile {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn write(path: &Path, report: &HealthReport) -> std::io::Result<()> {
    let aside = path.with_extension("json.new");
    fs::write(&aside, serde_json::to_vec(report)?)?;
    fs::rename(&aside, path)
}

/// Reads the last report, if there is one.
pub(crate) fn read(path: &Path) -> Option<HealthReport> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
