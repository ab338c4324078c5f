//! A collection is built anew while the old one serves, and takes its place in one step.
//!
//! Runs against a local server: `cargo run -p contexter-qdrant --example zero_downtime --features
//! server`. With the argument `serve` that server stays, for any client of Qdrant, until Ctrl-C.

#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use contexter_adapter::{Capabilities, ServiceAdapter};
use contexter_model::{
    CollectionSpec, Distance, DropCollection, EmbeddingSpace, EnsureCollection, Error, Filter, Leg,
    Payload, Point, PointId, Query, SpaceKind, SwitchAlias, Upsert,
};
use contexter_qdrant::remote::{Config, QdrantAdapter};
use contexter_qdrant::server::{LocalServer, Options};
use contexter_service::{Capability, Service};
use tokio::net::TcpListener;

const ALIAS: &str = "docs";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let server = LocalServer::temporary(Options::default()).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    if std::env::args().nth(1).as_deref() == Some("serve") {
        println!("{url}");
        let stop = async { drop(tokio::signal::ctrl_c().await) };
        return Ok(server.serve(listener, stop).await?);
    }
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(listener, async { drop(stopped.await) }));

    let qdrant = QdrantAdapter::new(Config::default().with_url(url))?;
    qdrant.initialize().await?;
    let able = qdrant.capabilities();
    for version in ["docs-1", "docs-2"] {
        build(able, version).await?;
        let switched = ask(able, alias(version)).await?;
        println!("{ALIAS} names {version}, before {:?}", switched.previous);
        let query = Query {
            collection: ALIAS.to_owned(),
            legs: vec![Leg::Dense(vec![0.9, 0.1, 0.0])],
            filter: Filter::all().and("version", version),
            limit: 3,
        };
        let reply = ask(able, query).await?;
        println!("  finds {:?}", reply.rankings.first());
        if let Some(collection) = switched.previous {
            ask(able, DropCollection { collection }).await?;
        }
    }
    drop(qdrant);
    drop(stop);
    serving.await??;
    Ok(())
}

async fn build(able: &Capabilities, name: &str) -> Result<(), Error> {
    let spec = CollectionSpec {
        name: name.to_owned(),
        space: EmbeddingSpace {
            id: "letters".to_owned(),
            dimensions: 3,
            max_tokens: 64,
            kind: SpaceKind::Lexical,
        },
        distance: Distance::Cosine,
        keyword_fields: vec!["version".to_owned()],
    };
    ask(able, EnsureCollection(spec)).await?;
    let point = Point {
        id: PointId::from_u128(1),
        dense: Some(vec![1.0, 0.0, 0.0]),
        sparse: None,
        payload: Payload::from_iter([("version".to_owned(), name.into())]),
    };
    let collection = name.to_owned();
    let points = vec![point];
    ask(able, Upsert { collection, points }).await
}

fn alias(collection: &str) -> SwitchAlias {
    SwitchAlias {
        alias: ALIAS.to_owned(),
        collection: collection.to_owned(),
    }
}

async fn ask<R: Capability<Error = Error>>(
    able: &Capabilities,
    request: R,
) -> Result<R::Response, Error> {
    let handle = able.handle::<R>();
    let handle = handle.expect("the adapter has all capabilities of a vector store");
    handle.call(request).await
}
