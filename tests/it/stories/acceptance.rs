//! Whether a whole fleet is as it should be, on real control planes: the stack of `docs/examples` passes everything, whatever is
//! broken in it is found by the one check that is meant for it, and a stack as common beliefs would have it fails on these.

mod board;
mod mended;
mod role;
mod stack;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::driver::PATIENCE;
use crate::driver::rig::Rig;
use stack::{
    DEPLOYMENT, Fleet, OPERATOR, SCRAPER, adopt_operator, answers, found, hardened, store_metrics,
    take_up_release, tree,
};

#[test]
fn the_examples_are_taken_by_a_real_api_server() {
    let Some(rig) = Rig::up(true) else { return };
    let foreign = tree("tests/cluster/objects/foreign.yaml");
    rig.kubectl(&["apply", "--server-side", "-f", foreign.to_str().unwrap()]);
    for folder in ["infra", "tenant", "apps"] {
        // A dry run makes no namespace, so those that are named have to be there.
        for namespace in [
            "dragonfly-operator-system",
            "dragonfly-system",
            "tenant-billing",
            "gitlab",
        ] {
            rig.kubectl_if_it_works(&["create", "namespace", namespace]);
        }
        let folder = tree("docs/examples").join(folder);
        rig.kubectl_once_it_works(&[
            "apply",
            "--server-side",
            "--force-conflicts",
            "--dry-run=server",
            "-f",
            folder.to_str().unwrap(),
        ]);
    }
}

/// How soon a check turns after whatever it is about was changed.
const SOON: Duration = Duration::from_secs(5);

/// Something that is broken by kubectl, what finds it, and how it is put right.
struct Break {
    plane: &'static str,
    by: &'static [&'static str],
    found: &'static [&'static str],
    back: &'static [&'static str],
}

const fn on_infra(
    by: &'static [&'static str],
    found: &'static [&'static str],
    back: &'static [&'static str],
) -> Break {
    Break {
        plane: "infra",
        by,
        found,
        back,
    }
}

