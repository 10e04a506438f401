//! Two engines, two labels, two data sets, and what only looks like it, as tables.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::checks::fixture::*;
use crate::domain::Master;
use crate::domain::engine::{Keyspace, Probe};
use crate::domain::fixture::*;

#[test]
fn engines_and_labels_are_both_heard() {
    table(
        &CHECK,
        vec![
            ("healthy", healthy(), "pass"),
            (
                "two engines",
                instance("gitlab")
                    .node(master())
                    .node(replica())
                    .node(replica().engine_master()),
                "critical several-masters: gitlab-0 and gitlab-2 both act as master; the Service sends to gitlab-0",
            ),
            (
                "two engines and two labels",
                instance("gitlab").node(master()).node(master()),
                "critical several-masters: gitlab-0 and gitlab-1 both act as master; the Service sends to gitlab-0 \
                 and gitlab-1",
            ),
            (
                "two labels, one engine",
                instance("gitlab")
                    .node(master())
                    .node(master().engine_replica().endpoint(false)),
                "critical several-masters: gitlab-0 and gitlab-1 are both labelled master, only gitlab-0's engine \
                 is one; the Service sends to gitlab-0",
            ),
            (
                "three engines",
                instance("gitlab")
                    .node(master())
                    .node(replica().engine_master())
                    .node(replica().engine_master()),
                "critical several-masters: gitlab-0, gitlab-1 and gitlab-2 all act as master; the Service sends to \
                 gitlab-0",
            ),
            (
                "a young container without a label is only starting",
                instance("gitlab")
                    .node(master())
                    .node(replica().unlabelled().engine_master().young(20)),
                "pass",
            ),
            (
                "so is a replica's that was just restarted",
                instance("gitlab")
                    .node(master())
                    .node(replica().engine_master().young(20).ended("Error", 1)),
                "pass",
            ),
            (
                "but one that was a replica in the same run was promoted",
                instance("gitlab")
                    .node(master())
                    .node(replica().engine_master().young(20).was(Role::Replica)),
                "critical several-masters: gitlab-0 and gitlab-1 both act as master; the Service sends to gitlab-0",
            ),
            (
                "and so was one that traffic is sent to",
                instance("gitlab")
                    .node(master())
                    .node(replica().engine_master().young(20).endpoint(true)),
                "critical several-masters: gitlab-0 and gitlab-1 both act as master; the Service sends to gitlab-0 \
                 and gitlab-1",
            ),
            (
                "an old one without a label may be a master that was left behind",
                instance("gitlab")
                    .node(master())
                    .node(replica().unlabelled().engine_master()),
                "critical several-masters: gitlab-0 and gitlab-1 both act as master; the Service sends to gitlab-0",
            ),
            (
                "a label on a pod that is going counts no more",
                instance("gitlab")
                    .node(master())
                    .node(master().engine_replica().deleting()),
                "pass",
            ),
            (
                "a second master that fell silent is not known to be one",
                instance("gitlab")
                    .node(master())
                    .node(replica().engine_master().heard(60)),
                "pass",
            ),
        ],
    );
}

#[test]
fn an_empty_pod_that_never_had_a_role_is_no_second_master() {
    let keyspace = |keys| {
        Probe::Keyspace(Keyspace {
            keys,
            ..Keyspace::default()
        })
    };
    let spec = || {
        instance("gitlab")
            .node(master())
            .node(replica().unlabelled().engine_master())
    };
    let told = |f: &Fixture| line(&answer_of(&CHECK, f));
    let mut f = spec().build();
    f.answers("gitlab-1", keyspace(0), ago(1));
    assert_eq!(told(&f), "pass");
    assert_eq!(judgement(&f).master, Master::One("gitlab-0".to_owned()));
    // What it holds it was written, or loaded: a data set.
    f.answers("gitlab-1", keyspace(1), ago(0));
    assert!(
        told(&f).starts_with("critical several-masters"),
        "{}",
        told(&f)
    );
    // A label that it lost is a role that it had; its clients may be there still.
    let mut f = spec().build();
    f.relabel("gitlab-1", Some(Role::Replica), ago(40));
    f.relabel("gitlab-1", None, ago(30));
    f.answers("gitlab-1", keyspace(0), ago(1));
    assert!(
        told(&f).starts_with("critical several-masters"),
        "{}",
        told(&f)
    );
    // Where nobody else is master, it is one.
    let mut f = instance("gitlab")
        .node(master().unlabelled().endpoint(false))
        .node(replica())
        .build();
    f.answers("gitlab-0", keyspace(0), ago(1));
    assert_eq!(judgement(&f).master, Master::One("gitlab-0".to_owned()));
}

