//! Runs the suite of event transports over the bus inside this process, and prints what it found.
//!
//! It takes the arguments of a test program: names to run, `--exact`, `--skip`, `--list`.

use std::process::ExitCode;

use contexter_conformance::events::{self, InProcess, Suite};

#[tokio::main(flavor = "multi_thread", worker_threads = 4)]
async fn main() -> ExitCode {
    let suite = Suite::new("in_process", |_settings| async {
        Ok(Box::new(InProcess) as _)
    });
    events::main(suite).await
}
