//! Another host, to which redirects lead and nobody may go.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::OnceLock;

fn listener() -> &'static TcpListener {
    static LISTENER: OnceLock<TcpListener> = OnceLock::new();

    LISTENER.get_or_init(|| {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        listener
    })
}

/// Returns where it is. Connections are made there and nobody answers.
pub(crate) fn address() -> SocketAddr {
    listener().local_addr().unwrap()
}

/// Fails if anybody connected. Who did waits to be let in, so that nothing is missed.
pub(crate) fn assert_unvisited() {
    match listener().accept() {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        Err(error) => panic!("{error}"),
        Ok((_, visitor)) => panic!("{visitor} was led to another host"),
    }
}

#[test]
fn a_visitor_is_seen() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let visitor = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (_, seen) = listener.accept().unwrap();
    assert_eq!(seen, visitor.local_addr().unwrap());
}
