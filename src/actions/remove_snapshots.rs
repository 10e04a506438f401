//! Old snapshots removed from a node's folder: a server with a file name by time (`{timestamp}`) never removes any, until the
//! volume is full and no save comes to an end.
//!
//! What is removed is listed first, and by name. Never the newest, nor one that a node of the instance tells to have saved last:
//! a pod that starts anew loads it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::kept::{self, Kept, Place};
use super::proof::{Lies, files};
use super::{
    About, Action, ArgDoc, Does, Gate, Goal, Look, Plan, Risk, Scene, Step, choice, gates,
};
use crate::checks::{Case, Instance, Node};
use crate::domain::engine::Question;
use crate::domain::text;

/// The action.
pub const ACTION: Action = Action {
    id: "remove-snapshots",
    verb: "remove-snapshots",
    title: "Remove old snapshots",
    doc: "removes snapshots from the folder of a node, those that are named, those older than a time, or all but some; never the newest, nor one that a node saved last",
    about: About::Instance,
    risk: Risk::LosesData,
    args: &[
        ArgDoc {
            name: "pod",
            value: "POD",
            doc: "on which node",
            default: None,
            required: true,
        },
        ArgDoc {
            name: "files",
            value: "A,B",
            doc: "these snapshots, each by its name or one of its files",
            default: None,
            required: false,
        },
        ArgDoc {
            name: "older-than",
            value: "TIME",
            doc: "those written longer ago: 12h, 30d, or a moment, 2026-11-01T00:00:00Z",
            default: None,
            required: false,
        },
        ArgDoc {
            name: "keep",
            value: "N",
            doc: "all but the N newest",
            default: None,
            required: false,
        },
    ],
    reads,
    available,
    candidates: |scene| choice::candidates(scene, choice::answers),
    preflight,
    plan,
};

/// Files that are removed at once: a command line has an end.
const AT_ONCE: usize = 500;

fn available(scene: &Scene<'_>) -> Result<(), String> {
    let case = scene.case().ok_or("the context is not open")?;
    let instance = case.instance.as_ref().ok_or("no such instance is known")?;
    match instance.nodes.iter().any(|node| node.runs()) {
        true => Ok(()),
        false => Err(format!("no pod of {} runs", instance.view.id)),
    }
}

fn chosen<'c, 'a>(scene: &Scene<'_>, instance: &'c Instance<'a>) -> Result<&'c Node<'a>, String> {
    let pod = scene.args.get("pod").ok_or("no pod is named")?;
    choice::named(instance, pod)
}

fn reads(scene: &Scene<'_>) -> Vec<Look> {
    let Some(case) = scene.case() else {
        return Vec::new();
    };
    let look = || {
        let instance = case.instance.as_ref()?;
        let node = chosen(scene, instance).ok()?;
        match kept::place(&case, instance, node) {
            Place::Folder(folder) => Some(Look::Files(node.view.id.clone(), folder)),
            Place::Bucket(_) => None,
        }
    };
    look().into_iter().collect()
}

