//! `darner status`: what the Fleet screen says, on standard output.

use std::io::Write;
use std::time::Duration;

use jiff::Timestamp;

use super::args::{Output, StatusArgs};
use super::gather::{Gathering, few};
use super::report::{Context, Finding, Instance, Overall, Report, report};
use super::{USAGE, elsewhere, fleet};
use crate::domain::World;
use crate::domain::world::ContextWorld;
use crate::domain::{Access, InstanceId, Kind};
use crate::domain::{address, text};
use crate::observe::inbox;
use crate::runtime::Supervisor;

/// Runs the command; the result is the exit code.
///
/// # Errors
/// When standard output cannot be written.
pub async fn run(args: &StatusArgs, fleet: fleet::Fleet) -> color_eyre::Result<u8> {
    for problem in &fleet.problems {
        eprintln!("darner: {problem}");
    }
    let (outlet, inbox) = inbox();
    let mut supervisor = Supervisor::default();
    // The sender stays, whether somebody looks at one instance or not: the receivers must not see an end.
    let (focus, watching) = tokio::sync::watch::channel(crate::observe::Focus::default());
    let fleet = fleet.once();
    fleet.start(&mut supervisor, &outlet, &watching);

    let gathering = Gathering::new(inbox, fleet.limits.clone(), fleet.confines.clone());
    let mut gathering = gathering.looking_once(&fleet);
    let looking = match args.instances.as_slice() {
        [one] => Some((&focus, one.as_str())),
        _ => None,
    };
    let patience = Duration::from_secs(args.timeout);
    gathering.settle_on(patience, looking).await;
    if let Some(code) = tell_empty(&gathering, &fleet).await {
        return Ok(code);
    }
    let mut wanted: Vec<InstanceId> = Vec::new();
    for address in &args.instances {
        match address::find(&gathering.world, address) {
            Ok(found) => wanted.extend(found.into_iter().map(|place| place.instance)),
            Err(sentence) => {
                let Some(unread) = unread(&gathering.world) else {
                    eprintln!("darner: {sentence}");
                    return Ok(USAGE);
                };
                // It may well be there: what was not read cannot tell.
                eprintln!(
                    "darner: whether there is an instance or a pod {address} cannot be told: {unread} could not be read"
                );
                return Ok(Overall::Unjudged.code());
            }
        }
    }
    let make = |gathering: &Gathering| {
        report(
            &gathering.world,
            &gathering.board,
            &gathering.limits,
            gathering.unanswered(),
            Timestamp::now(),
            &fleet.asked,
            |id| wanted.is_empty() || wanted.contains(id),
        )
        .reached_by(fleet.kubeconfig.as_deref())
    };
    let mut shown = make(&gathering);
    let read = print(&shown, args.output, args.watch, true)?;
    if args.watch && read {
        tokio::select! {
            printed = watch(&mut gathering, &mut shown, &make, args.output) => printed?,
            _ = tokio::signal::ctrl_c() => {}
        }
    }
    supervisor.stop().await;
    Ok(shown.verdict.code())
}

/// Whether every instance of a context would be known: all were listed, or there is no CRD and so there can be none.
pub(super) fn is_read(context: &ContextWorld) -> bool {
    let mut sources = context
        .sources
        .iter()
        .filter(|((kind, _), _)| *kind == Kind::Dragonfly)
        .peekable();
    context.is_live()
        && sources.peek().is_some()
        && sources
            .any(|(_, source)| source.listed.is_some() || source.access == Some(Access::Absent))
}

/// The same, and what was listed is all that there is: not some namespaces of those that stand in for the whole cluster.
fn is_wholly_read(context: &ContextWorld) -> bool {
    let mut sources = context.sources.iter();
    let is_absent = sources.any(|((kind, _), source)| {
        *kind == Kind::Dragonfly && source.access == Some(Access::Absent)
    });
    context.is_live() && (is_absent || context.has_listed(Kind::Dragonfly))
}

/// The contexts of which it is not known what is in them, each with the reason where there is one:
/// `infra (connection refused), apps`; `None` when there is none.
pub(super) fn unread(world: &World) -> Option<String> {
    let unread: Vec<String> = world
        .contexts()
        .filter(|context| !is_wholly_read(context))
        .map(|context| match context.link.fault() {
            Some(fault) => format!("{} ({})", context.id, fault.message),
            None => context.id.to_string(),
        })
        .collect();
    (!unread.is_empty()).then(|| text::one_line(&unread.join(", ")))
}

