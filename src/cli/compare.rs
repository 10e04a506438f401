//! `darner compare`: do the nodes of an instance hold the same data? Keys are sampled on the master, and a digest of each
//! value is compared on every node; values are never kept, printed or logged.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use super::args::CompareArgs;
use super::gather::Gathering;
use super::report::Overall;
use super::{USAGE, fleet};
use crate::domain::{Comparison, Fault, InstanceId, address, text};
use crate::observe::{Focus, inbox};
use crate::runtime::Supervisor;

/// Name and version of the format of `-o json`.
pub const VERSION: &str = "darner.compare/v1";

/// Runs the command; the result is the exit code: 0 the same data, 1 diverged, 2 could not be compared, 64 wrong usage.
///
/// # Errors
/// When standard output cannot be written.
pub async fn run(args: &CompareArgs, fleet: fleet::Fleet) -> color_eyre::Result<u8> {
    for problem in &fleet.problems {
        eprintln!("darner: {problem}");
    }
    let deadline = Instant::now() + args.timeout;
    let (outlet, inbox) = inbox();
    let mut supervisor = Supervisor::default();
    let (focus, watching) = tokio::sync::watch::channel(Focus::default());
    fleet.start(&mut supervisor, &outlet, &watching);
    let mut gathering = Gathering::new(inbox, fleet.limits.clone(), fleet.confines.clone());
    gathering
        .settle(args.timeout.min(Duration::from_secs(15)))
        .await;
    let id = match address::find(&gathering.world, &args.instance) {
        Ok(found) => match found.as_slice() {
            [one] => one.instance.clone(),
            several => {
                eprintln!(
                    "darner: {} means {} instances; write it as [CONTEXT/]NAMESPACE/NAME",
                    args.instance,
                    several.len()
                );
                return Ok(USAGE);
            }
        },
        Err(unfound) => {
            let Some(unread) = super::status::unread(&gathering.world) else {
                eprintln!("darner: {unfound}");
                return Ok(USAGE);
            };
            // It may well be there: what was not read cannot tell.
            eprintln!(
                "darner: whether there is an instance {} cannot be told: {unread} could not be read",
                args.instance
            );
            return Ok(Overall::Unjudged.code());
        }
    };
    focus.send_modify(|focus| focus.compare(id.clone(), args.keys));
    let outcome = loop {
        let known = gathering
            .world
            .context(&id.context)
            .and_then(|context| context.comparison(&id.namespace, &id.name));
        if let Some(known) = known {
            break known.value.clone();
        }
        if timeout_at(deadline, gathering.change()).await.is_err() {
            break Err(Fault::new(
                crate::domain::FaultKind::Timeout,
                format!(
                    "not done within {:?}; --timeout gives it more",
                    args.timeout
                ),
            ));
        }
    };
    supervisor.stop().await;
    tell(args, &id, &outcome, fleet.kubeconfig.as_deref())
}

fn tell(
    args: &CompareArgs,
    id: &InstanceId,
    outcome: &Result<Comparison, Fault>,
    by: Option<&Path>,
) -> color_eyre::Result<u8> {
    let verdict = match outcome {
        Ok(made) if made.is_diverged() => Overall::Findings,
        Ok(made) if made.is_complete() && made.sampled > 0 => Overall::Well,
        _ => Overall::Unjudged,
    };
    let out = if args.json() {
        serde_json::to_string_pretty(&report(id, outcome, verdict))? + "\n"
    } else {
        plain(id, outcome, by)
    };
    match std::io::stdout().lock().write_all(out.as_bytes()) {
        // Whoever reads has read enough (`| head`).
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    Ok(verdict.code())
}

fn plain(id: &InstanceId, outcome: &Result<Comparison, Fault>, by: Option<&Path>) -> String {
    let made = match outcome {
        Ok(made) => made,
        Err(fault) => {
            let mut out = format!("{id} could not be compared: {}\n", fault.message);
            if let Some(hint) = fault.hint_in(&id.context) {
                out.push_str(&format!("  {}\n", text::reached_by(&hint, by)));
            }
            return out;
        }
    };
    let mut out = format!("{id}: {}\n{}\n", made.answer(), made.sample_words());
    for node in &made.nodes {
        out.push_str(&format!("  {}\n", node.words()));
        if let (Some(theirs), Some(ours)) = (node.keys, made.keys)
            && theirs != ours
        {
            out.push_str(&format!(
                "    {} keys in all, the master has {}\n",
                text::count(theirs),
                text::count(ours)
            ));
        }
        if made.is_same_set(node) == Some(false) {
            out.push_str("    it follows another data set: its replid is not the master's\n");
        }
        if !node.names.is_empty() {
            out.push_str(&format!("    such as {}\n", node.names.join(", ")));
        }
    }
    out
}

#[derive(Debug, Serialize)]
struct Report {
    version: &'static str,
    at: Timestamp,
    context: String,
    instance: String,
    /// `well` (the same data), `findings` (diverged), `unjudged`.
    verdict: Overall,
    /// Why there was no comparison at all.
    fault: Option<String>,
    master: Option<String>,
    /// Keys that were asked for.
    asked: Option<usize>,
    sampled: usize,
    /// Every key of the database was taken: there are no others.
    every: bool,
    too_large: usize,
    keys: Option<u64>,
    nodes: Vec<OneNode>,
}

#[derive(Debug, Serialize)]
struct OneNode {
    name: String,
    equal: usize,
    different: usize,
    missing: usize,
    keys: Option<u64>,
    offset: Option<u64>,
    /// Its `master_replid` is the master's; `null` where it did not tell.
    same_replid: Option<bool>,
    /// Why it was not compared to the end.
    fault: Option<String>,
}

/// Names of keys are not in it: a report is a file, and names may tell much.
fn report(id: &InstanceId, outcome: &Result<Comparison, Fault>, verdict: Overall) -> Report {
    let made = outcome.as_ref().ok();
    Report {
        version: VERSION,
        at: Timestamp::now(),
        context: id.context.to_string(),
        instance: id.to_string(),
        verdict,
        fault: outcome.as_ref().err().map(|fault| fault.message.clone()),
        master: made.map(|m| m.master.to_string()),
        asked: made.map(|m| m.asked),
        sampled: made.map_or(0, |m| m.sampled),
        every: made.is_some_and(|m| m.every),
        too_large: made.map_or(0, |m| m.too_large),
        keys: made.and_then(|m| m.keys),
        nodes: made
            .map(|m| {
                m.nodes
                    .iter()
                    .map(|node| OneNode {
                        name: node.pod.to_string(),
                        equal: node.equal,
                        different: node.different,
                        missing: node.missing,
                        keys: node.keys,
                        offset: node.offset,
                        same_replid: m.is_same_set(node),
                        fault: node.fault.as_ref().map(|fault| fault.message.clone()),
                    })
                    .collect()
            })
            .unwrap_or_default(),
    }
}
