//! Runs the suite of event transports over a real Redis server, and prints what it found.
//!
//! It takes the arguments of a test program: names to run, `--exact`, `--skip`, `--list`.

mod fixture;

use std::process::ExitCode;

use contexter_conformance::events::{self, Suite};

#[tokio::main(flavor = "multi_thread", worker_threads = 4)]
async fn main() -> ExitCode {
    contexter_testkit::require!("redis-server"; ExitCode::SUCCESS);
    // Every group reads every event of its bus, so the work grows with the square of the stress.
    events::main(Suite::new("redis", fixture::make).stress(10)).await
}
