//! A snapshot now, by BGSAVE: before something that is dangerous, or when the schedule's last one failed.

use std::time::Duration;

use super::kept::{self, Place};
use super::proof::{Lies, Tells, files};
use super::{About, Action, Candidate, Gate, Goal, Look, Plan, Risk, Scene, Step, choice};
use crate::checks::{Case, Instance, Node};
use crate::domain::engine::Question;
use crate::domain::text;

/// The action.
pub const ACTION: Action = Action {
    id: "snapshot",
    verb: "snapshot",
    title: "Snapshot now",
    doc: "has a node save what it holds to a file, while it goes on serving",
    about: About::Instance,
    risk: Risk::Reversible,
    args: &[choice::POD],
    reads,
    available,
    candidates,
    preflight,
    plan,
};

/// How long a save may take: some hundred gigabytes over a network disk.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

fn available(scene: &Scene<'_>) -> Result<(), String> {
    let case = scene.case().ok_or("the context is not open")?;
    let instance = case.instance.as_ref().ok_or("no such instance is known")?;
    match instance
        .nodes
        .iter()
        .any(|node| choice::answers(node).is_ok())
    {
        true => Ok(()),
        false => Err(format!("no node of {} answers", instance.view.id)),
    }
}

fn candidates(scene: &Scene<'_>) -> Vec<Candidate> {
    let Some(case) = scene.case() else {
        return Vec::new();
    };
    choice::candidates(scene, |node| idle(&case, node))
}

/// That a node can begin to save.
fn idle(case: &Case<'_>, node: &Node<'_>) -> Result<String, String> {
    let name = node.name();
    choice::answers(node)?;
    if node.loading {
        return Err(format!("{name} is loading, and does not save meanwhile"));
    }
    match node.told(case, Question::Persistence, |e| e.persistence.as_ref()) {
        Some(known) if known.value.saving => Err(format!("{name} saves already")),
        Some(_) => Ok(format!("{name} neither loads nor saves")),
        None => Err(format!("whether {name} saves is not told")),
    }
}

fn reads(scene: &Scene<'_>) -> Vec<Look> {
    let Some(case) = scene.case() else {
        return Vec::new();
    };
    let look = || {
        let instance = case.instance.as_ref()?;
        let node = choice::one(scene, instance).ok()?;
        match kept::place(&case, instance, node) {
            Place::Folder(folder) => Some(Look::Files(node.view.id.clone(), folder)),
            Place::Bucket(_) => None,
        }
    };
    look().into_iter().collect()
}

fn preflight(scene: &Scene<'_>) -> Vec<Gate> {
    let Some(case) = scene.case() else {
        return Vec::new();
    };
    let Some(instance) = &case.instance else {
        return Vec::new();
    };
    let node = match choice::one(scene, instance) {
        Ok(node) => node,
        Err(why) => return vec![Gate::block("chosen", why)],
    };
    let idle = idle(&case, node);
    let saves = idle
        .as_ref()
        .is_err_and(|why| why.ends_with("saves already"));
    let idle = Gate::of("idle", idle);
    let mut gates = vec![if saves { idle.passing() } else { idle }];
    gates.extend(room(scene, &case, instance, node));
    gates
}

/// Whether what will be saved fits where it is saved to.
fn room(
    scene: &Scene<'_>,
    case: &Case<'_>,
    instance: &Instance<'_>,
    node: &Node<'_>,
) -> Option<Gate> {
    const ID: &str = "room";
    let name = node.name();
    let folder = match kept::place(case, instance, node) {
        Place::Folder(folder) => folder,
        Place::Bucket(bucket) => {
            return Some(Gate::pass(
                ID,
                format!("{name} saves to {}", text::one_line(&bucket)),
            ));
        }
    };
    let places = crate::checks::stored::places(&instance.view);
    let claim = places
        .iter()
        .find(|place| place.pod == name && (place.is_shared || is_for_snapshots(place)))
        .and_then(|place| place.claim.clone());
    let Some(claim) = claim else {
        return Some(Gate::warn(
            ID,
            format!("{folder} of {name} is on no volume: what is saved there is gone with the pod"),
        ));
    };
    // What it saved last is about what it will save; without that, what it holds is the most that it can be.
    let listed = files(&scene.reading, &node.view.id, &folder);
    let last = listed.and_then(|files| kept::kept(&files).pop());
    let memory = node.told(case, Question::Memory, |e| e.memory.as_ref());
    let wanted = last
        .map(|last| last.bytes)
        .filter(|bytes| *bytes > 0)
        .or_else(|| memory.and_then(|known| known.value.used))?;
    let Some((volume, _)) = case
        .context
        .on_demand
        .volume(&instance.view.id.namespace, &claim)
    else {
        return Some(Gate::warn(
            ID,
            format!(
                "how full the volume of {claim} is cannot be told; it will take about {}",
                text::bytes(wanted)
            ),
        ));
    };
    let (used, capacity) = (volume.now.used?, volume.now.capacity?);
    let free = capacity.saturating_sub(used);
    let told = format!(
        "{} of {} are free on the volume of {claim}, and it will take about {}",
        text::bytes(free),
        text::bytes(capacity),
        text::bytes(wanted)
    );
    Some(match free >= wanted {
        true => Gate::pass(ID, told),
        false => Gate::ask(ID, told),
    })
}