/// What is there, and what of it goes.
struct Choice {
    folder: Arc<str>,
    all: Vec<Kept>,
    /// Names of those that stay, with why.
    held: Vec<(String, &'static str)>,
    go: Vec<Kept>,
    /// Names that were asked for and stay.
    refused: Vec<String>,
}

fn choose(scene: &Scene<'_>, case: &Case<'_>, instance: &Instance<'_>) -> Result<Choice, String> {
    let node = chosen(scene, instance)?;
    let name = node.name();
    let folder = match kept::place(case, instance, node) {
        Place::Folder(folder) => folder,
        Place::Bucket(bucket) => {
            return Err(format!(
                "{name} saves to {}: what is there is removed by the rules of the bucket",
                text::one_line(&bucket)
            ));
        }
    };
    let listed = files(&scene.reading, &node.view.id, &folder)
        .ok_or_else(|| format!("{folder} of {name} could not be listed: that takes the right pods/exec, and ls in the image"))?;
    let all = kept::kept(&listed);
    let mut held = Vec::new();
    let newest = all.iter().map(|one| one.written).max().flatten();
    let by_name = all.iter().map(|one| one.name.as_str()).max();
    let last: BTreeSet<&str> = instance
        .nodes
        .iter()
        .filter_map(|node| node.view.engine?.persistence.as_ref())
        .filter_map(|known| kept::name_of(&known.value.last_file))
        .collect();
    for one in &all {
        let why = if last.contains(one.name.as_str()) {
            "a node saved it last"
        } else if one.written.is_none() {
            "when it was written is not told"
        } else if one.written == newest || Some(one.name.as_str()) == by_name {
            "the newest"
        } else {
            continue;
        };
        held.push((one.name.clone(), why));
    }
    let asked = asked(scene, &all)?;
    let is_held = |one: &&Kept| held.iter().any(|(name, _)| *name == one.name);
    let (stay, go): (Vec<&Kept>, Vec<&Kept>) = all
        .iter()
        .filter(|one| asked.contains(one.name.as_str()))
        .partition(is_held);
    let named = scene.args.get("files").is_some();
    Ok(Choice {
        refused: match named {
            true => stay.iter().map(|one| one.name.clone()).collect(),
            false => Vec::new(),
        },
        go: go.into_iter().cloned().collect(),
        folder,
        held,
        all,
    })
}

/// The names that are asked for, by any of the three ways.
fn asked<'k>(scene: &Scene<'_>, all: &'k [Kept]) -> Result<BTreeSet<&'k str>, String> {
    let ways = ["files", "older-than", "keep"];
    let given: Vec<(&str, &str)> = ways
        .iter()
        .filter_map(|way| Some((*way, scene.args.get(way)?)))
        .collect();
    let [(way, value)] = given.as_slice() else {
        return Err(
            "which snapshots is told by one of --files, --older-than and --keep".to_owned(),
        );
    };
    let name = |one: &'k Kept| one.name.as_str();
    match *way {
        "files" => value
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .map(|word| {
                let is =
                    |one: &&Kept| one.name == word || one.files.iter().any(|file| file == word);
                let found = all.iter().find(is);
                found
                    .map(name)
                    .ok_or_else(|| format!("there is no snapshot {}", text::one_line(word)))
            })
            .collect(),
        "keep" => {
            let keep: usize = value
                .parse()
                .map_err(|_| format!("{} is no number of snapshots", text::one_line(value)))?;
            let end = all.len().saturating_sub(keep.max(1));
            Ok(all.iter().take(end).map(name).collect())
        }
        _ => {
            let before = moment(value, scene.reading.now)?;
            let older = all
                .iter()
                .filter(|one| one.written.is_some_and(|at| at < before));
            Ok(older.map(name).collect())
        }
    }
}

/// `12h` and `30d` before now, or a moment as it is.
fn moment(value: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(at) = value.parse() {
        return Ok(at);
    }
    let unknown = || {
        format!(
            "{} is no time: 12h, 30d and 2026-11-01T00:00:00Z are",
            text::one_line(value)
        )
    };
    let unit = value.chars().last().ok_or_else(unknown)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return Err(unknown()),
    };
    let number: i64 = value
        .trim_end_matches(unit)
        .parse()
        .map_err(|_| unknown())?;
    let span = number
        .checked_mul(seconds)
        .filter(|span| *span >= 0)
        .ok_or_else(unknown)?;
    now.checked_sub(SignedDuration::from_secs(span))
        .map_err(|_| unknown())
}

fn preflight(scene: &Scene<'_>) -> Vec<Gate> {
    let Some(case) = scene.case() else {
        return Vec::new();
    };
    let Some(instance) = &case.instance else {
        return Vec::new();
    };
    let mut gates = Vec::new();
    match choose(scene, &case, instance) {
        Err(why) => gates.push(Gate::block("chosen", why)),
        Ok(choice) => gates.extend(of_choice(&choice)),
    }
    // Which is the newest is not told while another is on its way, and files of it lie there already.
    gates.push(gates::no_save(&case, instance));
    gates.push(last_known(&case, instance));
    gates
}

fn of_choice(choice: &Choice) -> Vec<Gate> {
    let told = |one: &Kept| {
        let written = one.written.map_or("not told".to_owned(), |at| {
            at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
        });
        format!("{} ({}, {written})", one.name, text::bytes(one.bytes))
    };
    let mut gates = Vec::new();
    let all: Vec<String> = choice.all.iter().map(told).collect();
    gates.push(match all.is_empty() {
        true => Gate::block(
            "listed",
            format!("there is no snapshot in {}", choice.folder),
        ),
        false => Gate::pass(
            "listed",
            format!("{} holds {}", choice.folder, all.join(", ")),
        ),
    });
    let held: Vec<String> = choice
        .held
        .iter()
        .map(|(name, why)| format!("{name}: {why}"))
        .collect();
    gates.push(match choice.refused.as_slice() {
        [] => Gate::pass("stays", format!("these stay: {}", held.join(", "))),
        some => Gate::block(
            "stays",
            format!("{} is never removed ({})", some.join(", "), held.join(", ")),
        ),
    });
    let files: usize = choice.go.iter().map(|one| one.files.len()).sum();
    let bytes: u64 = choice.go.iter().map(|one| one.bytes).sum();
    gates.push(match files {
        0 => Gate::block("chosen", "no snapshot is to be removed by that"),
        files if files > AT_ONCE => Gate::block(
            "chosen",
            format!(
                "{files} files are too many at once, of which {AT_ONCE} is the most: name fewer"
            ),
        ),
        _ => Gate::pass(
            "chosen",
            format!(
                "{} snapshots in {files} files, {} together",
                choice.go.len(),
                text::bytes(bytes)
            ),
        ),
    });
    gates
}

