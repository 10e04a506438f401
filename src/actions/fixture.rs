//! Asking actions about a fixture, so that a table of cases reads as prose.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;

use jiff::SignedDuration;
use serde_json::Value;

use super::plan::folder;
use super::{Action, Args, Goal, ObjectId, Objects, Progress, Reading, Rules, Scene, Target};
use crate::checks::Limits;
use crate::domain::NodeId;
use crate::domain::fixture::{Fixture, infra, now};
use crate::wire::ListedFile;

/// What something says of an action's scene.
pub fn ask_with<T>(
    target: &Target,
    fixture: &Fixture,
    objects: &Objects,
    args: &[(&'static str, &str)],
    of: impl FnOnce(&Scene<'_>) -> T,
) -> T {
    let mut asked = Args::default();
    args.iter()
        .for_each(|(name, value)| asked.set(name, *value));
    let reading = Reading {
        world: &fixture.world,
        objects,
        now: now(),
    };
    let (limits, rules, accepted) = (Limits::default(), Rules::default(), BTreeSet::new());
    of(&Scene::new(
        reading, &limits, &rules, target, &asked, &accepted,
    ))
}

/// The same of the fixture's instance, with nothing read beside.
pub fn ask<T>(
    _: &Action,
    fixture: &Fixture,
    args: &[(&'static str, &str)],
    of: impl FnOnce(&Scene<'_>) -> T,
) -> T {
    let target = Target::Instance(fixture.id.clone());
    ask_with(&target, fixture, &Objects::new(), args, of)
}

/// How a gate of an action stands about the fixture's instance: `pass: orders-0 answers`.
pub fn gate(action: &Action, fixture: &Fixture, args: &[(&'static str, &str)], id: &str) -> String {
    ask(action, fixture, args, |scene| gate_in(action, scene, id))
}

/// The same of any scene.
pub fn gate_in(action: &Action, scene: &Scene<'_>, id: &str) -> String {
    let gates = (action.preflight)(scene);
    let found = gates.iter().find(|gate| gate.id == id);
    found.map_or_else(
        || "no such gate".to_owned(),
        |gate| format!("{}: {}", gate.stand.word(), gate.evidence),
    )
}

/// How a goal stands: `holds: ...`.
pub fn held(goal: &Goal, fixture: &Fixture) -> String {
    held_with(goal, fixture, &Objects::new())
}

/// The same, with objects that were read.
pub fn held_with(goal: &Goal, fixture: &Fixture, objects: &Objects) -> String {
    let reading = Reading {
        world: &fixture.world,
        objects,
        now: now(),
    };
    match goal.judge(&reading) {
        Progress::Holds(words) => format!("holds: {words}"),
        Progress::NotYet(words) => format!("not yet: {words}"),
        Progress::Untold(words) => format!("untold: {words}"),
    }
}

/// A folder with files: name, bytes, and how many seconds ago they were written.
pub fn lay(pod: &str, path: &str, files: &[(&str, u64, i64)]) -> Objects {
    let node = NodeId::new(infra(), "shop", pod);
    let files: Vec<ListedFile> = files
        .iter()
        .map(|(name, bytes, age)| ListedFile {
            name: (*name).to_owned(),
            bytes: *bytes,
            written: Some(now() - SignedDuration::from_secs(*age)),
        })
        .collect();
    let listed = serde_json::to_value(files).unwrap();
    Objects::from([(folder(&node, path), Some(listed))])
}

/// One object that was read.
pub fn read(id: &ObjectId, value: Value) -> Objects {
    Objects::from([(id.clone(), Some(value))])
}
