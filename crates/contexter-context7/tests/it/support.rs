//! An adapter on a server by script.

use std::time::Duration;

use contexter_adapter::ServiceAdapter;
use contexter_context7::{Config, Context7Adapter, DocsConfig, FetchContext, RetryConfig};
use contexter_model::{Error, LibraryId};
use contexter_service::{Capability, Service};
use contexter_testkit::{Scripted, ScriptedServer};
use serde_json::{Value, json};

/// The key of every test; it may be nowhere but in one header.
pub(crate) const KEY: &str = "ctx7sk-0a1b2c3d-hidden";

pub(crate) struct Rig {
    pub(crate) server: ScriptedServer,
    pub(crate) adapter: Context7Adapter,
}

/// One attempt, nothing kept, one topic: what is sent is what is asked.
pub(crate) fn plain() -> Config {
    Config::new(KEY)
        .with_timeout(Duration::from_secs(30))
        .with_retry_config(
            RetryConfig::new()
                .with_max_attempts(1)
                .with_base_delay(Duration::from_millis(1))
                .with_max_delay(Duration::from_millis(2)),
        )
        .with_cache(None)
        .with_docs(DocsConfig::new().with_topics(["overview"]))
}

pub(crate) async fn rig(script: Vec<Scripted>) -> Rig {
    rig_with(script, plain()).await
}

pub(crate) async fn rig_with(script: Vec<Scripted>, config: Config) -> Rig {
    let server = ScriptedServer::start(script).await;
    let config = config.with_base_url(format!("{}/api", server.base_url()));
    let adapter = Context7Adapter::new(config).unwrap();
    Rig { server, adapter }
}

impl Rig {
    pub(crate) async fn call<Req>(&self, request: Req) -> Result<Req::Response, Error>
    where
        Req: Capability<Error = Error>,
    {
        let handle = self.adapter.capabilities().handle::<Req>().unwrap();
        let call = handle.call(request);
        tokio::time::timeout(Duration::from_secs(30), call)
            .await
            .expect("a call ends")
    }

    /// Returns the paths that were asked, with their queries.
    pub(crate) fn paths(&self) -> Vec<String> {
        let requests = self.server.requests();
        requests.into_iter().map(|request| request.path).collect()
    }
}

pub(crate) fn id(text: &str) -> LibraryId {
    text.parse().unwrap()
}

pub(crate) fn ask(library: &str) -> FetchContext {
    FetchContext::new(id(library), "how")
}

/// Documentation with one snippet, as the vendor shows it.
pub(crate) fn documentation() -> Value {
    json!({
        "codeSnippets": [{
            "codeTitle": "Spawn a task",
            "codeDescription": "Runs a future in the background.",
            "codeLanguage": "rust",
            "codeTokens": 96,
            "codeId": "https://github.com/tokio-rs/tokio/blob/master/README.md#_snippet_3",
            "pageTitle": "Tutorial",
            "codeList": [{"language": "rust", "code": "tokio::spawn(async {});"}],
            "isDynamic": false,
            "sourceFile": "README.md"
        }],
        "infoSnippets": [{
            "pageId": "https://tokio.rs/tokio/topics",
            "breadcrumb": "Topics > Shutdown",
            "content": "Tell every task, then wait for all.",
            "contentTokens": 210
        }],
        "rules": {"global": ["be brief"], "libraryOwn": [], "libraryTeam": []}
    })
}

pub(crate) fn found() -> Scripted {
    Scripted::json(200, documentation())
}

pub(crate) fn error(status: u16, code: &str, message: &str) -> Scripted {
    Scripted::json(status, json!({"error": code, "message": message}))
}
