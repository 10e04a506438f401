//! `maxmemory` at run time, on every node: room for writes now, until the arguments in Git say the same.

use std::time::Duration;

use super::proof::Tells;
use super::{About, Action, ArgDoc, Gate, Goal, Plan, Risk, Scene, Step, choice, gates};
use crate::checks::{Case, Instance, Node};
use crate::domain::engine::{Memory, Question};
use crate::domain::text;

/// The action.
pub const ACTION: Action = Action {
    id: "maxmemory",
    verb: "maxmemory",
    title: "Set maxmemory",
    doc: "sets maxmemory of every node while they run; the arguments of the Dragonfly object stay as they are, and a restart brings them back",
    about: About::Instance,
    risk: Risk::Disruptive,
    args: &[ArgDoc {
        name: "bytes",
        value: "SIZE",
        doc: "how much: 3Gi, 3gb, 3221225472",
        default: None,
        required: true,
    }],
    reads: super::nothing_more,
    available,
    candidates: super::no_choice,
    preflight,
    plan,
};

/// What the server wants for each thread when it starts, bytes (v1.17 to v1.40; at run time it takes less).
const EACH_THREAD: u64 = 256 << 20;
/// From this part of its limit on, a node that is full has no room for buffers of a save or a full sync, percent.
const CLOSE: u64 = 90;

/// A size as Kubernetes or as the server spells it: `3Gi`, `3gb`, `512mb`, bytes.
pub(super) fn size(text: &str) -> Option<u64> {
    let small = text.trim().to_ascii_lowercase();
    let own = [("kb", 10), ("mb", 20), ("gb", 30), ("tb", 40)];
    for (unit, power) in own {
        if let Some(number) = small.strip_suffix(unit) {
            let whole: f64 = number.trim().parse().ok()?;
            let bytes = whole * f64::from(2_u32).powi(power);
            let fits = bytes.is_finite() && (0.0..1e18).contains(&bytes);
            return fits.then_some(bytes as u64);
        }
    }
    crate::wire::quantity::bytes(text)
}

fn wanted(scene: &Scene<'_>) -> Result<u64, String> {
    let asked = scene.args.get("bytes").ok_or("no size is given")?;
    size(asked).filter(|bytes| *bytes > 0).ok_or_else(|| {
        format!(
            "{} is no size: 3Gi, 3gb and 3221225472 are",
            text::one_line(asked)
        )
    })
}

fn available(scene: &Scene<'_>) -> Result<(), String> {
    let case = scene.case().ok_or("the context is not open")?;
    let instance = case.instance.as_ref().ok_or("no such instance is known")?;
    let silent = instance
        .nodes
        .iter()
        .find_map(|node| choice::answers(node).err());
    match silent {
        Some(why) => Err(why),
        None if instance.nodes.is_empty() => Err("it has no pods".to_owned()),
        None => Ok(()),
    }
}

fn memory<'a>(case: &Case<'_>, node: &Node<'a>) -> Option<&'a Memory> {
    let known = node.told(case, Question::Memory, |engine| engine.memory.as_ref());
    known.map(|known| &known.value)
}

fn preflight(scene: &Scene<'_>) -> Vec<Gate> {
    let Some(case) = scene.case() else {
        return Vec::new();
    };
    let Some(instance) = &case.instance else {
        return Vec::new();
    };
    let wanted = match wanted(scene) {
        Ok(wanted) => wanted,
        Err(why) => return vec![Gate::block("size", why)],
    };
    let nodes: Vec<&Node<'_>> = instance.nodes.iter().collect();
    vec![
        choice::all_answer(&nodes),
        limit(&nodes, wanted),
        threads(&case, &nodes, wanted),
        holds(&case, &nodes, wanted),
        lasts(instance, wanted),
    ]
}

