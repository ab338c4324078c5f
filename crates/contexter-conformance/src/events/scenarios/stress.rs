//! Many scenarios at the same time on one broker.

use futures_util::FutureExt as _;
use std::time::Duration;

use futures_util::future::{BoxFuture, try_join_all};

use super::{attempts, closing, delivery, leaving, order};
use crate::events::log::under_stress;
use crate::events::stage::Stage;
use crate::verdict::Checked;

/// How long each step may take on a machine that is kept busy.
const PATIENCE: Duration = Duration::from_mins(4);

type Run = fn(Stage) -> BoxFuture<'static, Checked>;

/// Those that leave the broker and the bus as they are. Not those of thousands of events: where a broker
/// has no wildcards, each of them goes to every group of all the others.
const PEACEFUL: [Run; 12] = [
    |stage| delivery::publish_subscribe(stage).boxed(),
    |stage| delivery::resend_on_error(stage).boxed(),
    |stage| delivery::isolation(stage).boxed(),
    |stage| delivery::late_group(stage).boxed(),
    |stage| delivery::groups(stage).boxed(),
    |stage| order::one_at_a_time(stage).boxed(),
    |stage| order::slow_key(stage).boxed(),
    |stage| closing::concurrent_close(stage).boxed(),
    |stage| closing::after_errors(stage).boxed(),
    |stage| closing::end_of_attempt(stage).boxed(),
    |stage| leaving::unsettled_goes_on(stage).boxed(),
    |stage| attempts::numbers_rise(stage).boxed(),
];

pub(super) async fn all_at_once(stage: Stage) -> Checked {
    let runs = PEACEFUL.iter().enumerate().flat_map(|(which, run)| {
        let stage = stage.clone();
        (0..stage.stress).map(move |time| run(stage.under(format!("{which}-{time}"))))
    });
    under_stress(PATIENCE, try_join_all(runs)).await.map(drop)
}