const BREAKS: &[Break] = &[
    on_infra(
        &["-n", OPERATOR, "delete", "pdb", "dragonfly-operator"],
        &["operator-unprotected"],
        &[
            "apply",
            "--server-side",
            "-f",
            "docs/examples/infra/11-operator-budget.yaml",
        ],
    ),
    on_infra(
        &[
            "delete",
            "clusterrolebinding",
            "dragonfly-operator-metrics-reader",
        ],
        &["operator-unscraped"],
        &[
            "apply",
            "--server-side",
            "--force-conflicts",
            "-f",
            "docs/examples/infra/12-operator-metrics.yaml",
        ],
    ),
    on_infra(
        &[
            "-n",
            OPERATOR,
            "patch",
            "helmrelease",
            "dragonfly-operator",
            "--type=merge",
            "-p",
            r#"{"spec":{"suspend":true}}"#,
        ],
        &["flux-suspended"],
        &[
            "-n",
            OPERATOR,
            "patch",
            "helmrelease",
            "dragonfly-operator",
            "--type=merge",
            "-p",
            r#"{"spec":{"suspend":null}}"#,
        ],
    ),
    on_infra(
        &[
            "-n",
            "dragonfly-system",
            "create",
            "pdb",
            "own",
            "--selector=app=dragonfly",
            "--min-available=2",
        ],
        &["budget-unfit"],
        &["-n", "dragonfly-system", "delete", "pdb", "own"],
    ),
    on_infra(
        &[
            "patch",
            "storageclass",
            "standard",
            "-p",
            r#"{"allowVolumeExpansion":false}"#,
        ],
        &["storage-class-unfit"],
        &[
            "patch",
            "storageclass",
            "standard",
            "-p",
            r#"{"allowVolumeExpansion":true}"#,
        ],
    ),
    on_infra(
        &[
            "-n",
            "dragonfly-system",
            "annotate",
            "dragonfly",
            "dragonfly",
            "team=${TEAM}",
        ],
        &["value-unfilled"],
        &[
            "-n",
            "dragonfly-system",
            "annotate",
            "dragonfly",
            "dragonfly",
            "team-",
        ],
    ),
    on_infra(
        &[
            "-n",
            "dragonfly-system",
            "delete",
            "networkpolicy",
            "dragonfly-scraper",
        ],
        &["scraper-blocked"],
        &[
            "apply",
            "--server-side",
            "-f",
            "docs/examples/infra/30-network-policies.yaml",
        ],
    ),
    on_infra(
        &[
            "-n",
            "dragonfly-system",
            "delete",
            "ciliumnetworkpolicy",
            "dragonfly-consumers",
        ],
        &["consumer-blocked"],
        &[
            "apply",
            "--server-side",
            "-f",
            "docs/examples/infra/30-network-policies.yaml",
        ],
    ),
    on_infra(
        &[
            "-n",
            "dragonfly-system",
            "delete",
            "podmonitor",
            "dragonfly",
        ],
        &["scraped-wrongly"],
        &[
            "apply",
            "--server-side",
            "-f",
            "docs/examples/infra/40-scrape.yaml",
        ],
    ),
    on_infra(
        &[
            "-n",
            "dragonfly-system",
            "patch",
            "secretstore",
            "vault",
            "--subresource=status",
            "--type=merge",
            "-p",
            r#"{"status":{"conditions":[{"type":"Ready","status":"False","reason":"InvalidProviderConfig","message":"no route"}]}}"#,
        ],
        &["external-secret-late"],
        &[
            "-n",
            "dragonfly-system",
            "patch",
            "secretstore",
            "vault",
            "--subresource=status",
            "--type=merge",
            "-p",
            r#"{"status":{"conditions":[{"type":"Ready","status":"True","reason":"Valid"}]}}"#,
        ],
    ),
    on_infra(
        &[
            "-n",
            OPERATOR,
            "patch",
            DEPLOYMENT,
            "--field-manager=helm-controller",
            "--type=merge",
            "-p",
            r#"{"spec":{"replicas":1}}"#,
        ],
        &["operator-alone"],
        &[
            "-n",
            OPERATOR,
            "patch",
            DEPLOYMENT,
            "--field-manager=helm-controller",
            "--type=merge",
            "-p",
            r#"{"spec":{"replicas":2}}"#,
        ],
    ),
    Break {
        plane: "apps",
        by: &[
            "-n",
            "dragonfly-system",
            "annotate",
            "service",
            "dragonfly",
            "service.cilium.io/global-",
        ],
        found: &["host-unserved"],
        back: &[
            "-n",
            "dragonfly-system",
            "annotate",
            "service",
            "dragonfly",
            "service.cilium.io/global=true",
        ],
    },
    Break {
        plane: "apps",
        by: &[
            "-n",
            "gitlab",
            "delete",
            "ciliumnetworkpolicy",
            "to-dragonfly",
        ],
        // Without it nothing denies: who is not selected may go everywhere.
        found: &[],
        back: &[
            "apply",
            "--server-side",
            "-f",
            "docs/examples/apps/20-consumer-egress.yaml",
        ],
    },
];