/// What the container may take is more, with room for what comes beside the data.
fn limit(nodes: &[&Node<'_>], wanted: u64) -> Gate {
    const ID: &str = "limit";
    let limits = nodes
        .iter()
        .map(|node| (node.name(), node.container().and_then(|c| c.memory_limit)));
    let least = limits.min_by_key(|(_, limit)| limit.unwrap_or(u64::MAX));
    let Some((name, Some(limit))) = least else {
        return Gate::warn(
            ID,
            "its pods have no memory limit: what the machine has is the limit, and the kernel chooses whom it kills",
        );
    };
    let percent = u128::from(wanted) * 100 / u128::from(limit.max(1));
    let told = format!(
        "{} is {percent} % of the memory limit {} of {name}",
        text::bytes(wanted),
        text::bytes(limit)
    );
    match wanted >= limit {
        true => Gate::block(
            ID,
            format!(
                "{told}: it would be killed before it is full. Raise spec.resources.limits.memory first"
            ),
        ),
        false if percent >= u128::from(CLOSE) => Gate::ask(
            ID,
            format!("{told}: buffers of a save or a full sync come on top, and may have it killed"),
        ),
        false => Gate::pass(ID, told),
    }
}

/// Enough for its threads: at run time less is taken, and then it does not start any more.
fn threads(case: &Case<'_>, nodes: &[&Node<'_>], wanted: u64) -> Gate {
    const ID: &str = "threads";
    let counts = nodes.iter().filter_map(|node| {
        let known = node.told(case, Question::Server, |engine| engine.server.as_ref())?;
        Some((known.value.threads?, node.name()))
    });
    let Some((most, name)) = counts.max() else {
        return Gate::warn(
            ID,
            "how many threads its nodes have is not told: each wants 256 MiB when it starts",
        );
    };
    let needs = most.saturating_mul(EACH_THREAD);
    let told = format!(
        "the {most} threads of {name} want {} when it starts",
        text::bytes(needs)
    );
    match wanted >= needs {
        true => Gate::pass(ID, told),
        false => Gate::block(
            ID,
            format!(
                "{told}, more than {}: it would run on and not start again",
                text::bytes(wanted)
            ),
        ),
    }
}

/// What is there already fits.
fn holds(case: &Case<'_>, nodes: &[&Node<'_>], wanted: u64) -> Gate {
    const ID: &str = "holds";
    let mut words = Vec::new();
    let (mut over, mut evicts) = (false, false);
    for node in nodes {
        let name = node.name();
        let Some(memory) = memory(case, node) else {
            return Gate::warn(ID, format!("{name} does not tell its memory"));
        };
        let size = |bytes: Option<u64>| bytes.map_or("not told".to_owned(), text::bytes);
        over |= memory.used.is_some_and(|used| used >= wanted);
        evicts |= memory.evicts == Some(true);
        words.push(format!(
            "{name}: used {}, maxmemory {}",
            size(memory.used),
            size(memory.max)
        ));
    }
    let words = words.join("; ");
    match (over, evicts) {
        (false, _) => Gate::pass(ID, words),
        (true, true) => Gate::ask(ID, format!("{words}: keys would be evicted")),
        (true, false) => Gate::ask(
            ID,
            format!("{words}: writes would be refused (-ERR Out of memory)"),
        ),
    }
}

/// That it does not last, and which line makes it last.
fn lasts(instance: &Instance<'_>, wanted: u64) -> Gate {
    const ID: &str = "lasts";
    let dragonfly = &instance.view.dragonfly.value;
    let at = dragonfly.args.iter().position(|arg| {
        let bare = arg.trim_start_matches('-');
        bare == "maxmemory" || bare.starts_with("maxmemory=")
    });
    let says = match at.and_then(|at| Some((at, dragonfly.args.get(at)?))) {
        Some((at, line)) if line.contains('=') => {
            format!("spec.args[{at}] says {}", text::one_line(line))
        }
        Some((at, line)) => {
            let value = dragonfly.args.get(at + 1).map_or("", String::as_str);
            format!(
                "spec.args[{at}] says {} {}",
                text::one_line(line),
                text::one_line(value)
            )
        }
        None => {
            "spec.args has no --maxmemory, and the server takes 80 % of its memory limit".to_owned()
        }
    };
    let owner = match gates::git_owner(&dragonfly.meta) {
        Some(owner) => format!(" in Git ({owner} applies it)"),
        None => " in the Dragonfly object".to_owned(),
    };
    Gate::warn(
        ID,
        format!(
            "{says}: a restart brings that back. To make it last, write --maxmemory={wanted} there{owner}; the operator then restarts every pod"
        ),
    )
}