/// Prints again whenever something that is said has changed, until nobody reads it any more.
async fn watch(
    gathering: &mut Gathering,
    shown: &mut Report,
    make: &impl Fn(&Gathering) -> Report,
    output: Output,
) -> color_eyre::Result<()> {
    loop {
        gathering.change().await;
        let next = make(gathering);
        if !says_the_same(shown, &next) {
            *shown = next;
            if !print(shown, output, true, false)? {
                return Ok(());
            }
        }
    }
}

/// Ages and times alone are no change.
fn says_the_same(a: &Report, b: &Report) -> bool {
    let bare = |report: &Report| {
        let rows: Vec<String> = report.instances.iter().map(|i| row(i).join(" ")).collect();
        let findings: Vec<String> = all_findings(report)
            .into_iter()
            .map(|(who, finding)| format!("{who} {}", finding.sentence))
            .collect();
        let contexts: Vec<(String, &str)> = report
            .contexts
            .iter()
            .map(|c| (c.name.clone(), c.state))
            .collect();
        (rows, findings, contexts)
    };
    bare(a) == bare(b)
}

/// Prints it; tells whether somebody still reads.
fn print(
    report: &Report,
    output: Output,
    watching: bool,
    is_first: bool,
) -> color_eyre::Result<bool> {
    let text = match output {
        Output::Table | Output::Wide => {
            let table = table(report, output == Output::Wide);
            match watching {
                true => block(report, &table, is_first),
                false => table,
            }
        }
        // One document a line while watching, so that a program can read line by line.
        Output::Json if watching => serde_json::to_string(report)? + "\n",
        Output::Json => serde_json::to_string_pretty(report)? + "\n",
        Output::Yaml => format!(
            "{}{}",
            if watching { "---\n" } else { "" },
            serde_saphyr::to_string(report)?
        ),
        Output::Markdown => markdown(report),
    };
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever reads has read enough (`| head`).
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error.into()),
        Ok(()) => Ok(true),
    }
}

/// One of several tables, told apart by an empty line and the time at which it was true.
fn block(report: &Report, table: &str, is_first: bool) -> String {
    let gap = if is_first { "" } else { "\n" };
    let at = report.at.strftime("%Y-%m-%d %H:%M:%S UTC");
    format!("{gap}{at}\n{table}")
}

/// Says which of the namespaces that were asked for hold no instance. The exit code, when one does not exist at all: that
/// is a wrong address, as the name of an instance that does not exist is.
async fn tell_empty(gathering: &Gathering, fleet: &fleet::Fleet) -> Option<u8> {
    let mut contexts = gathering.world.contexts();
    if !contexts.all(is_read) {
        // It may well hold one: what was not read cannot tell, and the report says so.
        return None;
    }
    let mut code = None;
    for name in &fleet.asked {
        let mut instances = gathering.world.instances();
        if instances.any(|id| *id.namespace == **name) {
            continue;
        }
        let namespace = elsewhere::about(name, &fleet.plans).await;
        eprintln!("darner: {}", text::one_line(&namespace.sentence()));
        if namespace.is_absent {
            code = Some(USAGE);
        }
    }
    code
}

const HEADS: [&str; 11] = [
    "STATE", "CONTEXT", "INSTANCE", "MASTER", "NODES", "SYNC", "LAG", "MEM", "KEYS", "OPS/s",
    "VERSION",
];

fn row(instance: &Instance) -> [String; 11] {
    let unknown = || "?".to_owned();
    let master = match instance.master_is {
        "one" => instance.master.clone().unwrap_or_else(unknown),
        "labelled" => format!("{} (by label)", instance.master.as_deref().unwrap_or("?")),
        "none" => "none".to_owned(),
        "contested" => instance.contested.join(","),
        _ => unknown(),
    };
    let wanted = instance.wanted.map_or_else(unknown, |n| n.to_string());
    [
        instance.state_words.clone(),
        instance.context.clone(),
        format!("{}/{}", instance.namespace, instance.name),
        master,
        format!("{}/{wanted}", instance.ready),
        match instance.in_sync {
            Some(in_sync) => format!("{in_sync} of {}", instance.replicas),
            None => format!("? of {}", instance.replicas),
        },
        instance.lag_records.map_or_else(unknown, text::count),
        memory(instance),
        instance.keys.map_or_else(unknown, text::count),
        instance.ops_per_second.map_or_else(unknown, text::count),
        if instance.versions.is_empty() {
            unknown()
        } else {
            instance.versions.join(",")
        },
    ]
}

