//! `search`.

use std::io::{Read as _, Write as _};

use anyhow::{Context as _, Result, bail};
use contexter_local::EmbedderChoice;
use contexter_rag::{
    HybridSearchEngine, Mode, SearchError, SearchHit, SearchRequest, SearchResponse,
};

use crate::app::{Access, App, unknown_library};
use crate::cli::Search;
use crate::data::DataFolder;
use crate::output::say;
use crate::rerank::{self, rerank};
use crate::services::{Embedding, PATIENCE};
use crate::settings::Settings;

/// The longest query that can be searched for, in bytes: no more is read.
const LONGEST_QUERY: usize = 32 * 1024;
/// How much of a chunk is shown on a terminal.
const SHOWN_LINES: usize = 4;
const SHOWN_WIDTH: usize = 100;

pub(crate) async fn run(settings: Settings, args: Search) -> Result<()> {
    let mode = args.mode.unwrap_or(settings.search.mode);
    let limit = args.limit.unwrap_or(settings.search.limit);
    let data = DataFolder::open(&settings.data())?;
    let query = match args.query.as_str() {
        "-" => read_query().await?,
        _ => args.query,
    };
    let mut request = SearchRequest::new(query)
        .with_library(args.library)
        .with_mode(mode)
        .with_limit(limit);
    request.validate()?;
    let choice = match mode {
        // The sparse leg needs no embedder: do not load one.
        Mode::Sparse => Embedding::Local(EmbedderChoice::Lexical),
        Mode::Hybrid | Mode::Dense => settings.choice()?,
    };
    let access = Access::Read;
    let app = Box::pin(App::open(settings, &data, choice, None, access, PATIENCE)).await?;
    if app.ledger.libraries().is_empty() {
        let data = data.path().display();
        bail!("nothing is indexed in {data} yet: run `index --source DIR --data {data}` first");
    }
    if mode != Mode::Sparse {
        app.require_space_of(&data)?;
    }
    if let Some(library) = &request.library
        && !app.ledger.libraries().contains_key(library)
    {
        return Err(unknown_library(&app.ledger, library));
    }
    let reranker = app.reranker();
    if reranker.is_some() {
        request = request.with_limit(limit.max(rerank::CANDIDATES));
    }
    let mut response = app.search_engine()?.search(&request).await?;
    if let Some(reranker) = reranker {
        // Hits in the order of the search are better than none.
        if let Err(error) = rerank(&reranker, &mut response, limit).await {
            eprintln!("note: the hits are in the order of the search: {error}");
        }
        response.hits.truncate(limit);
    }
    if args.json {
        say!("{}", serde_json::to_string(&response)?);
    } else {
        print(&response)?;
    }
    app.close().await
}

/// Reads a query from standard input, where it may be long in coming.
async fn read_query() -> Result<String> {
    let read = || {
        let mut query = Vec::new();
        let mut input = std::io::stdin().lock().take(LONGEST_QUERY as u64 + 1);
        input.read_to_end(&mut query).map(|_| query)
    };
    let query = tokio::task::spawn_blocking(read).await??;
    if query.len() > LONGEST_QUERY {
        let why = format!("has more than {LONGEST_QUERY} bytes");
        return Err(SearchError::InvalidQuery(why).into());
    }
    String::from_utf8(query).context("the query on standard input is not UTF-8")
}

/// Answers a question on standard output.
pub(crate) async fn answer(
    engine: &HybridSearchEngine,
    question: &str,
    limit: usize,
) -> Result<()> {
    let response = engine.search_with_embeddings(question, limit).await?;
    say!("\n? {question}");
    print(&response)
}

fn print(response: &SearchResponse) -> Result<()> {
    let mut out = std::io::stdout().lock();
    for (rank, hit) in (1..).zip(&response.hits) {
        print_hit(&mut out, rank, hit)?;
    }
    if response.hits.is_empty() {
        writeln!(out, "nothing found")?;
    }
    eprintln!(
        "{} hits; query embedded in {:.1} ms, searched in {:.1} ms",
        response.hits.len(),
        response.took_ms.embed,
        response.took_ms.search,
    );
    Ok(())
}

fn print_hit(out: &mut impl std::io::Write, rank: usize, hit: &SearchHit) -> Result<()> {
    writeln!(out, "{rank}. {}  [{:.3}]", hit.title, hit.score)?;
    writeln!(out, "   {} {}", hit.library, hit.path)?;
    let lines = hit.text.lines().filter(|line| !line.trim().is_empty());
    for line in lines.take(SHOWN_LINES) {
        let shown: String = line.chars().take(SHOWN_WIDTH).collect();
        writeln!(out, "     {shown}")?;
    }
    Ok(())
}
