//! Local servers that stand in for Voyage AI, Context7, Bright Data and Qdrant, to develop against
//! without a key.
//!
//! ```text
//! cargo run --release --example sandbox
//! cargo run --release --example sandbox -- --faults examples/sandbox/faults.yaml --seed 7 \
//!     --write-config sandbox.yaml
//! ```
//!
//! It prints one line of JSON with the addresses and keys, then serves until Ctrl-C. With the file
//! that it wrote, in another terminal:
//!
//! ```text
//! cargo run --release --example rag_pipeline -- index --config sandbox.yaml
//! cargo run --release --example rag_pipeline -- search --config sandbox.yaml "your question"
//! ```
#![expect(clippy::print_stderr, reason = "a program prints")]

mod config_file;
mod embedder;
mod stop;

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Parser;
use contexter_local::EmbedderChoice;
use contexter_sandbox::{Error, FaultScript, Sandbox, SandboxConfig, Server, VoyageConfig};
use tracing_subscriber::EnvFilter;

/// Local servers that speak the protocols of Voyage AI, Context7, Bright Data and Qdrant.
///
/// Prints one line of JSON with the addresses and keys, then serves until Ctrl-C. What is stored goes
/// with it.
#[derive(Debug, Parser)]
#[command(name = "sandbox")]
struct Cli {
    /// A script of faults, in YAML or JSON; `examples/sandbox/faults.yaml` shows what there is.
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,

    /// Seeds what is random in the script; by default the script says, else 0.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Writes the configuration that points Contexter at these servers, in place of one of before;
    /// beside it, in FILE with the ending .brightdata-ca.pem, what other clients trust the proxy by.
    #[arg(long, value_name = "FILE")]
    write_config: Option<PathBuf>,

    /// What computes vectors: auto, minilm, lexical or the path of a model.
    #[arg(long, value_name = "NAME", default_value = "auto")]
    embedder: EmbedderChoice,

    /// Never download a model.
    #[arg(long)]
    offline: bool,

    /// The port of one server, such as `voyage=8100`; by default each takes a free one. There are
    /// voyage, context7, brightdata, `brightdata_proxy` and qdrant.
    #[arg(long, value_name = "SERVER=PORT", value_parser = port)]
    port: Vec<(Server, u16)>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into()))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();

    let mut config = SandboxConfig::new();
    if let Some(file) = &cli.write_config {
        config_file::check(file)?;
    }
    if let Some(file) = &cli.faults {
        let script = FaultScript::from_file(file)?;
        config = config.faults(script);
    }
    if let Some(seed) = cli.seed {
        config = config.seed(seed);
    }
    for (server, port) in &cli.port {
        config = config.port(*server, *port);
    }
    let embedder = embedder::open(&cli.embedder, cli.offline).await?;
    config = config.voyage(VoyageConfig::new().embedder(embedder));

    let mut stop = stop::Stop::listen()?;
    let sandbox = Sandbox::start(config).await.map_err(explained)?;
    if let Some(file) = &cli.write_config {
        config_file::write(file, &sandbox)?;
    }
    let mut stdout = std::io::stdout();
    serde_json::to_writer(&mut stdout, sandbox.addresses())?;
    writeln!(stdout)?;
    stdout.flush()?;

    stop.asked().await;
    let faults = sandbox.faults().clone();
    tokio::select! {
        () = sandbox.shutdown() => {}
        // Asked again, it waits for no request.
        () = stop.asked() => {}
    }
    for server in Server::ALL {
        let requests = faults.requests(server);
        if requests > 0 {
            eprintln!("{server}: {requests} requests");
        }
    }
    eprintln!("{} faults injected", faults.injected());
    Ok(())
}

/// Says what can be done about a port that is taken.
fn explained(error: Error) -> anyhow::Error {
    match &error {
        Error::Listen { server, .. } => {
            let way_out =
                format!("choose another port with --port {server}=PORT, 0 for a free one");
            anyhow!("{:#}; {way_out}", anyhow!(error))
        }
        _ => error.into(),
    }
}

fn port(text: &str) -> Result<(Server, u16)> {
    let Some((name, port)) = text.split_once('=') else {
        bail!("expected SERVER=PORT, got {text:?}");
    };
    let server = Server::ALL
        .into_iter()
        .find(|server| server.as_str() == name)
        .ok_or_else(|| {
            let known = Server::ALL.map(Server::as_str).join(", ");
            anyhow!("no server {name:?}, expected one of {known}")
        })?;
    let port = port
        .parse()
        .with_context(|| format!("no port: {port:?}, expected 0 to 65535"))?;
    Ok((server, port))
}
