//! Connections that break in the middle.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use contexter_testkit::Forwarder;

const PATIENCE: Duration = Duration::from_secs(30);

/// Takes one connection, and returns what came over it until it ended.
fn server() -> (SocketAddr, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let serving = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut all = Vec::new();
        let mut part = [0; 1_024];
        while let Ok(read) = stream.read(&mut part) {
            if read == 0 {
                break;
            }
            all.extend_from_slice(&part[..read]);
            // Heard, unless the connection is gone.
            let _gone = stream.write_all(b".");
        }
        all
    });
    (address, serving)
}

fn client(forwarder: &Forwarder) -> TcpStream {
    let stream = TcpStream::connect(forwarder.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[test]
fn bytes_pass_both_ways_and_an_orderly_end_stays_one() {
    let (address, serving) = server();
    let forwarder = Forwarder::start(address).unwrap();
    let mut client = client(&forwarder);
    client.write_all(b"hello").unwrap();
    let mut heard = [0; 1];
    client.read_exact(&mut heard).unwrap();
    drop(client);
    assert_eq!(serving.join().unwrap(), b"hello");
    assert_eq!(forwarder.resets(), 0);
}

#[test]
fn a_reset_cuts_what_a_client_sends_at_the_very_byte() {
    let (address, serving) = server();
    let forwarder = Forwarder::start(address).unwrap();
    let mut client = client(&forwarder);
    forwarder.reset_after(7);
    client.write_all(b"0123456789").unwrap();
    let mut rest = Vec::new();
    let broken = client.read_to_end(&mut rest).unwrap_err();
    assert_eq!(broken.kind(), ErrorKind::ConnectionReset);
    assert_eq!(serving.join().unwrap(), b"0123456");
    assert_eq!(forwarder.resets(), 1);
}

#[test]
fn a_reset_breaks_what_is_open_and_leaves_the_way_free() {
    let (address, serving) = server();
    let forwarder = Forwarder::start(address).unwrap();
    let mut first = client(&forwarder);
    first.write_all(b"a").unwrap();
    let mut heard = [0; 1];
    first.read_exact(&mut heard).unwrap();
    forwarder.reset();
    let broken = first.read(&mut heard).unwrap_err();
    assert_eq!(broken.kind(), ErrorKind::ConnectionReset);
    assert_eq!(serving.join().unwrap(), b"a");
    // Nobody listens there any more: a new connection is taken, and ends.
    let mut second = client(&forwarder);
    assert!(!matches!(second.read(&mut heard), Ok(1..)));
}
