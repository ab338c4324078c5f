//! The scenarios: each is a rule as data, and a function that asks a transport for it.

mod around;
mod attempts;
mod closing;
mod dedupe;
mod delivery;
mod drain;
mod envelope;
mod faults;
mod lease;
mod leaving;
mod letters;
mod order;
mod outbox;
mod patterns;
mod pressure;
mod races;
mod redrive;
mod requests;
mod several;
mod sources;
mod store;
mod stress;
mod unreadable;

use std::time::Duration;

use contexter_event_bus::{BusConfig, Capability};
use futures_util::FutureExt as _;

use super::fixture::{Ability, Settings};
use super::suite::{Need, Scenario};
use crate::Rule;

/// The families of rules, and what they are.
pub(crate) const FAMILIES: &[(&str, &str)] = &[
    ("W", "W: what a subscriber may rely on"),
    ("A", "A: failures, dead letters, limits and faults"),
    ("D", "D: batches and changing subscribers"),
    ("E", "E: what an adapter must not do"),
];

const GROUPS: Need = Need::Can(Capability::ConsumerGroups);
const PERSISTENT: Need = Need::Can(Capability::Persistence);
const TAKEOVER: Need = Need::Can(Capability::Takeover);
const ORDER: Need = Need::Can(Capability::OrderPerKey);
const ORDER_ACROSS: Need = Need::Can(Capability::OrderAcrossConsumers);
const EARLIEST: Need = Need::Can(Capability::StartEarliest);
const REPLAY: Need = Need::Can(Capability::Replay);
const REQUESTS: Need = Need::Can(Capability::RequestReply);
const NO_RESPONDER: Need = Need::Can(Capability::NoResponder);
const SETTLEMENT: Need = Need::Can(Capability::Settlement);
const PUBLISH_DEDUPE: Need = Need::Can(Capability::PublishDedupe);
const DURABLE_LETTERS: Need = Need::Can(Capability::DurableDeadLetters);
const REMOTE: Need = Need::Can(Capability::Remote);
const LIMIT: Need = Need::PayloadLimit;
const STORE: Need = Need::Fixture(Ability::Store);
const RESTART: Need = Need::Fixture(Ability::Restart);
const PAUSE: Need = Need::Fixture(Ability::Pause);
const TRIM: Need = Need::Fixture(Ability::Trim);
const BOUNDS: Need = Need::Fixture(Ability::Bounds);

macro_rules! scenarios {
    ($family:literal: $($number:literal $text:literal [$($need:ident)*] $($settings:ident)? $(; $alone:ident)? => $run:path,)+) => {
        [$(Scenario {
            rule: Rule::new($number, $family, $text),
            needs: &[$($need),*],
            settings: settings!($($settings)?),
            alone: matches!(stringify!($($alone)?), "alone"),
            run: |stage| $run(stage).boxed(),
        },)+]
    };
}

macro_rules! settings {
    () => {
        Settings::default
    };
    ($settings:ident) => {
        $settings
    };
}

/// A bus that keeps the events of many scenarios, and waits for a broker that is kept busy by them.
fn large_store() -> Settings {
    Settings {
        bus: BusConfig::default().with_store(1_000_000, usize::MAX),
        publish_within: Duration::from_mins(2),
        ..Settings::default()
    }
}

/// Publications that learn soon that the broker is away.
fn soon() -> Settings {
    Settings {
        publish_within: Duration::from_secs(8),
        ..Settings::default()
    }
}

/// A broker that keeps few events, and a bus that does.
fn small_store() -> Settings {
    Settings {
        bus: BusConfig::default().with_store(store::KEPT, usize::MAX),
        max_events: Some(store::KEPT as u64),
        ..Settings::default()
    }
}

/// A bus that keeps few bytes of events.
fn few_bytes() -> Settings {
    Settings {
        bus: BusConfig::default().with_store(usize::MAX, store::KEPT_BYTES),
        ..Settings::default()
    }
}

/// A bus that keeps events for a short time.
fn short_memory() -> Settings {
    Settings {
        bus: BusConfig::default().with_stored_age(store::KEPT_FOR),
        ..Settings::default()
    }
}

pub(crate) fn all() -> Vec<Scenario> {
    let families = [of_subscribers(), of_failures(), of_batches(), of_adapters()];
    families.into_iter().flatten().collect()
}

