//! The control on NATS.

use std::time::Duration;

use anyhow::Result;
use async_nats::ConnectOptions;
use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, StorageType};
use async_nats::jetstream::{self, Context};
use futures_util::StreamExt as _;
use tokio::time::{sleep, timeout};

use super::{Store, Tally};
use crate::broker::{ANSWER, LEASE};
use crate::numbered::{plain, plain_number};
use crate::publisher::PAUSE;

const STREAM: &str = "control";
const SUBJECT: &str = "control.number";

async fn connect(url: &str) -> Result<Context> {
    let options = ConnectOptions::new()
        .connection_timeout(ANSWER)
        .ping_interval(Duration::from_millis(500))
        .reconnect_delay_callback(|_| Duration::from_millis(50));
    let mut context = jetstream::new(options.connect(url).await?);
    context.set_timeout(ANSWER);
    Ok(context)
}

/// Makes the stream.
pub(super) async fn prepare(url: &str) -> Result<()> {
    let stream = Config {
        name: STREAM.to_owned(),
        subjects: vec![SUBJECT.to_owned()],
        storage: StorageType::File,
        ..Config::default()
    };
    connect(url).await?.create_stream(stream).await?;
    Ok(())
}

/// Publishes; the client itself connects again when the connection is broken.
pub(super) struct Publisher(Context);

impl Publisher {
    /// Connects, for as long as it takes: connections may be reset by now.
    pub(super) async fn connect(url: &str) -> Self {
        loop {
            match connect(url).await {
                Ok(context) => return Self(context),
                Err(_broken) => sleep(PAUSE).await,
            }
        }
    }
}

impl Store for Publisher {
    async fn store(&mut self, batch: &[u64]) -> Result<()> {
        let mut confirmations = Vec::with_capacity(batch.len());
        for number in batch {
            let message = PublishMessage::build()
                .message_id(number.to_string())
                .payload(plain(*number).into());
            confirmations.push(self.0.send_publish(SUBJECT, message).await?);
        }
        for confirmation in confirmations {
            timeout(ANSWER, confirmation.into_future()).await??;
        }
        Ok(())
    }
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
    let stream = connect(url).await?.get_stream(STREAM).await?;
    let config = pull::Config {
        durable_name: Some(STREAM.to_owned()),
        ack_wait: LEASE,
        ..pull::Config::default()
    };
    let consumer = stream.get_or_create_consumer(STREAM, config).await?;
    let mut messages = consumer
        .stream()
        .heartbeat(Duration::from_millis(200))
        .expires(Duration::from_secs(5))
        .messages()
        .await?;
    while let Some(message) = messages.next().await {
        let message = message?;
        if let Some(number) = plain_number(&message.payload) {
            tally.see(number);
        }
        if let Err(error) = message.ack().await {
            anyhow::bail!("an acknowledgement was not sent: {error}");
        }
    }
    Ok(())
}
