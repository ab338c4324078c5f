//! The semaphore of bulkhead and adaptive limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use loom::thread;

use crate::semaphore::{Entered, Semaphore};

/// Counts how often it was woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Bell {
    fn rung(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn bell() -> (Arc<Bell>, Waker) {
    let bell = Arc::new(Bell::default());
    (Arc::clone(&bell), Waker::from(bell))
}

#[test]
fn two_threads_never_get_the_one_place() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::new(1, 0));
        let other = Arc::clone(&semaphore);
        let theirs = thread::spawn(move || other.try_enter());
        let ours = semaphore.try_enter();
        assert!(ours ^ theirs.join().unwrap());
        semaphore.exit();
        assert_eq!(semaphore.running(), 0);
    });
}

#[test]
fn a_place_that_is_given_back_reaches_who_begins_to_wait() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::new(1, 1));
        assert!(semaphore.try_enter());
        let other = Arc::clone(&semaphore);
        let theirs = thread::spawn(move || other.exit());
        let (bell, waker) = bell();
        let entered = semaphore.enter_or_wait(&waker);
        theirs.join().unwrap();
        match entered {
            Entered::Admitted => assert_eq!(bell.rung(), 0),
            Entered::Waiting(ticket) => {
                assert_eq!(bell.rung(), 1, "woken");
                assert!(semaphore.poll(ticket, &waker));
            }
            Entered::Full => panic!("there is a place in the queue"),
        }
        assert_eq!(semaphore.running(), 1);
        semaphore.exit();
        assert_eq!(semaphore.running(), 0);
        assert!(semaphore.try_enter());
    });
}

#[test]
fn a_waiter_that_is_dropped_beside_a_hand_over_passes_the_place_on() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::new(1, 2));
        assert!(semaphore.try_enter());
        let (_, first) = bell();
        let Entered::Waiting(first) = semaphore.enter_or_wait(&first) else {
            panic!("all places are taken");
        };
        let (second_bell, waker) = bell();
        let Entered::Waiting(second) = semaphore.enter_or_wait(&waker) else {
            panic!("all places are taken");
        };
        let other = Arc::clone(&semaphore);
        let theirs = thread::spawn(move || other.exit());
        // As the future of a wait does when it is dropped.
        if semaphore.leave(first) {
            semaphore.exit();
        }
        theirs.join().unwrap();
        assert_eq!(second_bell.rung(), 1, "woken once");
        assert!(semaphore.poll(second, &waker));
        assert_eq!((semaphore.running(), semaphore.waiting()), (1, 0));
    });
}

#[test]
fn a_larger_limit_beside_a_place_that_becomes_free_serves_both_waiters() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::new(1, 2));
        assert!(semaphore.try_enter());
        let waiters = [bell(), bell()].map(|(bell, waker)| {
            let Entered::Waiting(ticket) = semaphore.enter_or_wait(&waker) else {
                panic!("all places are taken");
            };
            (bell, waker, ticket)
        });
        let other = Arc::clone(&semaphore);
        let theirs = thread::spawn(move || other.resize(2, 2));
        semaphore.exit();
        theirs.join().unwrap();
        for (bell, waker, ticket) in waiters {
            assert_eq!(bell.rung(), 1);
            assert!(semaphore.poll(ticket, &waker));
        }
        assert_eq!((semaphore.running(), semaphore.waiting()), (2, 0));
    });
}

#[test]
fn a_free_place_is_found_beside_a_new_limit() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::new(1, 1));
        let other = Arc::clone(&semaphore);
        let theirs = thread::spawn(move || other.resize(2, 2));
        assert!(semaphore.try_enter(), "one place was always free");
        theirs.join().unwrap();
        assert!(semaphore.try_enter());
        assert!(!semaphore.try_enter());
    });
}

#[test]
fn nobody_comes_in_before_who_waits_while_the_limit_grows() {
    loom::model(|| {
        let semaphore = Arc::new(Semaphore::new(1, 2));
        assert!(semaphore.try_enter());
        let (_bell, waker) = bell();
        let Entered::Waiting(first) = semaphore.enter_or_wait(&waker) else {
            panic!("all places are taken");
        };
        let other = Arc::clone(&semaphore);
        let theirs = thread::spawn(move || other.resize(3, 2));
        let (_other_bell, late) = bell();
        let entered = semaphore.try_enter() || semaphore.enter_or_wait(&late) == Entered::Admitted;
        if entered {
            assert!(semaphore.poll(first, &waker), "it was there before");
        }
        theirs.join().unwrap();
        assert_eq!((semaphore.running(), semaphore.waiting()), (3, 0));
    });
}
