//! Parts never exceed a cap that they could keep, and keep the order.

use contexter_voyage::{Caps, Cost, ItemKind, pack};
use proptest::prelude::*;

fn cost() -> impl Strategy<Value = Cost> {
    let kind = prop_oneof![
        4 => Just(None),
        1 => Just(Some(ItemKind::Url)),
        1 => Just(Some(ItemKind::Inline)),
    ];
    (0..2_000_u64, 0..30_usize, kind).prop_map(|(most, units, kind)| Cost {
        most,
        likely: most / 2,
        bytes: most,
        payload: most * 3,
        units,
        kind,
    })
}

proptest! {
    #[test]
    fn parts_keep_the_caps_and_the_order(
        costs in prop::collection::vec(cost(), 0..200),
        items in 1..40_usize,
        units in 1..100_usize,
        tokens in 1..5_000_u64,
        payload in 1..15_000_u64,
    ) {
        let caps = Caps::new(items, tokens).units(units).payload(payload);
        let parts = pack(&costs, caps);
        let joined: Vec<usize> = parts.iter().cloned().flatten().collect();
        prop_assert_eq!(joined, (0..costs.len()).collect::<Vec<_>>());
        for part in parts {
            prop_assert!(!part.is_empty() && part.len() <= items);
            let own = &costs[part.clone()];
            if part.len() > 1 {
                prop_assert!(own.iter().map(|cost| cost.most).sum::<u64>() <= tokens);
                prop_assert!(own.iter().map(|cost| cost.payload).sum::<u64>() <= payload);
                prop_assert!(own.iter().map(|cost| cost.units).sum::<usize>() <= units);
            }
            let kinds: Vec<ItemKind> = own.iter().filter_map(|cost| cost.kind).collect();
            prop_assert!(kinds.iter().all(|kind| *kind == kinds[0]));
        }
    }

    #[test]
    fn no_two_neighbours_would_have_fitted_together(
        costs in prop::collection::vec(cost(), 0..200),
        tokens in 1..5_000_u64,
    ) {
        let costs: Vec<Cost> = costs.into_iter().map(|cost| Cost { kind: None, ..cost }).collect();
        let parts = pack(&costs, Caps::new(usize::MAX, tokens));
        for pair in parts.windows(2) {
            let next = costs[pair[1].start].most;
            let sum: u64 = costs[pair[0].clone()].iter().map(|cost| cost.most).sum();
            prop_assert!(sum + next > tokens);
        }
    }
}

#[test]
fn numbers_at_their_ends_do_not_overflow() {
    let huge = Cost {
        most: u64::MAX,
        likely: u64::MAX,
        bytes: u64::MAX,
        payload: u64::MAX,
        units: usize::MAX,
        kind: None,
    };
    let parts = pack(&[huge, huge, huge], Caps::new(1_000, u64::MAX));
    assert_eq!(parts.len(), 1, "all of it is within a cap without end");
    let parts = pack(&[huge, huge], Caps::new(1_000, 10));
    assert_eq!(parts, [0..1, 1..2]);
}
