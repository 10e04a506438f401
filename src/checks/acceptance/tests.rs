use std::collections::BTreeSet;

use super::*;
use crate::checks::ALL;

#[test]
fn every_check_and_situation_is_told_in_full_under_an_id_of_its_own() {
    let mut ids: BTreeSet<&str> = BTreeSet::new();
    for check in ALL.iter().chain(ACCEPTANCE) {
        assert!(ids.insert(check.id), "{} is taken", check.id);
    }
    let health = crate::checks::situations();
    let mut situations: BTreeSet<&str> = health.iter().map(|(s, _)| s.id).collect();
    for check in ACCEPTANCE {
        let id = check.id;
        assert!(!check.situations.is_empty(), "{id}");
        assert!(
            check.why.ends_with('.') && !check.next.is_empty() && !check.reads.is_empty(),
            "{id}"
        );
        for situation in check.situations {
            let name = situation.id;
            assert!(situations.insert(name), "{name} is taken");
            assert!(
                situation.word.chars().count() <= Situation::WIDTH,
                "{name}: {}",
                situation.word
            );
            assert!(
                !situation.rule.is_empty() && !situation.rule.ends_with('.'),
                "{name}"
            );
            assert!(situation.meaning.ends_with('.'), "{name}");
            // They have no say in any state.
            assert_eq!(situation.class, State::Healthy, "{name}");
        }
    }
}
