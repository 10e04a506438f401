//! The Operator screen in every condition that it can be in.

use std::sync::Arc;

use darner::domain::log::{LogLine, Loudness};
use darner::domain::object::*;
use darner::domain::want::{Fetched, Foreign, ForeignObject, LogId, Want};
use darner::domain::*;
use darner::msg::Effect;
use darner::settings::GlyphSet;
use insta::assert_snapshot;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::world::*;

const HOME: &str = "dragonfly-operator-system";

/// The StatefulSets of these instances, with all their pods on its revision.
fn sets(dbs: &[Db]) -> Fact {
    let objects = dbs.iter().map(|db| {
        let id = db.id();
        Object::StatefulSet(Arc::new(StatefulSet {
            meta: Meta {
                namespace: id.namespace.clone(),
                name: id.name.clone(),
                labels: [("app".to_owned(), id.name.to_string())].into(),
                ..Meta::default()
            },
            replicas: 3,
            ..StatefulSet::default()
        }))
    });
    listed("infra", Kind::StatefulSet, objects.collect())
}

fn crd(fields: &[&str]) -> Fact {
    let crd = Crd {
        meta: Meta {
            name: Arc::from("dragonflies.dragonflydb.io"),
            ..Meta::default()
        },
        established: true,
        served: vec!["v1alpha1".to_owned()],
        spec_fields: fields.iter().map(|field| (*field).to_owned()).collect(),
    };
    listed("infra", Kind::Crd, vec![Object::Crd(Arc::new(crd))])
}

const FIELDS: &[&str] = &[
    "aclFromSecret",
    "additionalContainers",
    "additionalVolumes",
    "containerSecurityContext",
    "customLivenessProbeConfigMap",
    "customReadinessProbeConfigMap",
    "customStartupProbeConfigMap",
    "enableReplicationReadinessGate",
    "imagePullPolicy",
    "imagePullSecrets",
    "initContainers",
    "memcachedPort",
    "networkPolicyEnabled",
    "nodeSelector",
    "ownedObjectsMetadata",
    "pdb",
    "podMetadata",
    "podSecurityContext",
    "priorityClassName",
    "replicas",
    "skipFSGroup",
    "tiering",
    "topologySpreadConstraints",
    "snapshot.enableOnMasterOnly",
    "snapshot.existingPersistentVolumeClaimName",
];

fn object(name: &str, body: Value) -> ForeignObject {
    ForeignObject {
        meta: Meta {
            name: Arc::from(name),
            ..Meta::default()
        },
        body,
    }
}

fn role_wants() -> [Want; 4] {
    let home = Scope::Namespace(Arc::from(HOME));
    [
        (Foreign::ClusterRole, Scope::Cluster),
        (Foreign::ClusterRoleBinding, Scope::Cluster),
        (Foreign::Role, home.clone()),
        (Foreign::RoleBinding, home),
    ]
    .map(|(what, scope)| Want::Objects {
        context: ctx("infra"),
        what,
        scope,
    })
}