/// The operator calls the claim template of snapshots `df` (v1.1 to v1.6).
fn is_for_snapshots(place: &crate::checks::stored::Place<'_>) -> bool {
    place
        .claim
        .as_deref()
        .is_some_and(|claim| claim.starts_with("df-"))
}

fn plan(scene: &Scene<'_>) -> Result<Plan, String> {
    let case = scene.case().ok_or("the context is not open")?;
    let instance = case.instance.as_ref().ok_or("no such instance is known")?;
    let node = choice::one(scene, instance)?;
    let name = node.name();
    let told = node
        .told(&case, Question::Persistence, |e| e.persistence.as_ref())
        .ok_or_else(|| format!("{name} does not tell of its snapshots"))?;
    let saved = Goal::Tells(
        node.view.id.clone(),
        choice::uid(node),
        Tells::Saved {
            after: told.value.saved_at(),
            failed: told.value.last_failed,
        },
    );
    let steps = vec![
        Step::new(
            format!("have {name} save"),
            choice::command(node, &["BGSAVE"], vec![saved.clone()]),
        )
        .once()
        .leaves(format!("{name} saving by itself, to its end")),
        Step::new(
            format!("wait until {name} has saved"),
            super::Does::Await(vec![saved.clone()]),
        )
        .within(PATIENCE),
    ];
    let mut goals = vec![saved];
    let mut to = String::new();
    match kept::place(&case, instance, node) {
        // Its own word, and the folder's: where that could be listed.
        Place::Folder(folder) => {
            if let Some(files) = files(&scene.reading, &node.view.id, &folder) {
                let newest = files.iter().map(|file| file.written).max().flatten();
                goals.push(Goal::Lies(
                    node.view.id.clone(),
                    folder.clone(),
                    Lies::Saved(newest),
                ));
            }
            to.push_str(&folder);
        }
        Place::Bucket(bucket) => to.push_str(&text::one_line(&bucket)),
    }
    let last = match told.value.last_file.as_str() {
        "" => "nothing since its process started".to_owned(),
        file => text::one_line(file),
    };
    Ok(Plan {
        action: ACTION.id,
        target: scene.target.clone(),
        args: scene.args.clone(),
        sentence: format!("save a snapshot of {name} of {} to {to}", instance.view.id),
        risk: ACTION.risk,
        before: vec![choice::line(node), format!("{name} saved last: {last}")],
        steps,
        at_the_end: Vec::new(),
        goals,
        patience: Duration::from_secs(20),
        losses: "nothing. A file of a fixed name (--dbfilename without {timestamp}) is written over".to_owned(),
        takes: "about a second for each million keys; the node serves meanwhile, with buffers for the save beside its data".to_owned(),
        back: "remove the file with remove-snapshots".to_owned(),
        owner: None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::actions::fixture::{ask, gate, held, lay};
    use crate::domain::FaultKind;
    use crate::domain::engine::{Persistence, Probe};
    use crate::domain::fixture::{ago, healthy, instance, master, replica};

    #[test]
    fn it_is_the_masters_unless_a_pod_is_named() {
        for (name, pod, wanted) in [
            (
                "the master",
                None,
                Ok("save a snapshot of orders-0 of shop/orders to /dragonfly/snapshots"),
            ),
            (
                "a replica",
                Some("orders-1"),
                Ok("save a snapshot of orders-1 of shop/orders to /dragonfly/snapshots"),
            ),
            (
                "nobody",
                Some("orders-9"),
                Err("shop/orders has no pod orders-9"),
            ),
        ] {
            let f = healthy().build();
            let args: Vec<_> = pod.map(|pod| ("pod", pod)).into_iter().collect();
            let got = ask(&ACTION, &f, &args, |scene| {
                plan(scene).map(|plan| plan.sentence)
            });
            assert_eq!(
                got,
                wanted.map(str::to_owned).map_err(str::to_owned),
                "{name}"
            );
        }
        let two = instance("orders")
            .node(master())
            .node(master())
            .node(replica())
            .build();
        let got = ask(&ACTION, &two, &[], |scene| {
            plan(scene).map(|plan| plan.sentence)
        });
        assert_eq!(
            got,
            Err("orders-0 and orders-1 of shop/orders act as master: name a pod".to_owned())
        );
    }

    #[test]
    fn one_save_at_a_time_and_none_while_loading() {
        let told = |persistence| {
            let mut f = healthy().build();
            f.answers("orders-0", Probe::Persistence(persistence), ago(1));
            gate(&ACTION, &f, &[], "idle")
        };
        for (name, persistence, wanted) in [
            (
                "idle",
                Persistence::default(),
                "pass: orders-0 neither loads nor saves",
            ),
            (
                "saving",
                Persistence {
                    saving: true,
                    ..Persistence::default()
                },
                "blocked: orders-0 saves already",
            ),
            (
                "loading",
                Persistence {
                    loading: true,
                    ..Persistence::default()
                },
                "blocked: orders-0 is loading, and does not save meanwhile",
            ),
        ] {
            assert_eq!(told(persistence), wanted, "{name}");
        }
        let silent = instance("orders")
            .node(master().unreachable(FaultKind::Timeout, "timed out"))
            .node(replica())
            .build();
        assert_eq!(
            gate(&ACTION, &silent, &[("pod", "orders-0")], "idle"),
            "blocked: orders-0 does not answer"
        );
    }

    #[test]
    fn a_save_is_proven_by_what_the_node_tells_after_it() {
        let before = Persistence {
            last_save: Some(100),
            last_file: "/d/a-summary.dfs".to_owned(),
            ..Persistence::default()
        };
        let with = |change: &dyn Fn(&mut Persistence)| {
            let mut told = before.clone();
            change(&mut told);
            told
        };
        for (name, after, wanted) in [
            (
                "not begun",
                before.clone(),
                "not yet: orders-0 tells of no newer snapshot",
            ),
            (
                "going on",
                with(&|p| {
                    p.saving = true;
                    p.save_percent = Some(40);
                }),
                "not yet: orders-0 saves, 40 %",
            ),
            (
                "done",
                with(&|p| p.last_save = Some(101)),
                "holds: orders-0 saved to /d/a-summary.dfs",
            ),
            (
                "failed",
                with(&|p| {
                    p.last_failed = Some(102);
                    p.last_error = "No space left on device".to_owned();
                }),
                "not yet: the save of orders-0 failed: No space left on device",
            ),
            (
                "started anew: that is no save",
                with(&|p| {
                    p.last_save = Some(200);
                    p.last_file.clear();
                }),
                "not yet: orders-0 tells of no newer snapshot",
            ),
        ] {
            let mut f = healthy().build();
            f.answers("orders-0", Probe::Persistence(before.clone()), ago(2));
            let goal = ask(&ACTION, &f, &[], |scene| {
                plan(scene).unwrap().goals.remove(0)
            });
            f.answers("orders-0", Probe::Persistence(after), ago(1));
            assert_eq!(held(&goal, &f), wanted, "{name}");
        }
    }

    #[test]
    fn the_folder_is_the_second_witness() {
        let mut f = healthy().build();
        let persistence = Persistence {
            last_save: Some(100),
            last_file: "/dragonfly/snapshots/b-summary.dfs".to_owned(),
            ..Persistence::default()
        };
        f.answers("orders-0", Probe::Persistence(persistence), ago(1));
        let lies = Goal::Lies(
            crate::domain::NodeId::new(crate::domain::fixture::infra(), "shop", "orders-0"),
            "/dragonfly/snapshots".into(),
            Lies::Saved(Some(ago(50))),
        );
        for (name, files, wanted) in [
            (
                "there",
                &[("b-summary.dfs", 10, 5)][..],
                "holds: b-summary.dfs is in /dragonfly/snapshots of orders-0",
            ),
            (
                "the one of before",
                &[("b-summary.dfs", 10, 90)],
                "not yet: b-summary.dfs is the one of before",
            ),
            (
                "not there",
                &[("a-summary.dfs", 10, 5)],
                "not yet: /dragonfly/snapshots of orders-0 has no file b-summary.dfs",
            ),
        ] {
            let objects = lay("orders-0", "/dragonfly/snapshots", files);
            assert_eq!(
                crate::actions::fixture::held_with(&lies, &f, &objects),
                wanted,
                "{name}"
            );
        }
    }
}
