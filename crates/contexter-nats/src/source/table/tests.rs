//! Tests of the table.

use contexter_event_bus::transport::RawMessage;

use super::*;

fn take(table: &mut Table, sequence: u64, until: Instant) {
    take_again(table, sequence, until, 1);
}

fn take_again(table: &mut Table, sequence: u64, until: Instant, count: u64) {
    let delivered = Delivered {
        count,
        sequence,
        delivery: sequence,
        pending: 0,
    };
    let raw = RawMessage::new(Vec::new(), Vec::new());
    let content = Content::Message(Decoded {
        event: Err(Undecodable::new("empty", raw)),
        redrive_group: None,
    });
    let arrival = Arrival {
        delivered,
        others: 0,
        size: 10,
        content,
    };
    table.take_in("ack".into(), arrival, until);
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(9)
}

#[test]
fn a_second_delivery_makes_the_first_token_worthless() {
    let mut table = Table::default();
    take(&mut table, 1, later());
    let (first, _) = table.give(1).remove(0);
    take(&mut table, 1, later());
    let (second, _) = table.give(1).remove(0);
    let now = Instant::now();
    assert!(table.begin(first, now).is_none());
    assert!(table.begin(second, now).is_some());
    assert!(table.begin(second, now).is_none(), "it is settled once");
    table.forget(second.0);
    assert!(table.is_empty() && table.by_sequence.is_empty());
}

#[test]
fn room_is_what_fits_by_number_and_by_size() {
    let most = Most::new(8, 30, 20);
    assert_eq!((most.at_once, most.worth_it()), (6, 2));
    let mut table = Table {
        expected: ExpectedSize::new(20),
        ..Table::default()
    };
    assert_eq!(table.free(&most), 2, "each may be of the largest");
    take(&mut table, 1, later());
    assert_eq!(table.free(&most), 2);
    table.outstanding = 1;
    assert_eq!(table.free(&most), 1);
    table.outstanding = 0;
    take(&mut table, 1, later());
    take(&mut table, 2, later());
    assert_eq!(table.free(&most), 1);
    take(&mut table, 3, later());
    assert_eq!(table.free(&most), 0);
    for (token, _) in table.give(9) {
        table.forget(token.0);
    }
    assert_eq!((table.bytes, table.free(&most)), (0, 3));
    table.expected = ExpectedSize::new(1);
    assert_eq!(table.free(&most), 6, "all could be of the largest");
}

#[test]
fn one_message_is_asked_for_however_little_may_be_held() {
    let most = Most::new(0, 0, 20);
    let mut table = Table::default();
    assert_eq!((most.worth_it(), table.free(&most)), (1, 1));
    take(&mut table, 1, later());
    assert_eq!(table.free(&most), 0);
}

#[test]
fn what_was_read_ahead_too_long_ago_is_not_given() {
    let mut table = Table::default();
    take(&mut table, 1, Instant::now());
    assert!(table.give(1).is_empty());
    assert!(table.is_empty());
}

#[test]
fn nothing_is_given_until_what_was_lost_is_here_and_then_in_the_order_of_the_stream() {
    let mut table = Table::default();
    take(&mut table, 2, later());
    table.miss(2);
    // One that is held comes again, two that are new, and one that was lost.
    for (sequence, count) in [(2, 2), (7, 1), (9, 1), (4, 2)] {
        take_again(&mut table, sequence, later(), count);
    }
    assert!(table.give(9).is_empty());
    assert_eq!(table.missing(), 1);
    take_again(&mut table, 3, later(), 3);
    let given = table.give(9);
    let given: Vec<_> = given
        .iter()
        .map(|(_, one)| one.delivered.sequence)
        .collect();
    assert_eq!(given, [2, 3, 4, 7, 9]);
}

#[test]
fn a_message_past_its_lease_cannot_be_settled() {
    let mut table = Table::default();
    take(&mut table, 1, later());
    let (token, _) = table.give(1).remove(0);
    table.renewed(token, Some(Instant::now()));
    assert!(table.begin(token, Instant::now()).is_none());
    assert!(table.is_empty());
}

#[test]
fn what_is_put_off_is_not_lost_until_it_is_due() {
    let mut table = Table::default();
    for sequence in [1, 2, 3] {
        take(&mut table, sequence, later());
    }
    let now = Instant::now();
    for ((token, _), due) in table.give(2).into_iter().zip([now, later()]) {
        table.put_off(token, due);
        table.forget(token.0);
    }
    assert_eq!(table.not_lost(), 2, "one is held, and one comes later");
}

#[test]
fn a_consumer_resumes_at_the_oldest_message_that_it_holds() {
    let mut table = Table::default();
    assert_eq!(table.resume_at(), None);
    take(&mut table, 4, later());
    take(&mut table, 7, later());
    assert_eq!(table.resume_at(), Some(4));
    assert_eq!(table.clear_ready().len(), 2);
    assert_eq!(table.resume_at(), Some(8));
}

#[test]
fn a_consumer_of_its_own_resumes_at_the_oldest_message_that_is_not_settled() {
    let mut table = Table::solo();
    for sequence in [4, 7, 9] {
        take(&mut table, sequence, later());
    }
    let given = table.give(3);
    let settled = |table: &mut Table, at: usize| {
        let token = given[at].0;
        table.begin(token, Instant::now()).unwrap();
        table.acknowledged(token);
    };
    // Given back, and its lease over: it comes again, but from nowhere else.
    table.forget(given[0].0.0);
    settled(&mut table, 1);
    assert_eq!(table.resume_at(), Some(4));
    table.settled_up_to(8);
    assert_eq!(table.resume_at(), Some(9));
    settled(&mut table, 2);
    assert_eq!(table.resume_at(), Some(10));
}

#[test]
fn a_stream_in_the_place_of_another_one_is_read_from_its_beginning() {
    for mut table in [Table::default(), Table::solo()] {
        for sequence in [4, 7] {
            take(&mut table, sequence, later());
        }
        let given = table.give(2);
        table.begins_anew();
        assert_eq!(table.resume_at(), Some(1));
        take(&mut table, 7, later());
        assert_eq!(table.resume_at(), Some(7));
        // What is of the old stream can still be settled, and settles nothing of the new one.
        for (token, _) in given {
            table.begin(token, Instant::now()).unwrap();
            table.acknowledged(token);
        }
        assert_eq!(table.resume_at(), Some(7));
        assert!(table.holds(7) && !table.is_empty());
        assert_eq!(table.not_lost(), 1);
    }
}

#[test]
fn a_consumer_that_has_seen_nothing_begins_again_where_it_began() {
    let mut table = Table::solo();
    assert_eq!(table.resume_at(), None);
    table.begins_after(0);
    assert_eq!(table.resume_at(), Some(1), "the stream was empty");
    table.begins_after(7);
    assert_eq!(table.resume_at(), Some(1), "it is known where it is");
}
