//! Index documentation, then search it, with everything in this process: documents from disk, a
//! local embedding model, the embedded Qdrant engine. A configuration file puts remote services in
//! their place: Context7 and Bright Data, Voyage AI, a Qdrant server.
//!
//! ```text
//! cargo run --release --example rag_pipeline                            # a tour
//! cargo run --release --example rag_pipeline -- index --source docs/    # your own documents
//! cargo run --release --example rag_pipeline -- search "your question"
//! cargo run --release --example rag_pipeline -- remove /local/docs
//! cargo run --release --example rag_pipeline -- index --config examples/rag_pipeline/services.yaml
//! ```
#![expect(
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program prints, and it reads its environment and the clock"
)]

mod app;
mod bars;
mod claims;
mod cli;
mod corpus;
mod data;
mod evaluate;
mod health;
mod index;
mod output;
mod remove;
mod rerank;
mod routed;
mod search;
mod services;
mod settings;
mod sources;
mod status;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Parser as _;
use contexter_config::Error as ConfigError;
use contexter_local::InvalidEmbedderChoice;
use contexter_rag::SearchError;
use contexter_service::InvalidConfig;
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command};
use crate::settings::Settings;

const FAILURE: u8 = 1;
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| "error".into()))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .init();
    let outcome = tokio::runtime::Runtime::new()
        .map_err(Into::into)
        .and_then(|runtime| {
            let outcome = runtime.block_on(until_interrupted(run(cli)));
            // A blocking call that is still under way must not hold up the exit.
            runtime.shutdown_background();
            outcome
        });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if output::is_unread(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(exit_code(&error))
        }
    }
}

async fn until_interrupted(work: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::select! {
        outcome = work => outcome,
        signal = tokio::signal::ctrl_c() => {
            signal.context("cannot listen for Ctrl-C")?;
            bail!("interrupted; the index is consistent: run the same command again to go on")
        }
    }
}

async fn run(cli: Cli) -> Result<()> {
    let settings = Settings::load(&cli.common)?;
    match cli.command {
        None => Box::pin(index::tour(settings)).await,
        Some(Command::Index(args)) => Box::pin(index::run(settings, args)).await,
        Some(Command::Search(args)) => search::run(settings, args).await,
        Some(Command::Eval(args)) => evaluate::run(settings, args).await,
        Some(Command::Remove { library }) => Box::pin(remove::run(settings, library)).await,
        Some(Command::Status { json }) => Box::pin(status::status(settings, json)).await,
        Some(Command::Libraries { json }) => status::libraries(&settings, json),
    }
}

/// Wrong usage is 2, like a wrong flag; everything else is 1.
fn exit_code(error: &anyhow::Error) -> u8 {
    let usage = error.chain().any(|cause| {
        cause
            .downcast_ref::<SearchError>()
            .is_some_and(SearchError::is_usage)
            || cause.is::<ConfigError>()
            || cause.is::<claims::Taken>()
            || cause.is::<InvalidEmbedderChoice>()
            || cause.is::<InvalidConfig>()
            || cause.is::<sources::NoSource>()
    });
    if usage { USAGE } else { FAILURE }
}