fn of_subscribers() -> Vec<Scenario> {
    scenarios! { "W":
        1 "each of 100 events arrives with payload and metadata; after the end nothing does" [EARLIEST] => delivery::publish_subscribe,
        2 "50 publishers and 50 members of a group: 5,000 events, none lost" [GROUPS] => delivery::concurrent_members,
        3 "the same ids on 20 types in parallel: each type delivers its full set" [] => delivery::many_types,
        4 "two failures of every event, and all 100 still arrive" [] => delivery::resend_on_error,
        5 "while an event is unsettled, the next of its key is not delivered; then it is" [ORDER] => order::one_at_a_time,
        6 "read a batch, die, let another read on: over all rounds nothing is lost" [PERSISTENT GROUPS TAKEOVER] => closing::rounds,
        7 "10 members opened and closed at once; a later one gets all that is published then" [GROUPS] => closing::concurrent_close,
        8 "three members fail 100 deliveries each and leave; a healthy one gets everything" [GROUPS TAKEOVER] => closing::after_errors,
        9 "1,000 events of 16 keys come in the order of each key, to one member" [ORDER] => order::per_key,
        9 "1,000 events of 16 keys come in the order of each key, to 10 members" [ORDER_ACROSS GROUPS] => order::across_members,
        10 "20 publishers, closed in the middle: what was acknowledged is delivered" [] => closing::publisher_close,
        11 "each of two types reaches its own subscriber only" [] => delivery::isolation,
        12 "an attempt's signal fires when it is settled, and when its subscriber closes" [] => closing::end_of_attempt,
        13 "what a closed subscriber has not settled goes to the next, and nothing else" [GROUPS TAKEOVER] => leaving::unsettled_goes_on_once,
        13 "what a process that died had not settled goes to the next" [REMOTE GROUPS TAKEOVER] => leaving::death,
        13 "who leaves in the middle of a computation takes nothing more" [GROUPS TAKEOVER] => leaving::in_a_computation,
        14 "10,000 events, 100 publishers, the broker killed twice: all are delivered" [PERSISTENT RESTART] soon => faults::reconnect,
        15 "a new group begins at the oldest event, also after others have read it" [EARLIEST GROUPS] => delivery::late_group,
        16 "each group gets everything, and within it each event goes to one member" [GROUPS] => delivery::groups,
        17 "those above that leave bus and broker to others and have few events, many times at the same time" [EARLIEST GROUPS TAKEOVER ORDER] large_store; alone => stress::all_at_once,
    }
    .into()
}

fn of_failures() -> Vec<Scenario> {
    scenarios! { "A":
        1 "the attempt number is visible and rises by one" [] => attempts::numbers_rise,
        2 "an event that fails for good is a dead letter with all that is known, and is settled" [] => letters::complete,
        2 "an event with about 64 KiB of attributes is a dead letter, or is refused as too large" [] => letters::large_attributes,
        2 "an event that several fail, in groups and without one, is a dead letter of each" [GROUPS] => several::each_has_a_letter,
        3 "an event whose dead letter cannot be stored is not acknowledged" [REMOTE] => letters::stored_before_the_ack,
        4 "a redriven event is handled although its id was seen" [] => redrive::redriven,
        4 "of two groups that differ by their pattern, only the one that failed gets it again" [GROUPS] => redrive::redriven_to_a_pattern,
        4 "of several without a group and of one name, only the one that failed gets it again" [] => several::redriven_to_the_one_that_failed,
        5 "bytes that are no event become a dead letter, and the next arrives" [STORE] => unreadable::garbage,
        5 "an unknown version becomes a dead letter, and the next arrives" [STORE] => unreadable::unknown_version,
        5 "headers that are no text become a dead letter, and the next arrives" [STORE] => unreadable::binary_headers,
        5 "header names that are not ASCII become a dead letter, and the next arrives" [STORE] => unreadable::foreign_names,
        5 "reserved names as attributes become a dead letter, and the next arrives" [STORE] => unreadable::reserved_names,
        5 "headers larger than what is read become a dead letter, and the next arrives" [STORE] => unreadable::oversized,
        5 "about 64 KiB of headers become a dead letter, and the next arrives" [STORE] => unreadable::near_the_limit,
        5 "an event from the future becomes a dead letter, and the next arrives" [REMOTE] => unreadable::clock_skew,
        6 "what kills its process on every try is a dead letter, without the handler" [REMOTE TAKEOVER] => letters::poison,
        7 "what is to be tried later comes then: not before, and not long after" [] => attempts::delayed,
        8 "a handler longer than the lease keeps its event while it lives" [GROUPS] => lease::outlived,
        8 "also while quick events keep everything busy" [REMOTE GROUPS] => lease::outlived_under_load,
        9 "an attempt that hangs is tried again elsewhere" [GROUPS] => attempts::hung,
        9 "after the lease, a late acknowledgement is refused" [REMOTE TAKEOVER] => sources::fencing,
        10 "a slow key does not delay the others" [ORDER] => order::slow_key,
        11 "a duplicate has one effect, and a failed first try is tried again" [] => dedupe::once,
        11 "what one group has handled is no duplicate for one of the same name and another pattern" [GROUPS] => dedupe::patterns_of_a_group,
        11 "an event that is published twice is stored once, and the confirmation says so" [PUBLISH_DEDUPE REMOTE] => dedupe::at_the_broker,
        12 "wildcards match as one table says, and what is no pattern is refused" [] => patterns::table,
        13 "a stalled subscriber that blocks: what is held is bounded, nothing is lost" [] => pressure::block,
        13 "a stalled subscriber that refuses: what is held is bounded, nothing is dropped" [] => pressure::reject,
        13 "a stalled subscriber that drops the newest: held is bounded, drops are counted" [] => pressure::drop_newest,
        13 "a stalled subscriber that drops the oldest: held is bounded, drops are counted" [] => pressure::drop_oldest,
        14 "a drain stops the intake, lets handlers end, and reports both kinds" [] => drain::report,
        14 "the publisher is closed last: a handler under way can still publish" [REMOTE] => drain::publisher_last,
        15 "a panic in one handler leaves the others running, and counts as a failure" [] => attempts::panics,
        16 "1,000 requests at once each get their own reply" [REQUESTS] => requests::correlated,
        16 "of two groups that could answer a request, one carries it out" [REQUESTS] => requests::two_groups,
        16 "a request without an answer ends in time, and a late reply is discarded" [REQUESTS] => requests::late,
        16 "a request whose time is over before it was taken is not delivered" [REQUESTS REMOTE] => requests::over,
        16 "a request that nobody answers fails at once" [REQUESTS NO_RESPONDER] => requests::nobody,
        17 "trace context, correlation and causation cross the wire" [] => envelope::context,
        18 "every attribute arrives as it was, in binary mode" [] => envelope::binary,
        18 "every attribute arrives as it was, in structured mode" [STORE] => envelope::structured,
        19 "an event beyond the limit is refused by type, and the connection stays" [LIMIT REMOTE] => envelope::too_large,
        20 "a broker that hangs fails publications when the transport says; consumers go on by themselves" [PAUSE] soon => faults::paused,
        21 "an expired event is not handled, and is counted" [] => envelope::expired,
        22 "a bounded store forgets the oldest, and a replay reports the gap" [REPLAY] small_store => store::gap,
        22 "a store bounded by bytes forgets the oldest, and a replay reports the gap" [REPLAY BOUNDS] few_bytes => store::gap_by_bytes,
        22 "a store bounded by age forgets what is old, and a replay reports the gap" [REPLAY BOUNDS] short_memory => store::gap_by_age,
        22 "what an operator removed is a gap, also while nothing is stored" [REPLAY TRIM] => store::gap_by_removal,
        22 "a replay by time, type and flow returns just those" [REPLAY] => store::filters,
        23 "an outbox that fails at each of its steps loses nothing and keeps the order" [] => outbox::every_step,
        24 "what was removed while it was leased is passed over, and the next arrives" [TRIM TAKEOVER] => unreadable::trimmed,
    }
    .into()
}

