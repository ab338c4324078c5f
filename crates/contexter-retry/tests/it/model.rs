//! The budget against a naive model, and delays against their laws.

use contexter_retry::{Budget, BudgetConfig, Token};
use proptest::prelude::*;

/// Thousandths of a token, added up as one would on paper.
struct Paper {
    balance: u64,
    ratio: u64,
    max: u64,
}

impl Paper {
    fn add(&mut self, thousandths: u64) {
        if self.balance < self.max {
            self.balance = self.max.min(self.balance + thousandths);
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Deposit,
    Withdraw,
    Spend,
    GiveBack,
    Reconfigure { ratio: u32, max: u32 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Deposit),
        4 => Just(Step::Withdraw),
        2 => Just(Step::Spend),
        2 => Just(Step::GiveBack),
        1 => (1_u32..=1000, 1_u32..20).prop_map(|(ratio, max)| Step::Reconfigure { ratio, max }),
    ]
}

fn config(ratio: u32, reserve: u32, max: u32) -> BudgetConfig {
    BudgetConfig::new()
        .ratio(f64::from(ratio) / 1000.0)
        .reserve(reserve)
        .max_tokens(max)
}

proptest! {
    #[test]
    fn a_budget_agrees_with_paper(
        ratio in 1_u32..=1000,
        (max, reserve) in (1_u32..20).prop_flat_map(|max| (Just(max), 0..=max)),
        steps in prop::collection::vec(step(), 0..300),
    ) {
        let budget = Budget::new(config(ratio, reserve, max)).unwrap();
        let mut paper = Paper {
            balance: u64::from(reserve) * 1000,
            ratio: u64::from(ratio),
            max: u64::from(max) * 1000,
        };
        let mut held: Vec<Token> = Vec::new();
        for step in steps {
            match step {
                Step::Deposit => {
                    budget.deposit();
                    paper.add(paper.ratio);
                }
                Step::Withdraw => {
                    let token = budget.try_withdraw();
                    prop_assert_eq!(token.is_some(), paper.balance >= 1000);
                    if let Some(token) = token {
                        paper.balance -= 1000;
                        held.push(token);
                    }
                }
                Step::Spend => {
                    if let Some(token) = held.pop() {
                        token.spend();
                    }
                }
                Step::GiveBack => {
                    if held.pop().is_some() {
                        paper.add(1000);
                    }
                }
                Step::Reconfigure { ratio, max } => {
                    budget.reconfigure(config(ratio, 0, max)).unwrap();
                    paper.ratio = u64::from(ratio);
                    paper.max = u64::from(max) * 1000;
                    paper.balance = paper.balance.min(paper.max);
                }
            }
            prop_assert_eq!(budget.tokens(), paper.balance / 1000);
        }
    }

    #[test]
    fn any_fraction_earns_exactly_its_share(
        (part, whole) in (1_u32..=1000).prop_flat_map(|whole| (1..=whole, Just(whole))),
        calls in 0_u64..3000,
    ) {
        let ratio = f64::from(part) / f64::from(whole);
        let budget = Budget::new(
            BudgetConfig::new().ratio(ratio).reserve(0).max_tokens(3000),
        )
        .unwrap();
        for _ in 0..calls {
            budget.deposit();
        }
        prop_assert_eq!(budget.tokens(), calls * u64::from(part) / u64::from(whole));
    }
}
