//! Those who wait, and whoever wakes them, without a queue.

use super::*;
use crate::sync::Waiting;

/// What is there to be had, and who waits for it.
#[derive(Default)]
struct Things {
    state: Mutex<(usize, Waiting)>,
    signal: Signal,
}

impl Things {
    fn add(&self) {
        let mut state = self.state.lock();
        state.0 += 1;
        let wake = state.1.wake();
        drop(state);
        if wake {
            self.signal.wake_one();
        }
    }

    fn take(&self) {
        loop {
            {
                let mut state = self.state.lock();
                if state.0 > 0 {
                    state.0 -= 1;
                    return;
                }
            }
            let mut counted = false;
            block_on(self.signal.wait(|| {
                let mut state = self.state.lock();
                counted = state.0 == 0;
                if counted {
                    state.1.sleep();
                }
                counted
            }));
            if counted {
                self.state.lock().1.rise();
            }
        }
    }
}

/// A signal keeps one wake-up for those who are not in line yet, not two: so whoever counts as
/// asleep has to be in line.
#[test]
fn two_wake_ups_wake_two() {
    loom::model(|| {
        let things = Arc::new(Things::default());
        let takers = [0, 1].map(|_| {
            let things = Arc::clone(&things);
            thread::spawn(move || things.take())
        });
        things.add();
        things.add();
        for taker in takers {
            taker.join().unwrap();
        }
    });
}
