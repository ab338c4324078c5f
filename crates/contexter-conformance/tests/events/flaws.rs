//! A broker with one defect breaks the rules that name it, and no others of those that are asked.

use crate::naive::Flaw;
use crate::run;

/// Asks the rules that the flaw is against, and some that it leaves alone.
async fn breaks(flaw: Flaw, against: &[&str], others: &[&str]) {
    let asked: Vec<_> = against.iter().chain(others).copied().collect();
    let found = run(flaw, &asked).await;
    let mut failures = found.failures();
    failures.sort_unstable();
    failures.dedup();
    let mut against = against.to_vec();
    against.sort_unstable();
    assert_eq!(failures, against, "{flaw:?}: {}", found.to_markdown());
}

#[tokio::test(start_paused = true)]
async fn a_flaw_in_what_is_stored_is_found() {
    breaks(Flaw::ConfirmsWithoutStoring, &["W2", "W10"], &["W11"]).await;
    breaks(Flaw::ForgetsHeaders, &["A18", "A21", "W1"], &["W11"]).await;
    breaks(Flaw::ForgetsTheTrace, &["A17"], &["W1"]).await;
    breaks(Flaw::ForgetsOnRestart, &["W14"], &["W11"]).await;
    breaks(Flaw::StoresDuplicates, &["A11"], &["W1"]).await;
    breaks(Flaw::TakesWhatIsTooLarge, &["A19"], &["W1"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_flaw_in_who_gets_what_is_found() {
    breaks(Flaw::IgnoresPatterns, &["A12", "D3", "W11", "W3"], &["W1"]).await;
    breaks(Flaw::RestMatchesNothing, &["A12"], &["W11"]).await;
    breaks(Flaw::GivesToEveryMember, &["E1", "W16"], &["W1"]).await;
    breaks(Flaw::GroupsShare, &["E3", "W15", "W16"], &["W1"]).await;
    breaks(Flaw::PatternsShare, &["A11"], &["W1"]).await;
    breaks(Flaw::BeginsWithTheNewest, &["E2", "W15"], &["W11"]).await;
    breaks(Flaw::Reorders, &["D2", "W5", "W9"], &["W11"]).await;
    breaks(Flaw::IgnoresPrefetch, &["E8"], &["W1"]).await;
    breaks(Flaw::IgnoresPrefetchBytes, &["E8"], &["W1"]).await;
    breaks(Flaw::GivesOneAtATime, &["A10"], &["W11"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_flaw_in_settling_is_found() {
    breaks(
        Flaw::DropsAcks,
        &["A2", "A4", "A8", "A9", "D4", "E1", "E6", "E7", "W13"],
        &["W1"],
    )
    .await;
    breaks(
        Flaw::LosesNacks,
        &["A1", "A15", "A7", "A9", "W13", "W4", "W8"],
        &["W1"],
    )
    .await;
    breaks(Flaw::NacksAtOnce, &["A7"], &["W4"]).await;
    breaks(Flaw::NacksAtTheEndOfTheLease, &["A7"], &["W4"]).await;
    breaks(Flaw::SettlesTwice, &["E6"], &["W1"]).await;
    breaks(Flaw::TakesLateAcks, &["A9"], &["W1"]).await;
    breaks(Flaw::IgnoresProgress, &["A8"], &["W1"]).await;
    breaks(
        Flaw::NeverRedelivers,
        &["A6", "A9", "E1", "W13", "W6"],
        &["W1"],
    )
    .await;
    breaks(Flaw::DoesNotCount, &["A1", "A6"], &["W1"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_flaw_towards_what_cannot_be_read_is_found() {
    breaks(Flaw::SkipsUnreadable, &["A5"], &["W1"]).await;
    breaks(Flaw::EndsAtUnreadable, &["A5"], &["W1"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_flaw_in_dead_letters_is_found() {
    breaks(Flaw::ForgetsLetters, &["A2", "A3", "A4", "E11"], &["W1"]).await;
    breaks(Flaw::CutsLetters, &["A2"], &["A4"]).await;
    breaks(Flaw::MergesLetters, &["A2"], &["A4"]).await;
    breaks(Flaw::ForgetsWhoseLetters, &["A4"], &["A2"]).await;
    breaks(Flaw::RedrivesToEverybody, &["A4"], &["A2"]).await;
    breaks(Flaw::LeaksHeaders, &["E5"], &["A4"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_flaw_in_the_rest_is_found() {
    breaks(Flaw::HidesGaps, &["A22"], &["W1"]).await;
    breaks(Flaw::RefusesBatches, &["D5"], &["D1"]).await;
    breaks(Flaw::TimesOutUnclaimed, &["E10"], &["D1"]).await;
    breaks(Flaw::PublishesForEver, &["A20"], &["W1"]).await;
    breaks(Flaw::PublishesTooLong, &["A20"], &["W1"]).await;
    breaks(Flaw::EndsWithTheConnection, &["W14"], &["W1"]).await;
    breaks(Flaw::StaysIll, &["D1"], &["W1"]).await;
}
