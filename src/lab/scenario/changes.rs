//! What can happen to somebody who changes something: conflicts, rights that go half-way, commands whose answer is lost.

use super::{Scenario, Scene};
use crate::lab::api::{Effect, Fault, Snare};

/// What changes one object.
const CHANGES: &[&str] = &["patch", "update", "delete"];

pub(super) const CONFLICTS: Scenario = Scenario {
    name: "conflicts",
    about: "in lab-infra every patch and update meets a conflict, as if somebody changed the object all the time",
    shows: "409 `Conflict`: the object has been modified; reading and deleting work",
    play: |scene| Box::pin(async move { conflicts(scene) }),
    ..Scenario::BASE
};

fn conflicts(Scene { stage, .. }: Scene<'_>) -> Result<String, String> {
    let fault = Fault::from(Effect::Conflict).verbs(&["patch", "update"]);
    stage.infra_api.faults().add(fault);
    Ok("every patch and update in lab-infra is answered 409".into())
}

pub(super) const RIGHTS_HALF_WAY: Scenario = Scenario {
    name: "rights-half-way",
    about: "in lab-infra one more change of a pod is allowed, then none: the right is taken half-way",
    shows: "the first patch or deletion of a pod works, every later one is 403; access reviews say yes all the time",
    play: |scene| Box::pin(async move { rights_half_way(scene) }),
    ..Scenario::BASE
};

fn rights_half_way(Scene { stage, .. }: Scene<'_>) -> Result<String, String> {
    let fault = Fault::from(Effect::Forbid)
        .on("pods")
        .verbs(CHANGES)
        .after(1);
    stage.infra_api.faults().add(fault);
    Ok("one more change of a pod is allowed in lab-infra, then none".into())
}

pub(super) const FORWARD_CUT: Scenario = Scenario {
    name: "forward-cut",
    about: "in lab-infra every port-forward that carries REPLTAKEOVER ends when the command has reached the engine",
    shows: "the takeover runs, its answer never comes: the connection ends at once",
    play: |scene| Box::pin(async move { snare(scene, Snare::CutAfter) }),
    ..Scenario::BASE
};

pub(super) const FORWARD_CUT_EARLY: Scenario = Scenario {
    name: "forward-cut-early",
    about: "in lab-infra every port-forward that carries REPLTAKEOVER ends in the middle of the command",
    shows: "the connection ends at once, and the engine never runs the command",
    play: |scene| Box::pin(async move { snare(scene, Snare::CutBefore) }),
    ..Scenario::BASE
};

pub(super) const REPLY_SWALLOWED: Scenario = Scenario {
    name: "reply-swallowed",
    about: "in lab-infra nothing comes back any more over a port-forward that has carried REPLTAKEOVER",
    shows: "the takeover runs, and the connection stands without an answer",
    play: |scene| Box::pin(async move { snare(scene, Snare::Swallow) }),
    ..Scenario::BASE
};

fn snare(Scene { stage, .. }: Scene<'_>, snare: Snare) -> Result<String, String> {
    stage.infra_api.faults().snare("REPLTAKEOVER", snare);
    Ok("no answer to REPLTAKEOVER comes through a port-forward in lab-infra".into())
}
