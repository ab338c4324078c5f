//! Publishers that wait for room.

use super::*;

fn push_waiting(queue: &Queue, event: &Arc<IntegrationEvent>) -> Acceptance {
    block_on(queue.push(Item::new(Arc::clone(event), Owner::Nobody), None))
}

#[test]
fn a_publisher_that_waits_for_room_gets_it() {
    loom::model(|| {
        let event = event(None);
        let model = Model::new(queue(1, Overflow::Block, 1), 1, 1);
        for _ in 0..3 {
            assert_eq!(push_waiting(&model.queue, &event), Acceptance::Accepted);
        }
        assert_eq!(model.finish(), 3);
    });
}

#[test]
fn two_publishers_that_wait_for_room_both_get_it() {
    loom::model(|| {
        let event = event(None);
        let model = Model::new(queue(1, Overflow::Block, 1), 1, 1);
        push(&model.queue, &event);
        let other = {
            let (queue, event) = (Arc::clone(&model.queue), Arc::clone(&event));
            thread::spawn(move || push_waiting(&queue, &event))
        };
        assert_eq!(push_waiting(&model.queue, &event), Acceptance::Accepted);
        assert_eq!(other.join().unwrap(), Acceptance::Accepted);
        assert_eq!(model.finish(), 3);
    });
}

#[test]
fn a_publisher_that_waits_learns_of_the_end() {
    loom::model(|| {
        let event = event(None);
        // Its worker never takes anything.
        let queue = queue(1, Overflow::Block, 1);
        push(&queue, &event);
        let waiting = {
            let (queue, event) = (Arc::clone(&queue), Arc::clone(&event));
            thread::spawn(move || push_waiting(&queue, &event))
        };
        assert_eq!(queue.close().len(), 1);
        assert_eq!(waiting.join().unwrap(), Acceptance::Closed);
    });
}

#[test]
fn a_publisher_that_waits_learns_that_nobody_is_left() {
    loom::model(|| {
        let event = event(None);
        let queue = queue(1, Overflow::Block, 1);
        push(&queue, &event);
        let waiting = {
            let (queue, event) = (Arc::clone(&queue), Arc::clone(&event));
            thread::spawn(move || push_waiting(&queue, &event))
        };
        queue.leave(&[0]);
        assert_eq!(waiting.join().unwrap(), Acceptance::Rejected);
        assert_eq!(queue.stats().waiting, 1);
    });
}