fn memory(instance: &Instance) -> String {
    match (instance.memory_used, instance.memory_max) {
        (Some(used), Some(max)) if max > 0 => {
            format!(
                "{}% {}",
                (used as f64 / max as f64 * 100.0).round(),
                text::bytes(used)
            )
        }
        (Some(used), _) => text::bytes(used),
        _ => "?".to_owned(),
    }
}

fn table(report: &Report, wide: bool) -> String {
    let mut out = String::new();
    for context in &report.contexts {
        out.push_str(&context_line(context, report.at));
        out.push('\n');
    }
    let shown = if wide { HEADS.len() } else { HEADS.len() - 3 };
    let mut rows = vec![HEADS.map(str::to_owned)];
    rows.extend(report.instances.iter().map(row));
    if report.instances.is_empty() {
        out.push_str(&format!("\n{}\n", without_instances(report)));
    } else {
        out.push('\n');
        out.push_str(&aligned(
            &rows
                .iter()
                .map(|r| r.iter().take(shown).cloned().collect())
                .collect::<Vec<_>>(),
            0,
        ));
    }
    if wide {
        for instance in &report.instances {
            out.push_str(&nodes_of(instance, report.at));
        }
    }
    let findings = all_findings(report);
    if !findings.is_empty() {
        out.push('\n');
    }
    for (who, finding) in findings {
        let since = text::age(finding.since, report.at);
        let since = if finding.since_is_exact {
            format!("since {since}")
        } else {
            format!("seen for {since}")
        };
        out.push_str(&format!(
            "{:<8} {who}: {}, {since}\n",
            finding.severity, finding.sentence
        ));
    }
    if !report.complete {
        out.push_str(&format!("\n{}\n", incomplete(&report.unanswered)));
    }
    out
}

/// That something has not answered, what, and what that means.
pub(super) fn incomplete(unanswered: &[String]) -> String {
    format!(
        "not answered before the deadline: {}; what is missing is unknown, not well",
        few(unanswered, " and ")
    )
}

/// What an empty table means, which is not always that there is nothing.
fn without_instances(report: &Report) -> String {
    let unread: Vec<&str> = report
        .contexts
        .iter()
        .filter(|c| !c.instances_known)
        .map(|c| c.name.as_str())
        .collect();
    if unread.is_empty() {
        match report.empty_namespaces.as_slice() {
            [] => "no Dragonfly instance was found".to_owned(),
            names => format!(
                "no Dragonfly instance was found in {} {}",
                if names.len() == 1 {
                    "namespace"
                } else {
                    "namespaces"
                },
                names.join(", ")
            ),
        }
    } else {
        format!(
            "no instance is known: those of {} could not be read, or only in some namespaces",
            unread.join(", ")
        )
    }
}

fn context_line(context: &Context, now: Timestamp) -> String {
    // `login-needed` is for programs.
    let state = context.state.replace('-', " ");
    let mut line = format!("{}: {state}", context.name);
    if let Some(rtt) = context.rtt_ms {
        line.push_str(&format!(" {rtt} ms"));
    } else {
        line.push_str(&format!(" {}", text::age(context.since, now)));
    }
    if let Some(twin) = &context.same_as {
        line.push_str(&format!(", the same cluster as {twin}, listed there"));
    }
    if context.crd_absent {
        line.push_str(", no CRD, so there can be no instance");
    }
    if let Some(operator) = &context.operator {
        let version = operator.version.as_deref().unwrap_or("of unknown version");
        line.push_str(&format!(
            ", operator {version} {}/{}",
            operator.ready, operator.wanted
        ));
    }
    if !context.reasons.is_empty() {
        line.push_str(&format!("; {}", context.reasons.join("; ")));
    }
    if let Some(hint) = &context.hint {
        line.push_str(&format!("; {hint}"));
    }
    line
}