/// Its service account may do these things with these resources.
fn rights(resources: &[&str]) -> Vec<Fact> {
    let rules = json!({"rules": [{"apiGroups": ["*"], "resources": resources, "verbs": ["*"]}]});
    let binding = json!({"roleRef": {"kind": "ClusterRole", "name": "it"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": HOME}]});
    let lists = [
        vec![object("it", rules)],
        vec![object("it", binding)],
        vec![],
        vec![],
    ];
    role_wants()
        .into_iter()
        .zip(lists)
        .map(|(want, objects)| Fact::Fetched {
            want,
            answer: Ok(Fetched::Objects {
                objects: objects.into(),
                more: false,
            }),
        })
        .collect()
}

fn leader_log() -> LogId {
    LogId {
        context: ctx("infra"),
        namespace: Arc::from(HOME),
        pod: Arc::from("dragonfly-operator-b8d9-7f9c"),
        container: Arc::from("manager"),
    }
}

fn line(seconds_ago: i64, loudness: Loudness, message: &str, fields: &[(&str, &str)]) -> LogLine {
    LogLine {
        at: Some(start() - SignedDuration::from_secs(seconds_ago)),
        loudness,
        logger: String::new(),
        message: message.to_owned(),
        fields: fields
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

fn log() -> Vec<Fact> {
    let about = |name: &'static str| {
        [
            ("controller", "Dragonfly"),
            ("name", name),
            ("namespace", "dragonfly-system"),
        ]
    };
    let mut failed = about("gitlab").to_vec();
    failed.push(("error", "dial tcp 10.0.0.3:9999: i/o timeout"));
    vec![
        Fact::Fetched {
            want: Want::Log(leader_log()),
            answer: Ok(Fetched::Log),
        },
        Fact::Logged {
            log: leader_log(),
            lines: vec![
                line(300, Loudness::Info, "starting manager", &[]),
                line(
                    62,
                    Loudness::Info,
                    "Checked and configured replication",
                    &about("dragonfly"),
                ),
                line(
                    41,
                    Loudness::Info,
                    "reconciling dragonfly instance",
                    &about("gitlab"),
                ),
                line(40, Loudness::Error, "Reconciler error", &failed),
            ],
        },
    ]
}

fn well(story: &mut Story) {
    fleet(story, &[dragonfly(), gitlab()], &[cache()]);
    story.told(vec![sets(&[dragonfly(), gitlab()]), crd(FIELDS)]);
    story.told(operator("infra", 2, story.now));
    story.told(vec![
        listed("apps", Kind::OperatorDeployment, vec![]),
        listed("apps", Kind::OperatorPod, vec![]),
        listed("apps", Kind::OperatorLease, vec![]),
        listed("apps", Kind::Dragonfly, vec![]),
        listed("apps", Kind::Crd, vec![]),
    ]);
}

/// A console of that size that shows the operators, once everything was read.
fn shown(columns: u16, rows: u16) -> Story {
    let mut story = Story::new(columns, rows);
    well(&mut story);
    story.press("5").says("─ Operator").take_effects();
    story.told(rights(&["*"])).told(log());
    story
}

#[test]
fn all_well() {
    let mut story = shown(120, 40);
    story
        .says("renewed 0s ago")
        .says("all that v1.6.1 needs is given");
    assert_snapshot!(story.screen());
}

#[test]
fn narrow() {
    let mut story = shown(80, 24);
    assert_snapshot!(story.screen());
    // Every pane has its turn.
    for says in [
        "all its steps",
        "7f9c",
        "op#582",
        "default image",
        "starting manager",
    ] {
        story.press("tab").says(says);
    }
}

#[test]
fn huge() {
    let story = shown(200, 60);
    assert_snapshot!(story.screen());
}

#[test]
fn too_small_to_show() {
    let mut story = shown(80, 24);
    story.resize(20, 5);
    assert_snapshot!(story.screen());
    story.resize(50, 10).draw();
}

#[test]
fn nothing_is_known_yet() {
    let mut story = Story::new(120, 40);
    story.press("5");
    assert_snapshot!(story.screen());
}

#[test]
fn broken() {
    let mut story = Story::new(120, 40);
    well(&mut story);
    let deployment = Deployment {
        meta: Meta {
            namespace: Arc::from(HOME),
            name: Arc::from("dragonfly-operator"),
            ..Meta::default()
        },
        replicas: 2,
        ready: 0,
        images: vec![("manager".to_owned(), "operator:v1.5.0".to_owned())],
        args: vec!["--metrics-bind-address=:8080".to_owned()],
        ..Deployment::default()
    };
    let pod = |tail: &str, restarts| {
        Object::OperatorPod(Arc::new(Pod {
            meta: Meta {
                namespace: Arc::from(HOME),
                name: Arc::from(format!("dragonfly-operator-b8d9-{tail}")),
                ..Meta::default()
            },
            phase: "Running".to_owned(),
            containers: vec![Container {
                name: "manager".to_owned(),
                restarts,
                state: ContainerState::Waiting {
                    reason: "CrashLoopBackOff".to_owned(),
                    message: String::new(),
                },
                last_end: Some(ContainerEnd {
                    reason: "Error".to_owned(),
                    exit: 1,
                    at: Some(start() - SignedDuration::from_secs(95)),
                }),
                ..Container::default()
            }],
            ..Pod::default()
        }))
    };
    let late = operator("infra", 0, story.now - SignedDuration::from_secs(420));
    story.told(late);
    story.told(vec![
        listed(
            "infra",
            Kind::OperatorDeployment,
            vec![Object::OperatorDeployment(Arc::new(deployment))],
        ),
        listed(
            "infra",
            Kind::OperatorPod,
            vec![pod("7f9c", 190), pod("x2x4", 7)],
        ),
        crd(&FIELDS[..10]),
    ]);
    // A renewal was seen, and none for a minute after it.
    story.after(60);
    story
        .press("5")
        .told(rights(&["pods", "services", "leases"]));
    story.told(log());
    story
        .says("nobody")
        .says("a pod of it to be ready")
        .says("CrashLoopBackOff")
        .says("op#359")
        .says("older than the operator")
        .says("lacks events");
    assert_snapshot!(story.screen());
}

#[test]
fn the_same_is_said_once_and_in_full() {
    let mut story = shown(120, 40);
    story.says(" as with dragonfly-system/dragonfly");
    let text = story.text();
    assert_eq!(text.matches("10,000 s").count(), 1, "{text}");
    // All of it of a row that refers to another.
    story.press("tab tab tab j enter");
    let last = story.text().lines().last().unwrap_or_default().to_owned();
    assert!(last.contains("gitlab on v1.39.0"), "{last}");
    assert!(last.contains("may lock the instance"), "{last}");
}

#[test]
fn since_when_nobody_acts_grows_with_the_time() {
    let mut story = Story::new(120, 40);
    well(&mut story);
    story.press("5");
    let none = Deployment {
        meta: Meta {
            namespace: Arc::from(HOME),
            name: Arc::from("dragonfly-operator"),
            ..Meta::default()
        },
        images: vec![("manager".to_owned(), "operator:v1.6.1".to_owned())],
        ..Deployment::default()
    };
    story.told(vec![
        listed(
            "infra",
            Kind::OperatorDeployment,
            vec![Object::OperatorDeployment(Arc::new(none))],
        ),
        listed("infra", Kind::OperatorPod, vec![]),
    ]);
    story.after(6);
    let mut last = 0;
    for _ in 0..20 {
        // Answers come in all the while, and what they touch is worked out again.
        story.after(3).told(dragonfly().answers());
        story.told(gitlab().answers());
        let line = story.line_with("somebody to act");
        let (_, age) = line.split_once("seen for ").expect("an age is told");
        let age = age.split_whitespace().next().unwrap_or_default();
        let seconds = match age.trim_end_matches('s').split_once('m') {
            Some((m, s)) => 60 * m.parse::<i64>().unwrap() + s.parse::<i64>().unwrap(),
            None => age.trim_end_matches('s').parse().unwrap(),
        };
        assert!(seconds > last, "{last} before: {line}");
        last = seconds;
    }
    assert!((60..=70).contains(&last), "{last}");
}

#[test]
fn what_may_not_be_read_is_said() {
    let mut story = Story::new(120, 40);
    well(&mut story);
    story.press("5");
    let forbidden = |what: &str| Fault::new(FaultKind::Forbidden, format!("may not {what}"));
    let [roles, ..] = role_wants();
    story.told(vec![
        Fact::Fetched {
            want: roles,
            answer: Err(forbidden("list clusterroles in the whole cluster")),
        },
        Fact::Fetched {
            want: Want::Log(leader_log()),
            answer: Err(forbidden("get pods/log in namespace x")),
        },
    ]);
    story
        .says("ClusterRoles cannot be read")
        .says("may not get pods/log");
    assert_snapshot!(story.screen());
    // And where not even the operator may be read.
    let mut story = Story::new(120, 40);
    story.told(vec![opened("infra"), live("infra", 12)]);
    story.told(vec![
        denied("infra", Kind::OperatorDeployment),
        denied("infra", Kind::OperatorPod),
        denied("infra", Kind::OperatorLease),
        denied("infra", Kind::Crd),
        listed("infra", Kind::Dragonfly, vec![]),
    ]);
    story.press("5").says("cannot be told");
}

#[test]
fn the_log_is_narrowed_to_one_instance_and_widened_again() {
    let mut story = shown(120, 40);
    story.says("starting manager").says("i/o timeout");
    // Down to gitlab.
    story.press("tab j enter");
    story
        .says("about dragonfly-system/gitlab")
        .says("i/o timeout")
        .says_not("starting manager")
        .says_not("Checked and configured");
    story.press("enter").says("starting manager");
    // Only what is loud.
    story
        .press("!")
        .says("i/o timeout")
        .says_not("starting manager");
}

#[test]
fn what_is_done_is_done_about_the_row_under_the_cursor() {
    // Keys from the first pane on, with both instances in each pane, and what is explained then.
    let mut wrong = Vec::new();
    for (keys, says) in [
        ("", "Why: operator"),
        ("tab", "Why: dragonfly-system/dragonfly"),
        ("tab j", "Why: dragonfly-system/gitlab"),
        ("tab j tab", "Why: operator"),
        ("tab j tab tab", "Why: dragonfly-system/dragonfly"),
        ("tab tab tab j", "Why: dragonfly-system/gitlab"),
        ("tab tab tab j k", "Why: dragonfly-system/dragonfly"),
        ("tab j tab tab tab", "Why: operator"),
        ("tab j tab tab tab tab", "Why: operator"),
    ] {
        let mut story = shown(120, 40);
        story.press(keys).press("x");
        if !story.screen().contains(says) {
            wrong.push(format!("{keys}: not {says}"));
        }
    }
    // What the filter hides is not under the cursor either.
    let mut story = shown(120, 40);
    story.press("/").type_text("gitlab").press("enter tab x");
    if !story.screen().contains("Why: dragonfly-system/gitlab") {
        wrong.push("filtered: not gitlab".to_owned());
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // Other commands take the same row.
    let mut story = shown(120, 40);
    story
        .press("tab j tab tab 2")
        .says("dragonfly-system/dragonfly");
}

#[test]
fn only_what_is_shown_is_wanted() {
    let mut story = Story::new(120, 40);
    well(&mut story);
    story.take_effects();
    story.press("5");
    let wanted = |story: &mut Story| -> Option<Vec<Want>> {
        story
            .take_effects()
            .into_iter()
            .rev()
            .find_map(|effect| match effect {
                Effect::Want(needs) => Some(needs.wants.into_iter().collect()),
                _ => None,
            })
    };
    let wants = wanted(&mut story).unwrap();
    assert!(wants.contains(&Want::Log(leader_log())), "{wants:?}");
    assert!(role_wants().iter().all(|role| wants.contains(role)));
    assert_eq!(wants.len(), 5);
    story.press("1");
    assert_eq!(wanted(&mut story), Some(Vec::new()));
    story.press("1");
    assert_eq!(wanted(&mut story), None, "nothing changed");
}

#[test]
fn plain_letters_do() {
    let mut story = Story::with(80, 24, GlyphSet::Ascii, Vec::new(), None);
    well(&mut story);
    story.press("5").told(rights(&["*"])).told(log());
    story.draw();
    for _ in 0..6 {
        story.press("tab").draw();
    }
}

#[test]
fn what_was_before_the_connection_was_lost_is_not_drawn_as_well() {
    let mut story = shown(120, 40);
    story.says("1 operator").says("● ready");
    let retry = story.now + jiff::SignedDuration::from_secs(4);
    story.told(vec![unreachable("infra", "dial timeout", retry)]);
    story.says("led").after(20);
    story
        .says("operators not known")
        .says_not("0 operators")
        .says("infra       ? unreachable")
        .says("? was ready")
        .says("as of");
    story.told(vec![unreachable("apps", "dial timeout", retry)]);
    story.says("operators not known");
    assert!(!story.text().contains('●'), "{}", story.text());
    assert_snapshot!(story.screen());
}
