//! The scenarios: states a lab can start in, most of which can also befall one that runs.

use std::fmt;

/// Where a scenario can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Only at the start.
    Start,
    /// Only on a running lab.
    Running,
    /// Both.
    Both,
}

/// One scenario, as a list shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Its name, for `--scenario` and `fault`.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// Where it can be used.
    pub when: Use,
}

/// Everything a lab can be told to play.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "healthy",
        about: "all instances configured, in sync and under light load",
        when: Use::Start,
    },
    Scenario {
        name: "full-sync",
        about: "the last replica of dragonfly-system/dragonfly takes a full sync for about four minutes",
        when: Use::Both,
    },
    Scenario {
        name: "no-master",
        about: "the master of dragonfly-system/gitlab crashes at each start and the operator stalled after taking its label",
        when: Use::Both,
    },
    Scenario {
        name: "two-masters",
        about: "two engines of dragonfly-system/gitlab act as master, the Service sends to one, the operator is stalled",
        when: Use::Both,
    },
    Scenario {
        name: "operator-down",
        about: "both operator pods crash at each start; nobody renews the Lease",
        when: Use::Both,
    },
    Scenario {
        name: "operator-stalled",
        about: "the operator renews its Lease but does no work",
        when: Use::Both,
    },
    Scenario {
        name: "context-unreachable",
        about: "the API of lab-apps refuses connections",
        when: Use::Both,
    },
    Scenario {
        name: "context-hangs",
        about: "the API of lab-apps accepts connections and never answers",
        when: Use::Both,
    },
    Scenario {
        name: "forbidden",
        about: "in lab-infra the user may not port-forward to pods, nor exec",
        when: Use::Both,
    },
    Scenario {
        name: "forbidden-lists",
        about: "in lab-infra the user may list and watch only within namespaces, not across the cluster",
        when: Use::Both,
    },
    Scenario {
        name: "slow-api",
        about: "both API servers take 1.5 s longer for every request",
        when: Use::Both,
    },
    Scenario {
        name: "watch-expired",
        about: "both clusters lose their watch history again and again (410 Expired)",
        when: Use::Both,
    },
    Scenario {
        name: "scale:N",
        about: "N more instances of three pods over several namespaces, for example scale:100",
        when: Use::Start,
    },
    Scenario {
        name: "heal",
        about: "takes every fault away",
        when: Use::Running,
    },
];

/// A scenario that was asked for by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::lab) enum Scene {
    Healthy,
    FullSync,
    NoMaster,
    TwoMasters,
    OperatorDown,
    OperatorStalled,
    ContextUnreachable,
    ContextHangs,
    Forbidden,
    ForbiddenLists,
    SlowApi,
    WatchExpired,
    Scale(usize),
    Heal,
}

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

impl Scene {
    /// Finds a scenario by name.
    ///
    /// # Errors
    /// The name, and the nearest that there is.
    pub(in crate::lab) fn find(name: &str) -> Result<Self, Unknown> {
        let scene = match name {
            "healthy" => Self::Healthy,
            "full-sync" => Self::FullSync,
            "no-master" => Self::NoMaster,
            "two-masters" => Self::TwoMasters,
            "operator-down" => Self::OperatorDown,
            "operator-stalled" => Self::OperatorStalled,
            "context-unreachable" => Self::ContextUnreachable,
            "context-hangs" => Self::ContextHangs,
            "forbidden" => Self::Forbidden,
            "forbidden-lists" => Self::ForbiddenLists,
            "slow-api" => Self::SlowApi,
            "watch-expired" => Self::WatchExpired,
            "heal" => Self::Heal,
            other => {
                let count = other
                    .strip_prefix("scale:")
                    .and_then(|count| count.parse().ok());
                return match count {
                    Some(count) if (1..=MOST_INSTANCES).contains(&count) => Ok(Self::Scale(count)),
                    _ => Err(Unknown {
                        name: other.to_owned(),
                        nearest: nearest(other),
                    }),
                };
            }
        };
        Ok(scene)
    }

    /// The entry in [`SCENARIOS`].
    pub(in crate::lab) fn entry(self) -> Option<&'static Scenario> {
        let same = |name: &str| match self {
            Self::Scale(_) => name == "scale:N",
            scene => Self::find(name) == Ok(scene),
        };
        SCENARIOS.iter().find(|scenario| same(scenario.name))
    }
}

/// The scenario whose name is near enough to what was typed to be a slip of the keys: within a third of its letters
/// (neighbours swapped count once), else one that contains it.
fn nearest(typed: &str) -> Option<&'static str> {
    let lower = typed.to_lowercase();
    let most = lower.chars().count() / 3 + 1;
    let names = SCENARIOS.iter().map(|scenario| scenario.name);
    let near = names.clone().filter_map(|name| {
        let distance = strsim::osa_distance(&lower, name);
        (distance <= most && !lower.is_empty()).then_some((distance, name))
    });
    let is_part = |name: &&str| lower.len() >= 3 && name.contains(&lower);
    near.min()
        .map(|(_, name)| name)
        .or_else(|| names.clone().find(is_part))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn every_listed_name_is_known_and_finds_itself() {
        for scenario in SCENARIOS {
            let name = scenario.name.replace(":N", ":3");
            assert_eq!(
                Scene::find(&name).unwrap().entry(),
                Some(scenario),
                "{name}"
            );
            assert!(
                !scenario.about.is_empty() && scenario.about.len() < 120,
                "{name}"
            );
        }
    }

    #[test]
    fn the_nearest_name_is_offered_when_it_is_near() {
        let table = [
            ("fullsync", Some("full-sync")),
            ("two-master", Some("two-masters")),
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
            let unknown = Scene::find(typed).unwrap_err();
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
            ("scale:1.5", None),
            ("scale:99999999999999999999", None),
        ] {
            match (Scene::find(typed), wanted) {
                (Ok(Scene::Scale(count)), Some(wanted)) => assert_eq!(count, wanted),
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