fn nodes_of(instance: &Instance, now: Timestamp) -> String {
    let mut rows: Vec<Vec<String>> = vec![
        [
            "NODE", "LABEL", "ENGINE", "SERVICE", "READY", "LINK", "OFFSET", "VERSION", "RESTARTS",
            "HEARD",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    for node in &instance.nodes {
        let heard = match (&node.silent, node.heard) {
            (Some(why), Some(at)) => format!("{} ago, now silent: {why}", text::age(at, now)),
            (Some(why), None) => format!("never: {why}"),
            (None, Some(at)) => format!("{} ago", text::age(at, now)),
            (None, None) => "never".to_owned(),
        };
        rows.push(vec![
            node.name.clone(),
            node.label_role.unwrap_or("-").to_owned(),
            node.engine_role.unwrap_or("?").to_owned(),
            if node.endpoint { "sends" } else { "-" }.to_owned(),
            if node.ready { "yes" } else { "no" }.to_owned(),
            node.link.unwrap_or("-").to_owned(),
            node.offset
                .map_or_else(|| "-".to_owned(), |n| n.to_string()),
            node.version.clone().unwrap_or_else(|| "?".to_owned()),
            node.restarts.to_string(),
            heard,
        ]);
    }
    format!(
        "\n{}/{} in {}\n{}",
        instance.namespace,
        instance.name,
        instance.context,
        aligned(&rows, 2)
    )
}

/// Every finding, the worst first and then the oldest.
fn all_findings(report: &Report) -> Vec<(String, &Finding)> {
    let of_contexts = report
        .contexts
        .iter()
        .flat_map(|c| c.findings.iter().map(move |f| (c.name.clone(), f)));
    let of_instances = report.instances.iter().flat_map(|i| {
        i.findings
            .iter()
            .map(move |f| (format!("{}/{}", i.namespace, i.name), f))
    });
    let mut all: Vec<_> = of_contexts.chain(of_instances).collect();
    let rank = |severity: &str| {
        ["critical", "warning", "unknown", "note"]
            .iter()
            .position(|s| *s == severity)
    };
    all.sort_by_key(|(_, finding)| (rank(finding.severity), finding.since));
    all
}

/// Rows with their columns under each other, two spaces apart.
fn aligned(rows: &[Vec<String>], indent: usize) -> String {
    use unicode_width::UnicodeWidthStr;
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|i| {
            rows.iter()
                .filter_map(|row| row.get(i))
                .map(|cell| cell.width())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut out = String::new();
    for row in rows {
        let mut line = " ".repeat(indent);
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width.saturating_sub(cell.width()) + 2));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn markdown(report: &Report) -> String {
    let escape = text::markdown;
    let mut out = format!(
        "# Dragonfly status, {}\n\n",
        report.at.strftime("%Y-%m-%d %H:%M:%S UTC")
    );
    for context in &report.contexts {
        out.push_str(&format!("- {}\n", context_line(context, report.at)));
    }
    if report.instances.is_empty() {
        out.push_str(&format!("\n{}.\n", without_instances(report)));
    } else {
        out.push_str(&format!(
            "\n| {} |\n|{}\n",
            HEADS.join(" | "),
            " --- |".repeat(HEADS.len())
        ));
        for instance in &report.instances {
            out.push_str(&format!(
                "| {} |\n",
                row(instance).map(|cell| escape(&cell)).join(" | ")
            ));
        }
    }
    let findings = all_findings(report);
    if !findings.is_empty() {
        out.push_str("\n## Findings\n\n");
    }
    for (who, finding) in findings {
        let words = if finding.since_is_exact {
            "since"
        } else {
            "seen since"
        };
        out.push_str(&format!(
            "- **{}** {who}: {}; {words} {}.",
            finding.severity,
            escape(&finding.sentence),
            finding.since.strftime("%H:%M:%S UTC")
        ));
        if !finding.meaning.is_empty() {
            out.push_str(&format!(" {}", escape(&finding.meaning)));
        }
        out.push('\n');
        for evidence in &finding.evidence {
            out.push_str(&format!(
                "  - {}: {}, {}\n",
                escape(&evidence.source),
                escape(&evidence.text),
                evidence.at.strftime("%H:%M:%S UTC")
            ));
        }
        out.push_str(&format!("  - next: {}\n", escape(&finding.next)));
    }
    if !report.complete {
        out.push_str(&format!("\n{}\n", escape(&incomplete(&report.unanswered))));
    }
    out
}
