//! Memory that the process holds and does not use: given back, or put together first. What the guard on resident memory
//! (`rss_oom_deny_ratio`) turns clients away for.

use std::time::Duration;

use super::proof::Tells;
use super::{About, Action, Candidate, Does, Gate, Goal, Plan, Risk, Scene, Step, choice};
use crate::checks::{Case, Node};
use crate::domain::engine::{Memory, Question};
use crate::domain::text;

/// Gives free pages back.
pub const DECOMMIT: Action = Action {
    id: "memory-decommit",
    verb: "memory decommit",
    title: "Give unused memory back",
    doc: "has a node give pages that it does not use back to its machine, by MEMORY DECOMMIT",
    plan: |scene| plan(scene, &DECOMMIT, "DECOMMIT"),
    ..DEFRAGMENT
};

/// Moves values together.
pub const DEFRAGMENT: Action = Action {
    id: "memory-defragment",
    verb: "memory defragment",
    title: "Defragment memory",
    doc: "has a node move its values together, by MEMORY DEFRAGMENT, so that pages become free",
    about: About::Instance,
    risk: Risk::Reversible,
    args: &[choice::ONE_OF_ALL],
    reads: super::nothing_more,
    available,
    candidates,
    preflight,
    plan: |scene| plan(scene, &DEFRAGMENT, "DEFRAGMENT"),
};

/// How long resident memory is given to fall.
const FALLS: Duration = Duration::from_secs(10);

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
    choice::candidates(scene, |node| {
        choice::answers(node)?;
        let memory =
            told(&case, node).ok_or_else(|| format!("{} does not tell its memory", node.name()))?;
        Ok(figures(memory))
    })
}

fn told<'a>(case: &Case<'_>, node: &Node<'a>) -> Option<&'a Memory> {
    let known = node.told(case, Question::Memory, |engine| engine.memory.as_ref());
    known.map(|known| &known.value)
}

/// `used 1.2 GiB, resident 3.1 GiB, maxmemory 4.0 GiB`.
fn figures(memory: &Memory) -> String {
    let size = |bytes: Option<u64>| bytes.map_or("not told".to_owned(), text::bytes);
    format!(
        "used {}, resident {}, maxmemory {}",
        size(memory.used),
        size(memory.rss),
        size(memory.max)
    )
}

fn preflight(scene: &Scene<'_>) -> Vec<Gate> {
    let Some(case) = scene.case() else {
        return Vec::new();
    };
    let Some(instance) = &case.instance else {
        return Vec::new();
    };
    let nodes = match choice::all(scene, instance) {
        Ok(nodes) => nodes,
        Err(why) => return vec![Gate::block("chosen", why)],
    };
    let mut gates = vec![choice::all_answer(&nodes)];
    gates.push(gain(&case, &nodes));
    gates
}

/// How much there is to win: what is resident beyond what is used.
fn gain(case: &Case<'_>, nodes: &[&Node<'_>]) -> Gate {
    const ID: &str = "gain";
    let (mut words, mut any) = (Vec::new(), false);
    for node in nodes {
        let name = node.name();
        let Some(memory) = told(case, node) else {
            return Gate::warn(ID, format!("{name} does not tell its memory"));
        };
        // A tenth is what the process needs beside its data anyway.
        any |= matches!((memory.used, memory.rss), (Some(used), Some(rss)) if rss / 11 > used / 10);
        words.push(format!("{name}: {}", figures(memory)));
    }
    let words = words.join("; ");
    match any {
        true => Gate::pass(ID, words),
        false => Gate::warn(
            ID,
            format!("{words}: hardly anything is held that is not used"),
        ),
    }
}

