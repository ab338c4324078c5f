//! Every interleaving of two threads on a budget, by loom.
//!
//! `RUSTFLAGS="--cfg contexter_loom" cargo test --profile ci -p contexter-retry --lib models`

use loom::thread;

use crate::{Budget, BudgetConfig};

fn budget(ratio: f64, reserve: u32, max_tokens: u32) -> Budget {
    Budget::new(
        BudgetConfig::new()
            .ratio(ratio)
            .reserve(reserve)
            .max_tokens(max_tokens),
    )
    .unwrap()
}

#[test]
fn two_threads_never_get_the_one_token() {
    loom::model(|| {
        let budget = budget(0.5, 1, 1);
        let other = budget.clone();
        let theirs = thread::spawn(move || other.try_withdraw());
        let ours = budget.try_withdraw();
        let theirs = theirs.join().unwrap();
        assert!(ours.is_some() ^ theirs.is_some());
        assert_eq!(budget.tokens(), 0);
    });
}

#[test]
fn no_deposit_is_lost_beside_a_withdrawal() {
    loom::model(|| {
        let budget = budget(1.0, 1, 5);
        let other = budget.clone();
        let theirs = thread::spawn(move || {
            other.deposit();
            other.deposit();
        });
        budget.try_withdraw().unwrap().spend();
        theirs.join().unwrap();
        assert_eq!(budget.tokens(), 2);
    });
}

#[test]
fn a_token_given_back_is_there_for_another_and_never_beyond_the_bound() {
    loom::model(|| {
        let budget = budget(1.0, 1, 1);
        let token = budget.try_withdraw().unwrap();
        let other = budget.clone();
        let theirs = thread::spawn(move || {
            drop(token);
            other.deposit();
        });
        let ours = budget.try_withdraw().is_some();
        theirs.join().unwrap();
        assert!(budget.tokens() <= 1);
        assert!(ours || budget.tokens() == 1, "it is somewhere");
    });
}

#[test]
fn new_settings_beside_a_withdrawal_keep_the_tokens() {
    loom::model(|| {
        let budget = budget(1.0, 3, 3);
        let other = budget.clone();
        let theirs = thread::spawn(move || other.try_withdraw().map(crate::Token::spend));
        budget
            .reconfigure(BudgetConfig::new().reserve(0).max_tokens(2))
            .unwrap();
        assert!(theirs.join().unwrap().is_some());
        // Taken before or after the new bound of two.
        assert!((1..=2).contains(&budget.tokens()));
    });
}
