//! The calls of the Context7 adapter.

use std::time::Duration;

use contexter_context7::{
    Config, Content, Context7Adapter, FetchContext, Form, LegacyEndpoint, LegacyVersion,
    ReadLegacy, RetryConfig, SearchContext, SearchLegacy, SearchLibraries,
};
use contexter_model::{Error, ErrorKind, FetchDocs, LibraryId, ResolveLibrary};
use contexter_sandbox::{Context7Config, Sandbox, SandboxConfig, Server};

use crate::leaks::MARK;
use crate::matrix::{self, Call, Ground, deadline};
use crate::wire::Wire;
use crate::{cases, echoes};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_on_every_call_of_context7() {
    let mut cases = cases::http();
    cases.extend(echoes::http(&[key()]));
    matrix::run(Server::Context7, &cases, async || ground(Wire::Http1).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_on_every_call_of_context7_over_http2() {
    let cases = cases::http();
    matrix::run(Server::Context7, &cases, async || ground(Wire::Http2).await).await;
}

/// It could be a word by which the service names an error, and a part of the id of a library.
fn key() -> String {
    format!("ctx7sk_{MARK}_7")
}

async fn ground(wire: Wire) -> Ground<Context7Adapter> {
    let server = Context7Config::new()
        .api_key(key())
        .requests_per_minute(1_000_000);
    let sandbox = Sandbox::start(SandboxConfig::new().context7(server))
        .await
        .unwrap();
    let addresses = sandbox.addresses();
    let reached = wire.to(&addresses.context7_base_url).await;
    let retry = RetryConfig::new()
        .with_max_attempts(2)
        .with_base_delay(Duration::from_millis(10))
        .with_max_delay(Duration::from_millis(50));
    let config = Config::new(addresses.context7_api_key.clone())
        .with_base_url(reached.base_url.as_str())
        .with_rate_limit(None)
        .with_retry_config(retry)
        .with_cache(None);
    let make = move |limit| {
        let config = config.clone().with_timeout(limit);
        let stack = config.stack().deadline(deadline(limit)).build().unwrap();
        Context7Adapter::with_http(config, reached.http(), stack).unwrap()
    };
    Ground {
        sandbox,
        make: Box::new(make),
        calls: calls(),
    }
}

fn library() -> LibraryId {
    "/contexter-rs/contexter-retry".parse().unwrap()
}

/// Makes an error of an empty result: it is what a 404 means for some requests, and wrong otherwise.
fn found(there: bool) -> Result<(), Error> {
    if there {
        return Ok(());
    }
    Err(Error::new(ErrorKind::NotFound, "nothing found").with_service("context7"))
}

/// Checks documentation. A text that was cut on its way cannot be told from a whole one.
fn documentation(content: &Content) -> Result<(), Error> {
    match content {
        Content::Snippets(snippets) => {
            let text = format!("{:?}", snippets.code);
            assert!(!text.contains("<html>"), "{text}");
            found(!snippets.is_empty())
        }
        Content::Text(text) => {
            assert!(!text.contains("<html>"), "{text}");
            found(!text.trim().is_empty())
        }
    }
}

fn calls() -> Vec<Call<Context7Adapter>> {
    let name = "contexter-retry".to_owned();
    vec![
        Call::ask(
            "resolve a library",
            ResolveLibrary { name, limit: 3 },
            |found_ones| found(found_ones.iter().any(|one| one.id == library())),
        ),
        Call::ask(
            "search libraries",
            SearchLibraries::new("contexter-retry"),
            |reply| found(reply.libraries.iter().any(|one| one.id == library())),
        ),
        Call::ask(
            "fetch documents",
            FetchDocs {
                library: library(),
                cursor: None,
                limit: 10,
            },
            |page| {
                let whole = page
                    .documents
                    .iter()
                    .all(|document| !document.text.contains("<html>"));
                assert!(whole, "{page:?}");
                found(!page.documents.is_empty())
            },
        ),
        Call::ask(
            "fetch context as data",
            FetchContext::new(library(), "backoff"),
            |reply| documentation(&reply.content),
        ),
        Call::ask(
            "fetch context as text",
            FetchContext::new(library(), "backoff").form(Form::Text),
            |reply| documentation(&reply.content),
        ),
        Call::ask(
            "search context",
            SearchContext::new("backoff").libraries(["contexter-retry"]),
            |content| documentation(&content),
        ),
        Call::ask(
            "read version 1",
            ReadLegacy::new(library(), LegacyEndpoint::V1 { tokens: None }),
            |reply| documentation(&reply.content),
        ),
        Call::ask(
            "read early version 2",
            ReadLegacy::new(
                library(),
                LegacyEndpoint::CodeV2 {
                    page: Some(1),
                    limit: Some(5),
                },
            )
            .form(Form::Json),
            |reply| documentation(&reply.content),
        ),
        Call::ask(
            "read prose of early version 2",
            ReadLegacy::new(
                library(),
                LegacyEndpoint::InfoV2 {
                    page: None,
                    limit: None,
                },
            ),
            |reply| documentation(&reply.content),
        ),
        Call::ask(
            "search version 2",
            SearchLegacy::new("contexter-retry", LegacyVersion::V2),
            |reply| found(!reply.libraries.is_empty()),
        ),
        Call::ask(
            "search version 1",
            SearchLegacy::new("contexter-retry", LegacyVersion::V1),
            |reply| found(!reply.libraries.is_empty()),
        ),
    ]
}