fn plan(scene: &Scene<'_>, action: &Action, word: &str) -> Result<Plan, String> {
    let case = scene.case().ok_or("the context is not open")?;
    let instance = case.instance.as_ref().ok_or("no such instance is known")?;
    let nodes = choice::all(scene, instance)?;
    let (mut goals, mut falls) = (Vec::new(), Vec::new());
    let mut steps = Vec::new();
    for node in &nodes {
        let name = node.name();
        let rss = told(&case, node)
            .and_then(|memory| memory.rss)
            .ok_or_else(|| format!("{name} does not tell its resident memory"))?;
        let does = match word {
            "DECOMMIT" => format!("have {name} give back what it does not use"),
            _ => format!("have {name} move its values together"),
        };
        // However often it is done, it comes to the same.
        steps.push(
            Step::new(does, choice::command(node, &["MEMORY", word], Vec::new()))
                .within(Duration::from_secs(60)),
        );
        let tells = |what: Tells| Goal::Tells(node.view.id.clone(), choice::uid(node), what);
        falls.push(tells(Tells::RssBelow(rss)));
        goals.push(tells(Tells::RssAgain(rss)));
    }
    // The server counts its pages now and then; and where there was nothing to give, nothing falls.
    steps.push(
        Step::new("see whether resident memory falls", Does::Await(falls))
            .optional()
            .within(FALLS),
    );
    let names: Vec<&str> = nodes.iter().map(|node| node.name()).collect();
    Ok(Plan {
        action: action.id,
        target: scene.target.clone(),
        args: scene.args.clone(),
        sentence: match word {
            "DECOMMIT" => format!("give unused memory of {} back", names.join(", ")),
            _ => format!("defragment the memory of {}", names.join(", ")),
        },
        risk: action.risk,
        before: nodes.iter().map(|node| choice::line(node)).collect(),
        steps,
        at_the_end: Vec::new(),
        goals,
        patience: Duration::from_secs(15),
        losses: "nothing".to_owned(),
        takes: "a moment in which each thread is busy with it, longer on a large node. Resident memory is read again for 10s, and whether it fell is told".to_owned(),
        back: "nothing to take back: the node takes memory again as it needs it".to_owned(),
        owner: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::fixture::{ask, gate, held};
    use crate::domain::engine::Probe;
    use crate::domain::fixture::{Fixture, ago, healthy};

    fn with(f: &mut Fixture, pod: &str, rss: u64) {
        let memory = Memory {
            used: Some(600 << 20),
            rss: Some(rss << 20),
            max: Some(1 << 30),
            ..Memory::default()
        };
        f.answers(pod, Probe::Memory(memory), ago(1));
    }

    #[test]
    fn every_node_in_turn_and_the_master_last() {
        let mut f = healthy().build();
        for pod in ["orders-0", "orders-1", "orders-2"] {
            with(&mut f, pod, 1400);
        }
        for (action, pod, wanted) in [
            (
                &DECOMMIT,
                None,
                "give unused memory of orders-1, orders-2, orders-0 back",
            ),
            (
                &DEFRAGMENT,
                None,
                "defragment the memory of orders-1, orders-2, orders-0",
            ),
            (
                &DECOMMIT,
                Some("orders-1"),
                "give unused memory of orders-1 back",
            ),
        ] {
            let args: Vec<_> = pod.map(|pod| ("pod", pod)).into_iter().collect();
            let got = ask(action, &f, &args, |scene| {
                (action.plan)(scene).map(|plan| plan.sentence)
            });
            assert_eq!(got, Ok(wanted.to_owned()));
        }
        assert_eq!(
            gate(&DECOMMIT, &f, &[("pod", "orders-0")], "gain"),
            "pass: orders-0: used 600 MiB, resident 1.4 GiB, maxmemory 1.0 GiB"
        );
        with(&mut f, "orders-0", 610);
        assert_eq!(
            gate(&DECOMMIT, &f, &[("pod", "orders-0")], "gain"),
            "warn: orders-0: used 600 MiB, resident 610 MiB, maxmemory 1.0 GiB: hardly anything is held that is not used"
        );
    }

    #[test]
    fn whether_it_fell_is_told() {
        for (rss, wanted) in [
            (
                700,
                "holds: resident memory of orders-0 is 700 MiB, and was 1.4 GiB: 700 MiB less",
            ),
            (
                1400,
                "holds: resident memory of orders-0 is 1.4 GiB, and was 1.4 GiB: it has not fallen",
            ),
        ] {
            let mut f = healthy().build();
            with(&mut f, "orders-0", 1400);
            let goal = ask(&DECOMMIT, &f, &[("pod", "orders-0")], |scene| {
                (DECOMMIT.plan)(scene).map(|mut plan| plan.goals.remove(0))
            });
            with(&mut f, "orders-0", rss);
            assert_eq!(goal.map(|goal| held(&goal, &f)), Ok(wanted.to_owned()));
        }
    }
}
