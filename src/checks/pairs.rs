//! Which operator version gets on with which server version: what is known to go wrong, each with where it is written
//! down. `op#` is an issue of dragonfly-operator, `df#` one of dragonfly.
//!
//! Read of operator v1.1.0 to v1.6.1 and server v1.17.0 to v1.40.1; other versions are untested, not well.

use crate::domain::object::{ContainerState, image_tag};
use crate::domain::{InstanceView, NodeView, Version};

/// What decides whether a known fault concerns an instance.
#[derive(Debug, Clone, Copy)]
pub struct Pair {
    /// The operator.
    pub operator: Version,
    /// The server.
    pub server: Version,
    /// Pods wanted, the master included.
    pub pods: i64,
    /// `spec.snapshot.enableOnMasterOnly` is set.
    pub master_only: bool,
}

/// A known fault of a pair.
#[derive(Debug)]
pub struct Known {
    /// Where it is written down.
    pub reference: &'static str,
    /// What goes wrong, and when.
    pub sentence: &'static str,
    /// The instance does not run at all.
    pub fatal: bool,
    applies: fn(&Pair) -> bool,
}

/// What is known of a pair.
#[derive(Debug)]
pub enum Standing {
    /// Nothing is known to go wrong.
    Good,
    /// This is, the worst first.
    Faulty(Vec<&'static Known>),
    /// Nobody has read one of the two versions for this table.
    Untested(String),
}

/// The oldest and newest operator that was read.
const OPERATORS: (Version, Version) = (Version(1, 1, 0), Version(1, 6, 1));
/// The oldest and newest server that was read.
const SERVERS: (Version, Version) = (Version(1, 17, 0), Version(1, 40, 1));

/// Every known fault, the worst first.
const KNOWN: &[Known] = &[
    Known {
        reference: "df#3193",
        sentence: "the server does not start: it knows --break_replication_on_master_restart, which the operator always \
                   passes from v1.3.0, only from v1.20.0",
        fatal: true,
        applies: |p| p.operator >= Version(1, 3, 0) && p.server < Version(1, 20, 0),
    },
    Known {
        reference: "op#582",
        sentence: "the takeover of a rollout may lock the instance for up to 10,000 s, and sent again it ends the new \
                   master; server v1.40.0 survives it (df#7870)",
        fatal: false,
        applies: |p| p.pods > 1 && p.server < Version(1, 40, 0),
    },
    Known {
        reference: "op#359",
        sentence: "a rollout deletes all replicas at once; one at a time from operator v1.6.0 (also op#504)",
        fatal: false,
        applies: |p| p.pods > 2 && p.operator < Version(1, 6, 0),
    },
    Known {
        reference: "op#306",
        sentence: "an election does not look at offsets, so an empty or stale node may win; from operator v1.6.0 the \
                   highest offset does",
        fatal: false,
        applies: |p| p.pods > 1 && p.operator < Version(1, 6, 0),
    },
    Known {
        reference: "df v1.37.0",
        sentence: "with its link down a replica does not tell its offset, so after the loss of a master all candidates are \
                   equal and the lowest ordinal wins; told from server v1.37.0",
        fatal: false,
        applies: |p| p.pods > 2 && p.operator >= Version(1, 6, 0) && p.server < Version(1, 37, 0),
    },
    Known {
        reference: "op#498",
        sentence: "enableOnMasterOnly: a rollout is blocked by CONFIG SET snapshot_cron on a replica that loads",
        fatal: false,
        applies: |p| {
            p.master_only && p.operator >= Version(1, 3, 0) && p.operator <= Version(1, 5, 0)
        },
    },
    Known {
        reference: "op#393",
        sentence: "enableOnMasterOnly: after a takeover the master makes no snapshots",
        fatal: false,
        applies: |p| {
            p.master_only && p.operator >= Version(1, 3, 0) && p.operator < Version(1, 6, 0)
        },
    },
    Known {
        reference: "op#397",
        sentence: "a pod that still loads counts as ready; not so from operator v1.3.1",
        fatal: false,
        applies: |p| p.operator < Version(1, 3, 1),
    },
    Known {
        reference: "op#238",
        sentence: "clients stay on a former master and get READONLY; from operator v1.4.0 they are sent away",
        fatal: false,
        applies: |p| p.pods > 1 && p.operator < Version(1, 4, 0),
    },
    Known {
        reference: "op#165",
        sentence: "a change of claim sizes blocks every other change of the instance; ignored with an event from operator \
                   v1.6.0",
        fatal: false,
        applies: |p| p.operator < Version(1, 6, 0),
    },
    Known {
        reference: "op v1.6.1",
        sentence: "the chart of v1.6.0 lacks the right to ConfigMaps, without which the operator does not start",
        fatal: false,
        applies: |p| p.operator == Version(1, 6, 0),
    },
];

/// Server versions that operators were released with, and install where an instance names no image, by operator version.
const BUILT_IN: &[(Version, &str)] = &[
    (Version(1, 1, 11), "v1.28.1"),
    (Version(1, 2, 0), "v1.32.0"),
    (Version(1, 2, 1), "v1.33.1"),
    (Version(1, 3, 0), "v1.34.1"),
    (Version(1, 3, 1), "v1.35.0"),
    (Version(1, 4, 0), "v1.36.0"),
    (Version(1, 5, 0), "v1.37.0"),
    (Version(1, 6, 0), "v1.39.0"),
    (Version(1, 6, 1), "v1.39.0"),
];

/// The server that an operator was released with, and installs where an instance names no image.
pub fn built_in(operator: Version) -> Option<&'static str> {
    let found = BUILT_IN.iter().find(|(of, _)| *of == operator);
    found.map(|(_, server)| *server)
}