#[test]
fn the_hardened_stack_passes_and_whatever_breaks_is_found_by_its_own_check() {
    let Some(fleet) = hardened() else { return };
    let (well, ..) = fleet.check_until("nothing found", PATIENCE, |report| {
        let has_grown = answers(report, "pass").contains("budget-unfit dragonfly: ");
        has_grown && answers(report, "finding").is_empty()
    });
    // There is no metrics store yet.
    let unknown: BTreeSet<String> = answers(&well, "unknown")
        .iter()
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(
        unknown.iter().map(String::as_str).collect::<Vec<_>>(),
        ["series-missing"],
        "{:#?}",
        answers(&well, "unknown")
    );
    for one in BREAKS {
        let by: Vec<String> = one.by.iter().map(|arg| (*arg).to_owned()).collect();
        fleet.kubectl(one.plane, one.by);
        let wanted: BTreeSet<String> = one.found.iter().map(|id| (*id).to_owned()).collect();
        let (_, took, way) = fleet.check_until(&format!("{by:?}"), PATIENCE, |report| {
            found(report) == wanted
        });
        assert!(
            took < SOON,
            "{by:?} was found after {took:?}; on the way:\n{way}"
        );
        fleet.kubectl(one.plane, one.back);
        take_up_release(&fleet);
        fleet.check_until("well again", PATIENCE, |report| {
            answers(report, "finding").is_empty()
        });
    }
    // With one it passes everything. It comes last: what has series is scraped, whatever objects say.
    store_metrics(&fleet);
    fleet.check_until("everything passed", PATIENCE, |report| {
        let series = answers(report, "pass").contains("series-missing dragonfly: ");
        series && answers(report, "finding").is_empty() && answers(report, "unknown").is_empty()
    });
}

/// What a stack of common beliefs is found to be, by the number of the belief in its manifest.
const BELIEFS: &[(&str, &str)] = &[
    ("1", "versions-unfit"),
    ("2", "operator-unprotected"),
    ("3", "budget-unfit"),
    ("4", "crds-policy-idle"),
    ("6", "host-unserved"),
    ("7", "scraped-wrongly"),
    ("8", "scraper-blocked"),
    ("9", "consumer-blocked"),
    ("10", "saved-everywhere"),
    ("11", "security-lax"),
];
/// What follows from the first of them, the server that does not start, and what is said of any operator of that version.
const CONSEQUENCES: &[&str] = &[
    "no-master",
    "pods-missing",
    "operator-rolls-at-once",
    "crd-of-another-version",
    // The rules are meant for servers that expose more than v1.17.0 does.
    "rules-dead",
];

#[test]
fn a_stack_of_common_beliefs_fails_on_precisely_these() {
    let Some(fleet) = Fleet::up() else { return };
    let story = tree("tests/fixtures/story");
    let examples = tree("docs/examples/infra");
    fleet.kubectl(
        "infra",
        &[
            "apply",
            "--server-side",
            "-f",
            story.join("infra.yaml").to_str().unwrap(),
        ],
    );
    // What it has right.
    for file in ["12-operator-metrics.yaml", "41-rules.yaml"] {
        let file = examples.join(file);
        fleet.kubectl(
            "infra",
            &[
                "apply",
                "--server-side",
                "--force-conflicts",
                "-f",
                file.to_str().unwrap(),
            ],
        );
    }
    fleet.apply("infra", SCRAPER);
    let secret = [
        "-n",
        "dragonfly-system",
        "create",
        "secret",
        "generic",
        "dragonfly-auth",
        "--from-literal=password=x",
    ];
    fleet.kubectl("infra", &secret);
    let image = "manager=docker.dragonflydb.io/dragonflydb/operator:v1.3.0";
    fleet.kubectl(
        "infra",
        &["-n", OPERATOR, "set", "image", DEPLOYMENT, image],
    );
    adopt_operator(&fleet);
    let settings = std::fs::read_to_string(story.join("settings.toml")).unwrap();
    fleet.settings(&settings);
    let wanted: BTreeSet<&str> = BELIEFS.iter().map(|(_, id)| *id).collect();
    let (report, ..) = fleet.check_until("every belief found", PATIENCE, |report| {
        let found = found(report);
        found.contains("pods-missing") && wanted.iter().all(|id| found.contains(*id))
    });
    let more: Vec<String> = found(&report)
        .into_iter()
        .filter(|id| !wanted.contains(id.as_str()) && !CONSEQUENCES.contains(&id.as_str()))
        .collect();
    assert!(
        more.is_empty(),
        "{more:?}: {:#?}",
        answers(&report, "finding")
    );
}