fn of_batches() -> Vec<Scenario> {
    scenarios! { "D":
        1 "a fresh bus says that it is healthy" [] => races::healthy,
        2 "some of a batch fail and pile up: first deliveries keep their order" [ORDER] => order::first_deliveries,
        3 "several handlers, and each sees only its own type" [] => delivery::many_handlers,
        4 "members close one after another: the closed one stops, the others lose nothing" [GROUPS TAKEOVER] => leaving::one_after_another,
        4 "also when the closed one is in the middle of a computation" [GROUPS TAKEOVER] => leaving::one_after_another_in_computations,
        5 "publishing many reports on each of them" [] => races::status_per_entry,
    }
    .into()
}

fn of_adapters() -> Vec<Scenario> {
    scenarios! { "E":
        1 "what an idle consumer held is claimed exactly once by 20 competitors" [REMOTE TAKEOVER GROUPS] => sources::claimed_once,
        2 "without a group, every subscriber gets everything from now on" [] => delivery::fan_out,
        2 "without a group, every subscriber gets everything from the beginning" [EARLIEST] => delivery::fan_out_of_the_past,
        3 "a blocked subscriber does not hold up the others" [] => races::blocked,
        4 "publishing, subscribing and closing at the same time neither hang nor panic" [] => races::at_the_same_time,
        5 "headers of the transport's own are not attributes of an event" [] => redrive::nothing_leaks,
        6 "a message is settled once; settling it again is refused" [REMOTE] => sources::settled_once,
        7 "a handler's output is published before its input is acknowledged" [] => races::output_first,
        8 "no more is held unsettled than was asked for" [REMOTE] => sources::prefetch,
        8 "no more bytes are held unsettled than were asked for, but for less than one event" [REMOTE] => sources::prefetch_bytes,
        9 "a publisher can wait for the outcome of every handler" [SETTLEMENT] => races::settlement,
        10 "what the transport does not claim is refused as unsupported" [] => races::unclaimed,
        11 "dead letters outlive the bus" [DURABLE_LETTERS] => letters::durable,
        12 "what was wrapped last around a handler is outermost" [] => around::middleware,
        12 "a middleware decides in the place of the handler" [] => around::instead,
        13 "who observes is told of each event that no handler has handled, and why" [] => around::observer,
        14 "a hook vetoes the claim of what an idle consumer held" [] => around::claims,
    }
    .into()
}