/// Every node tells which it saved last: on a shared volume, that may be one of these.
fn last_known(case: &Case<'_>, instance: &Instance<'_>) -> Gate {
    const ID: &str = "last-known";
    let untold: Vec<&str> = instance
        .nodes
        .iter()
        .filter(|node| {
            node.told(case, Question::Persistence, |e| e.persistence.as_ref())
                .is_none()
        })
        .map(Node::name)
        .collect();
    match untold.as_slice() {
        [] => Gate::pass(ID, "every node tells which snapshot it saved last"),
        some => Gate::ask(
            ID,
            format!("which snapshot {} saved last is not told", some.join(", ")),
        ),
    }
}

fn plan(scene: &Scene<'_>) -> Result<Plan, String> {
    let case = scene.case().ok_or("the context is not open")?;
    let instance = case.instance.as_ref().ok_or("no such instance is known")?;
    let node = chosen(scene, instance)?;
    let choice = choose(scene, &case, instance)?;
    if choice.go.is_empty() {
        return Err("no snapshot is to be removed by that".to_owned());
    }
    let name = node.name();
    let folder = &choice.folder;
    let gone: Vec<String> = choice.go.iter().flat_map(|one| one.files.clone()).collect();
    // The names were read by `wire::files`, which lets through what means a file in the folder and nothing else.
    let paths = gone
        .iter()
        .map(|file| format!("{}/{file}", folder.trim_end_matches('/')));
    let words = ["rm".to_owned(), "--".to_owned()]
        .into_iter()
        .chain(paths)
        .collect();
    let goal = Goal::Lies(
        node.view.id.clone(),
        folder.clone(),
        Lies::Without(gone.clone()),
    );
    let steps = vec![
        Step::new(
            format!(
                "remove {} files of {} snapshots from {folder} of {name}",
                gone.len(),
                choice.go.len()
            ),
            Does::Run {
                node: node.view.id.clone(),
                uid: choice::uid(node),
                container: "dragonfly",
                words,
            },
        )
        .once()
        .unless(vec![goal.clone()])
        .within(Duration::from_secs(60))
        .leaves("perhaps a part of these files, which cannot be brought back"),
    ];
    let mut before = vec![choice::line(node)];
    before.extend(
        choice
            .go
            .iter()
            .map(|one| format!("{} goes: {} files", one.name, one.files.len())),
    );
    before.extend(
        choice
            .held
            .iter()
            .map(|(name, why)| format!("{name} stays: {why}")),
    );
    let names: Vec<&str> = choice.go.iter().map(|one| one.name.as_str()).collect();
    Ok(Plan {
        action: ACTION.id,
        target: scene.target.clone(),
        args: scene.args.clone(),
        sentence: format!(
            "remove {} snapshots from {folder} of {name}",
            choice.go.len()
        ),
        risk: ACTION.risk,
        before,
        steps,
        at_the_end: Vec::new(),
        goals: vec![goal],
        patience: Duration::from_secs(15),
        losses: format!("these snapshots, for good: {}", names.join(", ")),
        takes: "a moment; clients do not notice".to_owned(),
        back: "there is no way back: copy them first with kubectl cp if anybody may want them"
            .to_owned(),
        owner: None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::actions::fixture::{ask_with, gate_in, held_with, lay};
    use crate::actions::{Objects, Target};
    use crate::domain::engine::{Persistence, Probe};
    use crate::domain::fixture::{Fixture, ago, healthy, now};

    const FOLDER: &str = "/dragonfly/snapshots";

    /// Four snapshots; the third one is that which the node tells of.
    fn scene() -> (Fixture, Objects) {
        let mut f = healthy().build();
        let told = Persistence {
            last_save: Some(1),
            last_file: format!("{FOLDER}/dump-c-summary.dfs"),
            ..Persistence::default()
        };
        f.answers("orders-0", Probe::Persistence(told), ago(1));
        let files = [
            ("dump-a-summary.dfs", 10, 40_000),
            ("dump-a-0000.dfs", 900, 40_000),
            ("dump-b-summary.dfs", 10, 30_000),
            ("dump-c-summary.dfs", 10, 20_000),
            ("dump-d-summary.dfs", 10, 10_000),
            ("notes.txt", 10, 90_000),
        ];
        (f, lay("orders-0", FOLDER, &files))
    }

    fn go(args: &[(&'static str, &str)]) -> Result<Vec<String>, String> {
        let (f, objects) = scene();
        let mut all = vec![("pod", "orders-0")];
        all.extend_from_slice(args);
        let target = Target::Instance(f.id.clone());
        ask_with(&target, &f, &objects, &all, |scene| {
            plan(scene).map(|plan| match &plan.steps[0].does {
                Does::Run { words, .. } => words.clone(),
                _ => Vec::new(),
            })
        })
    }

    #[test]
    fn whole_snapshots_go_and_neither_the_newest_nor_the_one_saved_last() {
        let rm = |files: &[&str]| {
            let paths = files.iter().map(|file| format!("{FOLDER}/{file}"));
            Ok(["rm".to_owned(), "--".to_owned()]
                .into_iter()
                .chain(paths)
                .collect::<Vec<_>>())
        };
        let a = ["dump-a-summary.dfs", "dump-a-0000.dfs"];
        let with_b = [
            "dump-a-summary.dfs",
            "dump-a-0000.dfs",
            "dump-b-summary.dfs",
        ];
        let none = || Err("no snapshot is to be removed by that".to_owned());
        for (name, args, wanted) in [
            (
                "by one file of it",
                [("files", "dump-a-summary.dfs")],
                rm(&a),
            ),
            ("by its name", [("files", "dump-a")], rm(&a)),
            ("by age", [("older-than", "9h")], rm(&a)),
            (
                "by a shorter age: the one saved last stays",
                [("older-than", "5h")],
                rm(&with_b),
            ),
            ("all but one", [("keep", "1")], rm(&with_b)),
            ("none is kept: the newest is", [("keep", "0")], rm(&with_b)),
            ("more than there are", [("keep", "9")], none()),
            ("only what stays", [("files", "dump-d")], none()),
            (
                "another file",
                [("files", "notes.txt")],
                Err("there is no snapshot notes.txt".to_owned()),
            ),
            (
                "a way out",
                [("files", "../../etc/passwd")],
                Err("there is no snapshot ../../etc/passwd".to_owned()),
            ),
            (
                "no time",
                [("older-than", "soon")],
                Err("soon is no time: 12h, 30d and 2026-11-01T00:00:00Z are".to_owned()),
            ),
        ] {
            assert_eq!(go(&args), wanted, "{name}");
        }
        let which =
            Err("which snapshots is told by one of --files, --older-than and --keep".to_owned());
        assert_eq!(go(&[]), which);
        assert_eq!(go(&[("keep", "1"), ("older-than", "1d")]), which);
    }

    #[test]
    fn what_is_asked_for_by_name_and_stays_is_refused() {
        let (f, objects) = scene();
        let target = Target::Instance(f.id.clone());
        for (files, wanted) in [
            (
                "dump-a",
                "pass: these stay: dump-c: a node saved it last, dump-d: the newest",
            ),
            (
                "dump-a,dump-c",
                "blocked: dump-c is never removed (dump-c: a node saved it last, dump-d: the newest)",
            ),
        ] {
            let args = [("pod", "orders-0"), ("files", files)];
            let got = ask_with(&target, &f, &objects, &args, |scene| {
                gate_in(&ACTION, scene, "stays")
            });
            assert_eq!(got, wanted);
        }
    }

    #[test]
    fn they_are_gone_by_a_new_listing() {
        let (f, before) = scene();
        let target = Target::Instance(f.id.clone());
        let args = [("pod", "orders-0"), ("files", "dump-a")];
        let goal = ask_with(&target, &f, &before, &args, |scene| {
            plan(scene).unwrap().goals.remove(0)
        });
        for (name, objects, wanted) in [
            (
                "not listed",
                Objects::new(),
                "untold: /dragonfly/snapshots of orders-0 was not listed",
            ),
            (
                "as before",
                before,
                "not yet: dump-a-summary.dfs is still in /dragonfly/snapshots of orders-0",
            ),
            (
                "gone",
                lay("orders-0", FOLDER, &[("dump-d-summary.dfs", 1, 1)]),
                "holds: /dragonfly/snapshots of orders-0 is listed without them",
            ),
        ] {
            assert_eq!(held_with(&goal, &f, &objects), wanted, "{name}");
        }
        assert!(moment("1d", now()).unwrap() < now());
    }
}
