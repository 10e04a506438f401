//! Finding a scenario by what was typed.

use std::fmt;

use super::{SCENARIOS, Scenario, Use, start};

/// The most instances `scale:N` makes.
pub const MOST_INSTANCES: usize = 1000;

/// A name that is no scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// What was asked for.
    pub name: String,
    /// The nearest name there is, when one is near enough to be meant.
    pub nearest: Option<&'static str>,
}

impl Unknown {
    /// The same with the nearest name of what can be used then ([`Use::Start`] or [`Use::Running`]): what would be refused
    /// is no help.
    pub(in crate::lab) fn used(self, when: Use) -> Self {
        let usable = SCENARIOS
            .iter()
            .filter(|scenario| scenario.when == when || scenario.when == Use::Both);
        let nearest = nearest(&self.name, usable.map(|scenario| scenario.name));
        Self { nearest, ..self }
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, nearest } = self;
        if name.starts_with("scale:") {
            return write!(
                f,
                "'{name}' does not say how many instances: scale:N takes a number from 1 to {MOST_INSTANCES}, for example scale:100"
            );
        }
        write!(f, "the lab knows no scenario '{name}'")?;
        if let Some(nearest) = nearest {
            return write!(f, "; did you mean '{nearest}'?");
        }
        let names: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        write!(
            f,
            "; it knows {} (`darner lab list` says what each is)",
            names.join(", ")
        )
    }
}

/// Finds a scenario by name, and the number behind its name.
///
/// # Errors
/// The name, and the nearest that there is.
pub(in crate::lab) fn find(name: &str) -> Result<(&'static Scenario, usize), Unknown> {
    let unknown = || Unknown {
        name: name.to_owned(),
        nearest: nearest(name, SCENARIOS.iter().map(|scenario| scenario.name)),
    };
    let (wanted, count) = match name.strip_prefix("scale:").map(str::parse) {
        Some(Ok(count)) if (1..=MOST_INSTANCES).contains(&count) => (start::SCALE.name, count),
        // `scale:N` is how the list writes it, not a name to ask for.
        Some(_) => return Err(unknown()),
        None => (name, 0),
    };
    let found = SCENARIOS.iter().find(|scenario| scenario.name == wanted);
    found.map(|found| (found, count)).ok_or_else(unknown)
}

/// The scenario whose name is near enough to what was typed to be a slip of the keys: within a third of its letters
/// (neighbours swapped count once), else one that contains it.
fn nearest(typed: &str, names: impl Iterator<Item = &'static str> + Clone) -> Option<&'static str> {
    let lower = typed.to_lowercase();
    let most = lower.chars().count() / 3 + 1;
    let near = names.clone().filter_map(|name| {
        let distance = strsim::osa_distance(&lower, name);
        (distance <= most && !lower.is_empty()).then_some((distance, name))
    });
    let is_part = |name: &&str| lower.len() >= 3 && name.contains(&lower);
    near.min().map(|(_, name)| name).or_else(|| {
        let mut names = names;
        names.find(is_part)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_when_it_is_near() {
        let table = [
            ("fullsync", Some("full-sync")),
            ("two-master", Some("two-masters")),
            ("frozen-masters", Some("frozen-master")),
            ("Heal", Some("heal")),
            ("haelthy", Some("healthy")),
            ("unreachable", Some("context-unreachable")),
            ("scale", Some("scale:N")),
            ("nope", None),
            ("x", None),
            ("", None),
            ("something-else-entirely", None),
        ];
        for (typed, wanted) in table {
            let unknown = find(typed).unwrap_err();
            assert_eq!(unknown.nearest, wanted, "{typed}");
            let said = unknown.to_string();
            match wanted {
                Some(wanted) => assert!(said.ends_with(&format!("did you mean '{wanted}'?"))),
                None => {
                    for scenario in SCENARIOS {
                        assert!(said.contains(scenario.name), "{said}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_could_not_be_used_then_is_not_offered() {
        for (typed, when, wanted) in [
            ("heel", Use::Start, None),
            ("heel", Use::Running, Some("heal")),
            ("scale", Use::Start, Some("scale:N")),
            ("scale", Use::Running, Some("scaled-to-zero")),
            ("haelthy", Use::Start, Some("healthy")),
            ("fullsync", Use::Start, Some("full-sync")),
            ("fullsync", Use::Running, Some("full-sync")),
        ] {
            let unknown = find(typed).unwrap_err().used(when);
            assert_eq!(unknown.nearest, wanted, "{typed} {when:?}");
        }
    }

    #[test]
    fn a_number_of_instances_is_a_number_in_its_bounds() {
        for (typed, wanted) in [
            ("scale:1", Some(1)),
            ("scale:667", Some(667)),
            ("scale:1000", Some(1000)),
            ("scale:0", None),
            ("scale:1001", None),
            ("scale:-3", None),
            ("scale:", None),
            ("scale:x", None),
            ("scale:N", None),
            ("scale:1.5", None),
            ("scale:99999999999999999999", None),
        ] {
            match (find(typed), wanted) {
                (Ok((_, count)), Some(wanted)) => assert_eq!(count, wanted),
                (Err(unknown), None) => assert_eq!(
                    unknown.to_string(),
                    format!(
                        "'{typed}' does not say how many instances: scale:N takes a number from 1 to 1000, for example scale:100"
                    )
                ),
                other => panic!("{typed}: {other:?}"),
            }
        }
    }
}
