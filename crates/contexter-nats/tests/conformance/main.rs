//! Runs the suite of event transports over a real NATS server, and prints what it found.
//!
//! It takes the arguments of a test program: names to run, `--exact`, `--skip`, `--list`.

mod fixture;

use std::process::ExitCode;

use contexter_conformance::events::{self, Suite};

#[tokio::main(flavor = "multi_thread", worker_threads = 4)]
async fn main() -> ExitCode {
    contexter_testkit::require!("nats-server"; ExitCode::SUCCESS);
    events::main(Suite::new("nats", fixture::make)).await
}