/// What is known of a pair.
pub fn standing(pair: &Pair) -> Standing {
    let known: Vec<&'static Known> = KNOWN.iter().filter(|known| (known.applies)(pair)).collect();
    if known.iter().any(|known| known.fatal) {
        return Standing::Faulty(known);
    }
    for (what, version, (oldest, newest)) in [
        ("operator", pair.operator, OPERATORS),
        ("server", pair.server, SERVERS),
    ] {
        if version < oldest {
            return Standing::Untested(format!("{what} {version} is older than {oldest}"));
        }
        if version > newest {
            return Standing::Untested(format!("{what} {version} is newer than {newest}"));
        }
    }
    match known.is_empty() {
        true => Standing::Good,
        false => Standing::Faulty(known),
    }
}

/// A server version of an instance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Server {
    /// Which.
    pub version: Version,
    /// As it is written: where it only is wanted, with what its image's tag says besides.
    pub word: String,
    /// A node runs it; else the instance's image wants it, and no node is known to run it.
    pub runs: bool,
}

/// Server versions of an instance, each once, sorted: what its engines say they are (where one says nothing, what the image
/// of its running container says), and what the instance's image says they are to be. Where nothing tells, what the image is
/// called instead.
///
/// # Errors
/// Why none is known.
pub fn servers(view: &InstanceView<'_>) -> Result<Vec<Server>, String> {
    let image = view
        .dragonfly
        .value
        .image
        .as_deref()
        .or_else(|| view.stateful_set.map(|held| held.value.image.as_str()))
        .filter(|image| !image.is_empty());
    let mut all: Vec<Server> = view
        .nodes
        .iter()
        .filter_map(running)
        .map(|version| Server {
            version,
            word: version.to_string(),
            runs: true,
        })
        .collect();
    let tag = image.and_then(image_tag);
    if let Some((tag, version)) = tag.and_then(|tag| Some((tag, Version::parse(tag)?)))
        && all.iter().all(|server| server.version != version)
    {
        all.push(Server {
            version,
            word: tag.to_owned(),
            runs: false,
        });
    }
    all.sort_unstable();
    all.dedup();
    match (all.is_empty(), image) {
        (false, _) => Ok(all),
        (true, Some(image)) => Err(format!("{image} does not tell its version")),
        (true, None) => Err("neither an image nor an engine has told".to_owned()),
    }
}

