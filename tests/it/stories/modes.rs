//! The page of failure modes, held to the checks and scenarios that it names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use darner::checks::{ACCEPTANCE, Shown, situations};
use darner::lab::SCENARIOS;

use super::check::DRIFTS;

/// The words in backticks of a cell.
fn named(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// What each scenario raises, by the lists that the tests of scenarios go by: states, and checks of acceptance.
fn raised() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut raised: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (situation, _) in situations() {
        if let Shown::By(scenarios) = situation.shown {
            for scenario in scenarios {
                raised.entry(scenario).or_default().insert(situation.id);
            }
        }
    }
    for (scenario, found) in DRIFTS {
        for (check, _) in *found {
            let check = ACCEPTANCE.iter().find(|one| one.id == *check).unwrap();
            let ids = check.situations.iter().map(|situation| situation.id);
            raised.entry(scenario).or_default().extend(ids);
        }
    }
    raised
}

#[test]
fn every_failure_mode_has_a_check_and_a_scenario_that_raises_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/failure-modes.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (table, rest) = page.split_once("## What versions").unwrap();
    let states: BTreeSet<&str> = situations().iter().map(|(one, _)| one.id).collect();
    let acceptance: BTreeSet<&str> = ACCEPTANCE
        .iter()
        .flat_map(|check| check.situations.iter().map(|one| one.id))
        .collect();
    let raised = raised();
    let mut numbers = Vec::new();
    for row in table.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [number, what, during, before, lab] = cells[..] else {
            panic!("{row}");
        };
        let Ok(number) = number.parse::<u32>() else {
            continue;
        };
        numbers.push(number);
        assert!(!what.is_empty(), "{number}");
        let (during, before, lab) = (named(during), named(before), named(lab));
        for id in &during {
            assert!(states.contains(id), "{number}: there is no state {id}");
        }
        for id in &before {
            let known = acceptance.contains(id) || states.contains(id);
            assert!(known, "{number}: no check finds {id}");
        }
        let found: BTreeSet<&str> = during.iter().chain(&before).copied().collect();
        assert!(!found.is_empty(), "{number}: nothing finds it");
        assert!(!lab.is_empty(), "{number}: no scenario shows it");
        for scenario in lab {
            assert!(
                SCENARIOS.iter().any(|one| one.name == scenario),
                "{number}: there is no scenario {scenario}"
            );
            let tells = raised.get(scenario).cloned().unwrap_or_default();
            assert!(
                !tells.is_disjoint(&found),
                "{number}: {scenario} raises {tells:?}, and none of {found:?}"
            );
        }
    }
    assert_eq!(numbers, (1..=21).collect::<Vec<u32>>());
    assert!(rest.contains("## What the scenarios leave out"));
}
