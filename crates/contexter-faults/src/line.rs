//! The database over a connection: one question a line, one answer a line.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use contexter_event_bus::transport::TransportErrorKind;
use contexter_event_bus::{Begin, DedupeKey, DedupeStore, DeliveryId, TransportError};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Mutex;

use crate::database::{Database, Session};

const NEW: &str = "new";
const IN_PROGRESS: &str = "in progress";
const DONE: &str = "done";

/// Answers one process until it ends.
pub(crate) async fn serve(stream: TcpStream, database: &Database, session: Session) -> Result<()> {
    stream.set_nodelay(true)?;
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Some(line) = lines.next_line().await? {
        let answer = answer(&line, database, session).context("a question that is none")?;
        write.write_all(format!("{answer}\n").as_bytes()).await?;
    }
    Ok(())
}

fn answer(line: &str, database: &Database, session: Session) -> Option<&'static str> {
    // The key is last, because it may hold anything but a line break.
    let (verb, rest) = line.split_once(' ')?;
    match verb {
        "begin" => {
            let (group, key) = rest.split_once(' ')?;
            return Some(match database.begin(session, group, key) {
                Begin::New => NEW,
                Begin::Done => DONE,
                _ => IN_PROGRESS,
            });
        }
        "write" => {
            let (group, rest) = rest.split_once(' ')?;
            let (number, key) = rest.split_once(' ')?;
            database.write(session, group, key, number.parse().ok()?);
        }
        "done" => database.done(session, rest),
        "release" => database.release(session, rest),
        _ => return None,
    }
    Some(DONE)
}

/// The database as a process of the pool sees it.
#[derive(Debug)]
pub(crate) struct Remote {
    group: String,
    line: Mutex<(Lines<BufReader<OwnedReadHalf>>, OwnedWriteHalf)>,
}

impl Remote {
    pub(crate) async fn connect(address: SocketAddr, group: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (read, write) = stream.into_split();
        Ok(Self {
            group: group.to_owned(),
            line: Mutex::new((BufReader::new(read).lines(), write)),
        })
    }

    /// Writes a number in the transaction of its event.
    pub(crate) async fn write(&self, key: &DedupeKey, number: u64) -> Result<(), TransportError> {
        let question = format!("write {} {number} {}", self.group, key.as_str());
        self.ask(question).await.map(drop)
    }

    async fn ask(&self, question: String) -> Result<String, TransportError> {
        let mut line = self.line.lock().await;
        let (lines, write) = &mut *line;
        let asked = async {
            write.write_all(format!("{question}\n").as_bytes()).await?;
            lines.next_line().await
        };
        match asked.await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(gone()),
            Err(error) => Err(gone().with_source(error)),
        }
    }
}

fn gone() -> TransportError {
    TransportError::new(TransportErrorKind::Unavailable, "the database is gone")
}

#[async_trait]
impl DedupeStore for Remote {
    async fn begin(
        &self,
        key: &DedupeKey,
        _by: &DeliveryId,
        _lease: Duration,
    ) -> Result<Begin, TransportError> {
        let question = format!("begin {} {}", self.group, key.as_str());
        Ok(match &*self.ask(question).await? {
            NEW => Begin::New,
            DONE => Begin::Done,
            _ => Begin::InProgress,
        })
    }

    async fn done(&self, key: &DedupeKey) -> Result<(), TransportError> {
        self.ask(format!("done {}", key.as_str())).await.map(drop)
    }

    async fn release(&self, key: &DedupeKey, _by: &DeliveryId) -> Result<(), TransportError> {
        self.ask(format!("release {}", key.as_str()))
            .await
            .map(drop)
    }
}
