//! The command line.

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use contexter_model::LibraryId;
use contexter_rag::{Fusion, Mode};

/// Index documentation, then search it: no key, no server.
///
/// Without a command: indexes the documentation of a few crates of this workspace's own Cargo.lock
/// and answers three sample questions.
#[derive(Debug, Parser)]
#[command(name = "rag_pipeline", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

const EXIT_CODES: &str = "Exit codes: 0 success, 1 failure, 2 wrong usage.";

/// Flags of every command; each overrides its entry in the configuration file.
#[derive(Args, Debug)]
pub(crate) struct Common {
    /// Read settings from this YAML file.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Keep the index in this folder [default: .contexter].
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// What embeds text: auto, minilm, lexical, or the path of an ONNX model [default: auto, which
    /// is Voyage AI where that is configured].
    #[arg(long, global = true, value_name = "MODEL")]
    pub(crate) embedder: Option<String>,
    /// Never download a model.
    #[arg(long, global = true)]
    pub(crate) offline: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Index a folder of documentation, the crates of a Cargo.lock, or what the configuration
    /// names.
    Index(Index),
    /// Search what is indexed.
    Search(Search),
    /// Measure retrieval on a test collection in BEIR form, in an index of its own.
    Eval(Eval),
    /// Remove a library from the index; its id can then stand for another source.
    Remove {
        /// The library, as `libraries` lists it.
        #[arg(value_name = "ID")]
        library: LibraryId,
    },
    /// Show health, counts and breaker states; works while another process holds the data.
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the libraries that are indexed.
    Libraries {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Index {
    /// A folder, or a Cargo.lock whose crates are in the local registry [default: the libraries
    /// that the configuration names, by Context7 and Bright Data].
    #[arg(long, value_name = "DIR|Cargo.lock")]
    source: Option<PathBuf>,
    /// The same as --source, without saying so.
    #[arg(value_name = "DIR|Cargo.lock", conflicts_with = "source")]
    path: Option<PathBuf>,
    /// The id for the folder's library [default: /local/NAME]; or the one library to index.
    #[arg(long, value_name = "ID")]
    pub(crate) library: Option<LibraryId>,
    /// Exit with 1 if anything was skipped.
    #[arg(long)]
    pub(crate) strict: bool,
}

impl Index {
    /// Returns what is to be indexed, if it is on this machine.
    pub(crate) fn source(&self) -> Option<&Path> {
        self.source.as_deref().or(self.path.as_deref())
    }
}

#[derive(Args, Debug)]
pub(crate) struct Search {
    /// What to look for; - reads it from standard input.
    pub(crate) query: String,
    /// Search only in this library.
    #[arg(long, value_name = "ID")]
    pub(crate) library: Option<LibraryId>,
    /// hybrid, dense (by meaning) or sparse (by words) [default: hybrid].
    #[arg(long)]
    pub(crate) mode: Option<Mode>,
    /// How many hits to show [default: 5].
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Eval {
    /// A folder with corpus.jsonl, queries.jsonl and qrels/test.tsv.
    #[arg(long, value_name = "DIR")]
    pub(crate) collection: PathBuf,
    /// hybrid, dense or sparse [default: hybrid].
    #[arg(long)]
    pub(crate) mode: Option<Mode>,
    /// How the legs of a hybrid search are fused, such as dbsf, rrf:60, minmax:0.3,0.7,
    /// meaning before words [default: dbsf with a semantic embedder, minmax:0.3,0.7 with a lexical
    /// one].
    #[arg(long, value_name = "FUSION")]
    pub(crate) fusion: Option<Fusion>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
