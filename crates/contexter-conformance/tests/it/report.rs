//! The table.

use contexter_conformance::{Report, Rule, Verdict};

#[test]
fn the_table_has_a_row_for_each_rule_and_a_column_for_each_face() {
    let one = Rule::new(1, "breaker", "it opens");
    let two = Rule::new(2, "breaker", "it closes");
    let other = Rule::new(1, "adaptive", "it adapts");
    let broken = Verdict::Fail("expected it to close, saw it open".to_owned());
    let mut report = Report::default();
    report.add(two, "call", broken.clone());
    report.add(one, "call", Verdict::Pass);
    report.add(two, "tower", broken);
    report.add(
        other,
        "tower",
        Verdict::NotApplicable("has no window".to_owned()),
    );
    assert_eq!(report.failures(), [2]);
    assert_eq!(report.counts(), (1, 2, 1));
    assert_eq!(
        report.to_markdown(),
        "\
| scenario | mechanism | rule | call | tower |
|--:|---|---|---|---|
| 1 | adaptive | it adapts |  | n/a (1) |
| 1 | breaker | it opens | pass |  |
| 2 | breaker | it closes | FAIL (2) | FAIL (2) |

1. has no window
2. expected it to close, saw it open
"
    );
}
