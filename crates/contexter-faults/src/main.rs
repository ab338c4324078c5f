//! Numbered events through a real broker that is killed, stopped and cut off, and what is left of
//! them.
//!
//! ```text
//! cargo xtask faults                        # 100,000 events through Redis and through NATS
//! cargo xtask faults --events 5000 --broker nats
//! ```
//!
//! # What runs
//!
//! - A publisher that confirms: it publishes every event again, under the same id, until the broker
//!   has confirmed it. Its connection is reset in the middle of what it sends.
//! - Group `ordered`: one consumer, which lives through everything that happens to the broker. The
//!   order of each key is checked.
//! - Group `pool`: two processes, restarted one after the other while they work, killed, and killed
//!   by one event from inside its handler, each time that it comes.
//! - The control: a publisher and a consumer that use the broker's plain client, on the same broker
//!   at the same time. What both lose is the broker's loss.
//!
//! The handlers write into a small database in this program, in a transaction that the
//! deduplication opens and closes. So an event whose consumer dies in the middle has no effect, and
//! what arrives twice has one.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program prints, and it tells how long it took"
)]

mod broker;
mod child;
mod conductor;
mod control;
mod database;
mod line;
mod numbered;
mod pace;
mod pool;
mod publisher;
mod report;
mod run;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::broker::Kind;

/// Sends numbered events through real brokers that are killed, stopped and cut off.
#[derive(Debug, Parser)]
#[command(name = "faults", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    /// How many events are published.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1_000..=10_000_000))]
    events: u64,
    /// Only this broker [default: both].
    #[arg(long, value_enum)]
    broker: Option<Kind>,
    #[command(subcommand)]
    command: Option<Command>,
}

const EXIT_CODES: &str =
    "Exit codes: 0 nothing lost, doubled or out of order; 1 otherwise; 2 wrong usage.";

#[derive(Debug, Subcommand)]
enum Command {
    /// One process of the pool; the program starts these itself.
    #[command(hide = true)]
    Consume(child::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| "off".into()))
        .with_writer(std::io::stderr)
        .init();
    let outcome = tokio::runtime::Runtime::new()
        .map_err(Into::into)
        .and_then(|runtime| {
            let outcome = runtime.block_on(start(cli));
            runtime.shutdown_background();
            outcome
        });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether everything that was promised held.
async fn start(cli: Cli) -> Result<bool> {
    if let Some(Command::Consume(args)) = cli.command {
        child::run(args).await?;
        return Ok(true);
    }
    let kinds = match cli.broker {
        Some(kind) => vec![kind],
        None => vec![Kind::Redis, Kind::Nats],
    };
    let mut held = true;
    for kind in kinds {
        let report = run::run(kind, cli.events).await?;
        println!("{report}");
        held &= report.holds();
    }
    Ok(held)
}
