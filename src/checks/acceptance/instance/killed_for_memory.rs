//! An engine was killed for its memory, or ends at each start because what its snapshot holds is more than it may use: op#42,
//! op#71, df#5845.

use crate::checks::acceptance::instance::threads_starved;
use crate::checks::acceptance::{ACCEPTED, with_pods};
use crate::checks::waiting::version;
use crate::checks::words::list;
use crate::checks::{Answer, Area, Case, Check, Node, Severity, Since, Situation, Verdict};
use crate::domain::Version;
use crate::domain::object::{ContainerEnd, image_tag};

/// The check.
pub const CHECK: Check = Check {
    id: "killed-for-memory",
    area: Area::Instance,
    title: "Ended for want of memory",
    why: "A process that the kernel kills saves nothing and hands nothing over. One that cannot load its own snapshot never comes up \
          by itself again.",
    reads: "how the last run of the container dragonfly ended, snapshots of the instance, maxmemory",
    next: "Give it room: limits.memory at least a quarter above maxmemory, for buffers of saves and full syncs come on top.\n\
           See what its last run said.\n\
           $ {kubectl} logs {pod} -c dragonfly --previous --tail=50",
    situations: &[&KILLED, &UNLOADABLE],
    needs: Check::NOTHING,
    run,
};

const KILLED: Situation = Situation {
    id: "killed-for-memory",
    word: "oom killed",
    rule: "the last run of a container dragonfly ended OOMKilled",
    meaning: "It will be killed again as soon as it holds as much as then. What was not replicated or saved was lost.",
    ..ACCEPTED
};

const UNLOADABLE: Situation = Situation {
    id: "snapshot-unloadable",
    word: "cannot load",
    rule: "a container dragonfly ended three times or more with exit code 1, waits to be started again, and its instance has a volume \
           for snapshots; not where it has too little memory for its threads (threads-starved)",
    meaning: "The server ends when its snapshot needs more than maxmemory (log: `Could not load snapshot - its used memory is`): it \
              stays down until it may use more, or the snapshot is taken away.",
    ..ACCEPTED
};

/// Starts that failed before a snapshot is blamed.
const STARTS: u64 = 3;

fn run(case: &Case<'_>) -> Answer {
    let instance = match with_pods(case, &CHECK) {
        Ok(instance) => instance,
        Err(answer) => return *answer,
    };
    let ends: Vec<(&Node<'_>, &ContainerEnd)> = instance
        .nodes
        .iter()
        .filter_map(|node| Some((node, last_end(node)?)))
        .collect();
    let killed: Vec<&(&Node<'_>, &ContainerEnd)> = ends
        .iter()
        .filter(|(_, end)| end.reason == "OOMKilled")
        .collect();
    let stores = instance.view.dragonfly.value.snapshot.is_some();
    // A server that lacks memory for its threads ends so too, before it looks at any snapshot.
    let starves = matches!(
        (threads_starved::CHECK.run)(case).verdict,
        Verdict::Finding(_)
    );
    let unloadable: Vec<&(&Node<'_>, &ContainerEnd)> = ends
        .iter()
        .filter(|(node, end)| {
            let restarts = node.container().map_or(0, |container| container.restarts);
            let ends = end.exit == 1 && restarts >= STARTS && !node.runs();
            stores && ends && !is_refused(case, node) && !starves
        })
        .collect();
    let (situation, severity, found, what) = match (unloadable.is_empty(), killed.is_empty()) {
        (true, true) => return Answer::PASS,
        (false, _) => (
            &UNLOADABLE,
            Severity::Critical,
            unloadable,
            "again and again at its start with exit code 1, as where a snapshot needs more memory than maxmemory",
        ),
        (true, false) => (&KILLED, Severity::Warning, killed, "OOMKilled"),
    };
    let names: Vec<&str> = found.iter().map(|(node, _)| node.name()).collect();
    let mut finding = case
        .finding(
            &CHECK,
            situation,
            severity,
            format!("the engine of {} ended {what}", list(&names)),
        )
        .about(names.iter().copied());
    let mut since = None;
    for (node, end) in &found {
        since = since.max(end.at);
        finding = finding.resting_on(
            format!("ended {}, exit code {}", end.reason, end.exit),
            format!("last state of container dragonfly of pod {}", node.name()),
            node.view.pod.changed,
        );
    }
    match since {
        Some(at) => finding.since(Since::Exactly(at)).into(),
        None => finding.into(),
    }
}

/// A server of that version does not start under that operator at all (`versions-unfit`): no snapshot is to blame.
fn is_refused(case: &Case<'_>, node: &Node<'_>) -> bool {
    let image = node
        .container()
        .map_or("", |container| container.image.as_str());
    let server = image_tag(image).and_then(Version::parse);
    server.is_some_and(|server| server < Version(1, 20, 0)) && version(case) >= Version(1, 3, 0)
}

/// How its container ended last.
fn last_end<'a>(node: &Node<'a>) -> Option<&'a ContainerEnd> {
    let container = node.container()?;
    match &container.state {
        crate::domain::object::ContainerState::Ended(end) => Some(end),
        _ => container.last_end.as_ref(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::object::{ContainerState, Snapshot};

    #[test]
    fn how_an_engine_ended_is_told() {
        let with = |reason: &'static str, exit, restarts, waits: bool| {
            move |f: &mut _| {
                dragonfly(f, |d| d.snapshot = Some(Snapshot::default()));
                pods(f, |ordinal, pod| {
                    for container in pod.containers.iter_mut().filter(|_| ordinal == 1) {
                        container.last_end = Some(ContainerEnd {
                            reason: reason.to_owned(),
                            exit,
                            at: None,
                        });
                        container.restarts = restarts;
                        if waits {
                            container.state = ContainerState::Waiting {
                                reason: "CrashLoopBackOff".to_owned(),
                                message: String::new(),
                            };
                        }
                    }
                });
            }
        };
        table(
            &CHECK,
            &[
                ("never ended", &|_| {}, "pass"),
                (
                    "killed",
                    &with("OOMKilled", 137, 1, false),
                    "warning healthy: the engine of orders-1 ended OOMKilled",
                ),
                (
                    "cannot load",
                    &with("Error", 1, 4, true),
                    "critical critical: the engine of orders-1 ended again and again at its start with exit code 1, as where a snapshot needs more memory than maxmemory",
                ),
                (
                    "too little for its threads",
                    &|f| {
                        with("Error", 1, 4, true)(f);
                        dragonfly(f, |d| {
                            d.args = ["--maxmemory=512mb", "--proactor_threads=4"]
                                .map(str::to_owned)
                                .to_vec();
                        });
                    },
                    "pass",
                ),
                ("ended once", &with("Error", 1, 1, true), "pass"),
                ("ended well", &with("Completed", 0, 1, false), "pass"),
            ],
        );
    }
}
