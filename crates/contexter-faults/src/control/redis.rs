//! The control on Redis.

use anyhow::Result;
use redis::aio::MultiplexedConnection;
use redis::streams::{StreamReadOptions, StreamReadReply};
use redis::{AsyncCommands as _, AsyncConnectionConfig, Client};
use tokio::time::sleep;

use super::{Store, Tally};
use crate::broker::ANSWER;
use crate::numbered::{plain, plain_number};
use crate::publisher::PAUSE;

const STREAM: &str = "control";
const GROUP: &str = "control";
const CONSUMER: &str = "only";
const FIELD: &str = "data";
const MANY: usize = 500;
const BLOCK_MILLIS: usize = 100;

/// Publishes, and connects again when the connection is broken.
pub(super) struct Publisher {
    client: Client,
    connection: Option<MultiplexedConnection>,
}

impl Publisher {
    pub(super) fn new(url: &str) -> Result<Self> {
        Ok(Self {
            client: Client::open(url)?,
            connection: None,
        })
    }
}

impl Store for Publisher {
    async fn store(&mut self, batch: &[u64]) -> Result<()> {
        // Taken out, so that one that failed is not used again.
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(&self.client).await?,
        };
        let mut pipeline = redis::pipe();
        for number in batch {
            pipeline.xadd(STREAM, "*", &[(FIELD, plain(*number))]);
        }
        let _ids: Vec<String> = pipeline.query_async(&mut connection).await?;
        self.connection = Some(connection);
        Ok(())
    }
}

async fn connect(client: &Client) -> Result<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(ANSWER))
        .set_response_timeout(Some(ANSWER));
    let connection = client.get_multiplexed_async_connection_with_config(&config);
    Ok(connection.await?)
}

/// Consumes until it is aborted.
pub(super) async fn consume(url: &str, tally: &Tally) {
    loop {
        // Whatever goes wrong, it begins again.
        let _broken = consume_once(url, tally).await;
        sleep(PAUSE).await;
    }
}

async fn consume_once(url: &str, tally: &Tally) -> Result<()> {
    let mut connection = connect(&Client::open(url)?).await?;
    let made: Result<(), _> = connection.xgroup_create_mkstream(STREAM, GROUP, "0").await;
    if let Err(error) = made
        && error.code() != Some("BUSYGROUP")
    {
        return Err(error.into());
    }
    let options = StreamReadOptions::default()
        .group(GROUP, CONSUMER)
        .count(MANY)
        .block(BLOCK_MILLIS);
    // First what was read before the connection broke, then what is new.
    let mut from = "0";
    loop {
        let reply: Option<StreamReadReply> = connection
            .xread_options(&[STREAM], &[from], &options)
            .await?;
        let entries: Vec<_> = reply.into_iter().flat_map(|reply| reply.keys).collect();
        let entries: Vec<_> = entries.into_iter().flat_map(|key| key.ids).collect();
        if entries.is_empty() {
            from = ">";
            continue;
        }
        for entry in &entries {
            let data: Option<Vec<u8>> = entry.get(FIELD);
            if let Some(number) = data.as_deref().and_then(plain_number) {
                tally.see(number);
            }
        }
        let ids: Vec<_> = entries.iter().map(|entry| &entry.id).collect();
        let _many: usize = connection.xack(STREAM, GROUP, &ids).await?;
    }
}
