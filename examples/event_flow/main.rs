//! The event flow of documents, end to end, on the transport of your choice: three documents are
//! ingested, embedded and indexed, each step driven by the event of the one before.
//!
//! ```text
//! cargo run --release --example event_flow                                 # in this process
//! cargo run --release --example event_flow -- --transport redis            # --url redis://host:port
//! cargo run --release --example event_flow -- --transport nats             # --url nats://host:port
//! ```
#![expect(clippy::print_stderr, reason = "a program prints")]

mod flow;
mod watch;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use contexter_event_bus::{Bus, BusConfig};
use contexter_examples::broker::{BrokerError, connect};
use tracing_subscriber::EnvFilter;

/// Shows the event flow of documents on a transport: every event, and how it was settled.
#[derive(Debug, Parser)]
#[command(name = "event_flow", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    /// What carries the events.
    #[arg(long, value_enum, default_value = "memory")]
    transport: Transport,
    /// Where the broker is; redis://127.0.0.1:6379 or nats://127.0.0.1:4222 unless told otherwise.
    #[arg(long)]
    url: Option<String>,
    /// The name of the bus at the broker; buses of different names share nothing.
    #[arg(long, value_name = "NAME", default_value = "event-flow")]
    name: String,
    /// Index the documents of this folder instead of three of its own.
    #[arg(long, value_name = "DIR")]
    documents: Option<PathBuf>,
}

const EXIT_CODES: &str = "Exit codes: 0 success, 1 failure, 2 wrong usage, 130 Ctrl-C.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Transport {
    /// This process.
    Memory,
    /// Redis Streams.
    Redis,
    /// NATS JetStream.
    Nats,
}

impl Transport {
    fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Redis => "redis",
            Self::Nats => "nats",
        }
    }

    /// What a URL of it begins with.
    fn schemes(self) -> &'static [&'static str] {
        match self {
            Self::Memory => &[],
            Self::Redis => &["redis", "unix"],
            Self::Nats => &["nats", "tls"],
        }
    }

    /// What starts a server on this machine, and the URL that it has then.
    fn server(self) -> (&'static str, &'static str) {
        match self {
            Self::Memory => ("", ""),
            Self::Redis => (
                "redis-server --appendonly yes --appendfsync always",
                "redis://127.0.0.1:6379",
            ),
            Self::Nats => (
                "nats-server --jetstream --store_dir /tmp/nats",
                "nats://127.0.0.1:4222",
            ),
        }
    }
}

const FAILURE: u8 = 1;
const USAGE: u8 = 2;
const INTERRUPTED: u8 = 130;

/// How long what is left may take at the end.
const DRAIN_WITHIN: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| "error".into()))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .init();
    if let Err(wrong) = check(&cli) {
        eprintln!("error: {wrong}");
        return ExitCode::from(USAGE);
    }
    let hint = hint(&cli);
    let outcome = tokio::runtime::Runtime::new()
        .map_err(Into::into)
        .and_then(|runtime| {
            let outcome = runtime.block_on(run(cli));
            runtime.shutdown_background();
            outcome
        });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(INTERRUPTED),
        Err(error) => {
            eprintln!("error: {error:#}");
            if let Some(hint) = hint.filter(|_| is_unreachable(&error)) {
                eprintln!("{hint}");
            }
            let broker = error.downcast_ref::<BrokerError>();
            ExitCode::from(if broker.is_some_and(BrokerError::is_usage) {
                USAGE
            } else {
                FAILURE
            })
        }
    }
}

/// Sees to it that transport and URL go together. The URL is not repeated: it may hold a password.
fn check(cli: &Cli) -> Result<(), String> {
    let transport = cli.transport.name();
    match (&cli.url, cli.transport) {
        (None, _) => Ok(()),
        (Some(_), Transport::Memory) => {
            Err("--url needs --transport redis or --transport nats".to_owned())
        }
        (Some(url), _) => {
            let schemes = cli.transport.schemes();
            let fits = |scheme: &&str| url.starts_with(&format!("{scheme}://"));
            if schemes.iter().any(fits) {
                Ok(())
            } else {
                let (_, example) = cli.transport.server();
                Err(format!(
                    "--url must begin with {}:// for --transport {transport}, such as {example} \
                     (it is not shown)",
                    schemes.join(":// or ")
                ))
            }
        }
    }
}

/// Says how to start a server where the program looks for one by itself.
fn hint(cli: &Cli) -> Option<String> {
    let (command, url) = cli.transport.server();
    (cli.transport != Transport::Memory && cli.url.is_none()).then(|| {
        format!(
            "looked for it at {url}; to start one there:\n  {command}\nor name another with --url"
        )
    })
}

fn is_unreachable(error: &anyhow::Error) -> bool {
    let broker = error.downcast_ref::<BrokerError>();
    broker.is_some_and(|error| !error.is_usage())
}

/// Returns whether the flow came to its end; it did not after Ctrl-C.
async fn run(cli: Cli) -> Result<bool> {
    let url = match (cli.url, cli.transport) {
        (None, Transport::Redis | Transport::Nats) => Some(cli.transport.server().1.to_owned()),
        (url, _) => url,
    };
    let bus = match &url {
        None => Bus::new(&BusConfig::default()),
        Some(url) => Bus::over(connect(url, &cli.name).await?, &BusConfig::default()),
    };
    let outcome = tokio::select! {
        outcome = flow::run(&bus, cli.transport.name(), cli.documents) => outcome.map(|()| true),
        pressed = tokio::signal::ctrl_c() => {
            eprintln!("interrupted: what is under way is settled first");
            pressed.map(|()| false).map_err(Into::into)
        }
    };
    let report = bus.drain(DRAIN_WITHIN).await;
    let whole = outcome?;
    watch::drained(&bus, &report)?;
    Ok(whole)
}