fn plan(scene: &Scene<'_>) -> Result<Plan, String> {
    let case = scene.case().ok_or("the context is not open")?;
    let instance = case.instance.as_ref().ok_or("no such instance is known")?;
    let wanted = wanted(scene)?;
    let bytes = wanted.to_string();
    let mut nodes = Vec::new();
    for node in &instance.nodes {
        let max = memory(&case, node)
            .and_then(|memory| memory.max)
            .ok_or_else(|| format!("{} does not tell its maxmemory", node.name()))?;
        nodes.push((node, max));
    }
    let is_raise = nodes.iter().any(|(_, max)| *max < wanted);
    // A replica never has less room than its master, on the way up or down.
    nodes.sort_by_key(|(node, _)| node.says(crate::domain::Role::Master) == is_raise);
    let mut steps = Vec::new();
    let mut goals = Vec::new();
    for (node, _) in &nodes {
        let name = node.name();
        let goal = Goal::Tells(
            node.view.id.clone(),
            choice::uid(node),
            Tells::MaxMemory(wanted),
        );
        steps.push(
            Step::new(
                format!("set maxmemory of {name} to {}", text::bytes(wanted)),
                choice::command(
                    node,
                    &["CONFIG", "SET", "maxmemory", &bytes],
                    vec![goal.clone()],
                ),
            )
            .unless(vec![goal.clone()])
            .leaves(format!(
                "maxmemory of {name} another than that of the nodes after it"
            )),
        );
        goals.push(goal);
    }
    let was: Vec<String> = nodes
        .iter()
        .map(|(node, max)| format!("{} on {}", text::bytes(*max), node.name()))
        .collect();
    let before = nodes
        .iter()
        .map(|(node, max)| format!("{}, maxmemory {}", choice::line(node), text::bytes(*max)));
    let old = nodes.iter().map(|(_, max)| *max).max().unwrap_or(0);
    Ok(Plan {
        action: ACTION.id,
        target: scene.target.clone(),
        args: scene.args.clone(),
        sentence: format!(
            "set maxmemory of every node of {} to {}",
            instance.view.id,
            text::bytes(wanted)
        ),
        risk: ACTION.risk,
        before: before.collect(),
        steps,
        at_the_end: Vec::new(),
        goals,
        patience: Duration::from_secs(15),
        losses: match is_raise {
            true => "nothing".to_owned(),
            false => {
                "where less fits than is there, keys are evicted (cache mode) or writes refused"
                    .to_owned()
            }
        },
        takes: "at once, and clients do not notice. It lasts until a pod starts anew".to_owned(),
        back: format!("maxmemory --bytes {old}; it was {}", was.join(", ")),
        owner: gates::git_owner(&instance.view.dragonfly.value.meta),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::actions::fixture::{ask, gate, held};
    use crate::checks::acceptance::fixture::{dragonfly, pods};
    use crate::domain::engine::{Probe, Server};
    use crate::domain::fixture::{Fixture, ago, healthy};

    #[test]
    fn sizes_are_read_as_kubernetes_and_the_server_spell_them() {
        for (text, wanted) in [
            ("3Gi", Some(3 << 30)),
            ("3gb", Some(3 << 30)),
            ("1.5GB", Some(3 << 29)),
            ("512mb", Some(512 << 20)),
            ("1000", Some(1000)),
            ("much", None),
            ("-1gb", None),
            ("1e30gb", None),
        ] {
            assert_eq!(size(text), wanted, "{text}");
        }
    }

    /// Engines of the fixture say used 600 MiB, maxmemory 1 GiB.
    fn with(limit: Option<u64>, threads: u64, args: &[&str]) -> Fixture {
        let mut f = healthy().build();
        pods(&mut f, |_, pod| {
            for container in &mut pod.containers {
                container.memory_limit = limit.map(|mib| mib << 20);
            }
        });
        dragonfly(&mut f, |d| {
            d.args = args.iter().map(|a| (*a).to_owned()).collect()
        });
        for pod in ["orders-0", "orders-1", "orders-2"] {
            let server = Server {
                threads: Some(threads),
                ..Server::default()
            };
            f.answers(pod, Probe::Server(server), ago(1));
        }
        f
    }

    #[test]
    fn limits_threads_and_what_is_there_are_kept_to() {
        for (name, limit, threads, size, id, wanted) in [
            (
                "room",
                Some(4096),
                2,
                "2Gi",
                "limit",
                "pass: 2.0 GiB is 50 % of the memory limit 4.0 GiB of orders-0",
            ),
            (
                "close",
                Some(4096),
                2,
                "3.8Gi",
                "limit",
                "to be accepted: 3.8 GiB is 95 % of the memory limit 4.0 GiB of orders-0: buffers of a save or a full sync come on top, and may have it killed",
            ),
            (
                "all of it",
                Some(4096),
                2,
                "4Gi",
                "limit",
                "blocked: 4.0 GiB is 100 % of the memory limit 4.0 GiB of orders-0: it would be killed before it is full. Raise spec.resources.limits.memory first",
            ),
            (
                "no limit",
                None,
                2,
                "2Gi",
                "limit",
                "warn: its pods have no memory limit: what the machine has is the limit, and the kernel chooses whom it kills",
            ),
            (
                "threads",
                Some(4096),
                8,
                "2Gi",
                "threads",
                "pass: the 8 threads of orders-2 want 2.0 GiB when it starts",
            ),
            (
                "too many threads",
                Some(4096),
                9,
                "2Gi",
                "threads",
                "blocked: the 9 threads of orders-2 want 2.2 GiB when it starts, more than 2.0 GiB: it would run on and not start again",
            ),
            (
                "less than is there",
                Some(4096),
                2,
                "512Mi",
                "holds",
                "to be accepted: orders-0: used 600 MiB, maxmemory 1.0 GiB; orders-1: used 600 MiB, maxmemory 1.0 GiB; orders-2: used 600 MiB, maxmemory 1.0 GiB: writes would be refused (-ERR Out of memory)",
            ),
            (
                "no size",
                Some(4096),
                2,
                "plenty",
                "size",
                "blocked: plenty is no size: 3Gi, 3gb and 3221225472 are",
            ),
        ] {
            let f = with(limit, threads, &[]);
            assert_eq!(gate(&ACTION, &f, &[("bytes", size)], id), wanted, "{name}");
        }
    }

    #[test]
    fn the_line_that_brings_the_old_value_back_is_named() {
        for (args, wanted) in [
            (
                &["--proactor_threads=2", "--maxmemory=1gb"][..],
                "spec.args[1] says --maxmemory=1gb: a restart",
            ),
            (
                &["--maxmemory", "1gb"],
                "spec.args[0] says --maxmemory 1gb: a restart",
            ),
            (
                &[],
                "spec.args has no --maxmemory, and the server takes 80 % of its memory limit: a restart",
            ),
        ] {
            let got = gate(&ACTION, &with(None, 1, args), &[("bytes", "2Gi")], "lasts");
            assert!(got.starts_with(&format!("warn: {wanted}")), "{got}");
        }
    }

    #[test]
    fn replicas_first_on_the_way_up_and_the_master_first_on_the_way_down() {
        for (size, wanted) in [
            ("2Gi", ["orders-1", "orders-2", "orders-0"]),
            ("512Mi", ["orders-0", "orders-1", "orders-2"]),
        ] {
            let f = with(None, 1, &[]);
            let plan = ask(&ACTION, &f, &[("bytes", size)], plan).unwrap();
            for (step, pod) in plan.steps.iter().zip(wanted) {
                assert!(step.words.contains(pod), "{size}: {}", step.words);
            }
        }
        let f = with(None, 1, &[]);
        let goal = Goal::Tells(
            crate::domain::NodeId::new(crate::domain::fixture::infra(), "shop", "orders-0"),
            "uid-orders-0".into(),
            Tells::MaxMemory(1 << 30),
        );
        assert_eq!(held(&goal, &f), "holds: orders-0 tells maxmemory 1.0 GiB");
    }
}
