//! Overlapping attempts need an operation each.

use contexter_retry::Hedge;
use contexter_service::{Cx, Policy};

struct Connection;

async fn hedged(hedge: &Hedge, connection: Connection) -> Result<(), &'static str> {
    let ping = move |_cx| {
        let _connection = &connection;
        async { Ok(()) }
    };
    hedge.run(Cx::new(), ping).await
}

fn main() {}
