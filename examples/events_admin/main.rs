//! Looks after the dead letters of a bus on a broker: list, show, redrive, purge.
//!
//! ```text
//! cargo run --release --example events_admin -- --url redis://127.0.0.1:6379 list
//! cargo run --release --example events_admin -- --url nats://127.0.0.1:4222 show 17
//! cargo run --release --example events_admin -- --url nats://127.0.0.1:4222 redrive --all --group workers
//! cargo run --release --example events_admin -- --url redis://127.0.0.1:6379 purge 1700000000000-0
//! ```
#![expect(clippy::print_stderr, reason = "a program prints")]

mod letters;
mod show;
mod text;

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use contexter_event_bus::{Bus, BusConfig};
use contexter_examples::broker::{BrokerError, connect_existing};
use tracing_subscriber::EnvFilter;

/// Looks after the dead letters of a bus on Redis or NATS.
#[derive(Debug, Parser)]
#[command(name = "events_admin", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    /// Where the broker is, such as redis://127.0.0.1:6379 or nats://127.0.0.1:4222.
    #[arg(long, global = true)]
    url: Option<String>,
    /// The name of the bus at the broker: RedisConfig::name, or NatsConfig's stream and prefix.
    #[arg(long, global = true, value_name = "NAME", default_value = "contexter")]
    name: String,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 success, 1 failure, 2 wrong usage.";

#[derive(Debug, Subcommand)]
enum Command {
    /// List dead letters, oldest first.
    List {
        /// Only letters of this group.
        #[arg(long)]
        group: Option<String>,
        /// How many at most.
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
        /// Print JSON, one letter a line.
        #[arg(long)]
        json: bool,
    },
    /// Show one dead letter with everything that is known about it.
    Show {
        /// Its id, as `list` prints it.
        id: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Give dead letters to their group again, with all attempts before them.
    Redrive(Which),
    /// Forget dead letters.
    Purge(Which),
}

/// Which letters are meant.
#[derive(Args, Debug)]
struct Which {
    /// Their ids, as `list` prints them.
    #[arg(
        required_unless_present = "all",
        conflicts_with = "all",
        value_name = "ID"
    )]
    ids: Vec<String>,
    /// All that are there now.
    #[arg(long)]
    all: bool,
    /// With --all: only letters of this group.
    #[arg(long, requires = "all")]
    group: Option<String>,
}

const FAILURE: u8 = 1;
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| "error".into()))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .init();
    let Some(url) = &cli.url else {
        eprintln!(
            "error: --url is missing: where the broker is, such as redis://127.0.0.1:6379 or \
             nats://127.0.0.1:4222"
        );
        return ExitCode::from(USAGE);
    };
    let outcome = tokio::runtime::Runtime::new()
        .map_err(Into::into)
        .and_then(|runtime| {
            let outcome = runtime.block_on(run(url, &cli.name, &cli.command));
            runtime.shutdown_background();
            outcome
        });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_unread(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", text::one_line(&format!("{error:#}")));
            let broker = error.downcast_ref::<BrokerError>();
            ExitCode::from(if broker.is_some_and(BrokerError::is_usage) {
                USAGE
            } else {
                FAILURE
            })
        }
    }
}

async fn run(url: &str, name: &str, command: &Command) -> Result<()> {
    let bus = Bus::over(connect_existing(url, name).await?, &BusConfig::default());
    let outcome = match command {
        Command::List { group, limit, json } => {
            letters::list(&bus, group.as_deref(), *limit, *json).await
        }
        Command::Show { id, json } => letters::show(&bus, id, *json).await,
        Command::Redrive(which) => letters::redrive(&bus, &which.ids, which.group.as_deref()).await,
        Command::Purge(which) => letters::purge(&bus, &which.ids, which.group.as_deref()).await,
    };
    bus.drain(Duration::from_secs(1)).await;
    outcome
}

/// Whether the error is only that nobody reads the output any more, as in `… | head -1`.
fn is_unread(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