#[test]
fn an_old_master_whose_process_died_and_started_again_is_no_second_master_while_it_is_not_ready() {
    for (name, old, wanted) in [
        ("just started", master().young(2).unready(), "pass"),
        (
            "ready for a while, so that somebody may have reached it",
            master().young(20),
            "critical several-masters",
        ),
        (
            "its process did not end",
            master().unready(),
            "critical several-masters",
        ),
    ] {
        let mut f = instance("gitlab")
            .node(master())
            .node(old.endpoint(false))
            .node(replica())
            .build();
        f.relabel("gitlab-1", None, ago(1));
        f.answers("gitlab-1", Probe::Keyspace(Keyspace::default()), ago(0));
        let told = line(&answer_of(&CHECK, &f));
        assert!(told.starts_with(wanted), "{name}: {told}");
    }
}

#[test]
fn an_empty_master_that_gets_nothing_is_no_second_data_set() {
    for (keys, endpoint, wanted) in [
        (0, false, "several-masters"),
        (0, true, "split-brain"),
        (1, false, "split-brain"),
    ] {
        let mut f = instance("gitlab")
            .node(master())
            .node(replica())
            .node(replica().engine_master().replid("other").endpoint(endpoint))
            .build();
        for (pod, keys) in [("gitlab-0", 5000), ("gitlab-2", keys)] {
            let keyspace = crate::domain::engine::Keyspace {
                keys,
                ..Default::default()
            };
            f.answers(pod, Probe::Keyspace(keyspace), ago(1));
        }
        let crate::checks::Verdict::Finding(finding) = answer_of(&CHECK, &f).verdict else {
            panic!("{keys} keys: no finding");
        };
        assert_eq!(finding.situation.id, wanted, "{keys} keys, {endpoint}");
    }
}

#[test]
fn the_old_masters_last_word_is_not_held_against_the_new_one() {
    let mut f = instance("gitlab")
        .node(master().heard(4))
        .node(replica())
        .build();
    f.answers("gitlab-1", Probe::Replication(bare_master()), ago(0));
    let answer = answer_of(&CHECK, &f);
    assert_eq!(
        line(&answer),
        "note syncing: shop/gitlab is changing its master: gitlab-1 has taken over, gitlab-0 has not been asked since"
    );
    assert_eq!(answer.again_at, Some(ago(-5)));
    assert_eq!(judgement(&f).master, Master::One("gitlab-1".to_owned()));
    // Asked again, the old one still says so.
    f.answers("gitlab-0", Probe::Replication(bare_master()), now());
    let told = line(&answer_of(&CHECK, &f));
    assert!(told.starts_with("critical several-masters"), "{told}");
    let both = vec!["gitlab-0".to_owned(), "gitlab-1".to_owned()];
    assert_eq!(judgement(&f).master, Master::Contested(both));
}

#[test]
fn an_old_master_that_was_asked_after_the_new_one_was_labelled_is_a_second_one_at_once() {
    // The replica is promoted and labelled 3 s ago. All engines are asked then; the old one answered a moment before
    // the new one, and its pod is being deleted.
    let mut f = instance("gitlab")
        .node(master().deleting().heard(2))
        .node(replica())
        .build();
    f.relabel("gitlab-1", Some(Role::Master), ago(3));
    f.answers("gitlab-1", Probe::Replication(bare_master()), ago(1));
    assert_eq!(
        line(&answer_of(&CHECK, &f)),
        "critical several-masters: gitlab-0 and gitlab-1 both act as master; gitlab-0 is terminating since 11:59:57 \
         UTC; the Service sends nowhere"
    );
}

#[test]
fn the_old_master_is_given_no_more_than_the_settling_time() {
    let mut f = instance("gitlab")
        .node(master().heard(8))
        .node(replica().heard(9))
        .build();
    f.answers("gitlab-1", Probe::Replication(bare_master()), ago(6));
    let told = line(&answer_of(&CHECK, &f));
    assert!(told.starts_with("critical several-masters"), "{told}");
}

#[test]
fn two_labels_are_as_old_as_the_second() {
    let f = instance("gitlab")
        .node(master().labelled_since(900))
        .node(master().engine_replica().labelled_since(72))
        .build();
    let super::super::Verdict::Finding(finding) = answer_of(&CHECK, &f).verdict else {
        panic!()
    };
    assert_eq!(finding.since, Since::Exactly(ago(72)));
}

#[test]
fn both_replication_ids_are_evidence() {
    let f = instance("gitlab")
        .node(master().replid("aaa"))
        .node(master().replid("bbb"))
        .build();
    let super::super::Verdict::Finding(finding) = answer_of(&CHECK, &f).verdict else {
        panic!()
    };
    let told: Vec<&str> = finding.evidence.iter().map(|e| e.text.as_str()).collect();
    assert!(told.iter().any(|t| t.contains("aaa")), "{told:?}");
    assert!(told.iter().any(|t| t.contains("bbb")), "{told:?}");
}
