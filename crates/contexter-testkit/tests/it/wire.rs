//! A client of a few lines, so that the kit is not tested with the libraries it serves.

use std::io::{BufRead, BufReader, Result, Write};
use std::net::TcpStream;
use std::time::Duration;

use contexter_testkit::Server;

/// How long a healthy server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    pub(crate) fn connect(server: &Server) -> Result<Self> {
        let stream = TcpStream::connect(server.address())?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Waits for an answer no longer than this.
    pub(crate) fn patience(&self, patience: Duration) -> Result<()> {
        self.0.get_ref().set_read_timeout(Some(patience))
    }

    pub(crate) fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    pub(crate) fn ask(&mut self, command: &str) -> Result<String> {
        self.0
            .get_mut()
            .write_all(format!("{command}\r\n").as_bytes())?;
        self.line()
    }
}