/// What a node runs, if it runs and anything tells.
fn running(node: &NodeView<'_>) -> Option<Version> {
    let container = node.pod.value.container("dragonfly");
    let image = container
        .filter(|container| matches!(container.state, ContainerState::Running { .. }))
        .and_then(|container| image_tag(&container.image));
    let told = node.engine.and_then(|engine| {
        let server = engine.server.as_ref()?;
        server.value.version.as_deref()
    });
    told.and_then(Version::parse)
        .or_else(|| Version::parse(image?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use super::*;
    use crate::domain::fixture::*;
    use crate::domain::{Fact, Object};

    fn told(operator: &str, server: &str, pods: i64, master_only: bool) -> String {
        let pair = Pair {
            operator: Version::parse(operator).unwrap(),
            server: Version::parse(server).unwrap(),
            pods,
            master_only,
        };
        match standing(&pair) {
            Standing::Good => "good".to_owned(),
            Standing::Untested(why) => why,
            Standing::Faulty(known) => {
                let words: Vec<&str> = known.iter().map(|known| known.reference).collect();
                words.join(" ")
            }
        }
    }

    #[test]
    fn every_known_fault_has_its_versions() {
        for (operator, server, pods, master_only, wanted) in [
            ("v1.6.1", "v1.40.1", 3, true, "good"),
            ("v1.6.1", "v1.39.0", 3, false, "op#582"),
            ("v1.6.1", "v1.39.0", 1, false, "good"),
            ("v1.6.1", "v1.36.0", 3, false, "op#582 df v1.37.0"),
            ("v1.3.0", "v1.17.0", 1, false, "df#3193 op#397 op#165"),
            ("v1.6.0", "v1.40.0", 1, false, "op v1.6.1"),
            (
                "v1.5.0",
                "v1.40.0",
                3,
                true,
                "op#359 op#306 op#498 op#393 op#165",
            ),
            ("v1.5.1", "v1.40.0", 2, true, "op#306 op#393 op#165"),
            ("v1.2.1", "v1.19.0", 1, false, "op#397 op#165"),
            (
                "v1.7.0",
                "v1.40.0",
                3,
                false,
                "operator v1.7.0 is newer than v1.6.1",
            ),
            (
                "v1.6.1",
                "v1.41.0",
                3,
                false,
                "server v1.41.0 is newer than v1.40.1",
            ),
            (
                "v1.0.5",
                "v1.20.0",
                3,
                false,
                "operator v1.0.5 is older than v1.1.0",
            ),
            // It would not start, whoever has read it.
            ("v1.6.1", "v1.16.0", 1, false, "df#3193"),
        ] {
            let told = told(operator, server, pods, master_only);
            assert_eq!(told, wanted, "{operator} x {server}, {pods} pods");
        }
    }

    #[test]
    fn what_runs_is_told_from_what_is_only_wanted() {
        for (name, instance, image, wanted) in [
            ("all alike", healthy(), "df:v1.39.0", "v1.39.0 runs"),
            (
                "another image is wanted",
                healthy(),
                "df:v1.40.1-nosuch",
                "v1.39.0 runs, v1.40.1-nosuch wanted",
            ),
            (
                "nobody runs",
                instance("orders"),
                "df:v1.40.1",
                "v1.40.1 wanted",
            ),
            (
                "an image without a version",
                healthy(),
                "df:latest",
                "v1.39.0 runs",
            ),
            (
                "neither tells",
                instance("orders"),
                "df:latest",
                "df:latest does not tell its version",
            ),
        ] {
            let mut f = instance.build();
            let mut dragonfly = (*f.world.instance(&f.id).unwrap().dragonfly.value).clone();
            dragonfly.image = Some(image.to_owned());
            let (context, object) = (infra(), Object::Dragonfly(Arc::new(dragonfly)));
            f.tell(Fact::Seen { context, object }, now());
            let view = f.world.instance(&f.id).unwrap();
            let told = match servers(&view) {
                Ok(all) => {
                    let word = |one: &Server| if one.runs { "runs" } else { "wanted" };
                    let all = all.iter().map(|one| format!("{} {}", one.word, word(one)));
                    all.collect::<Vec<_>>().join(", ")
                }
                Err(why) => why,
            };
            assert_eq!(told, wanted, "{name}");
        }
    }
}
