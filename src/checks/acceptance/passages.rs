//! What the checks of policies share: the passage of a consumer, findings that rest on a simulation, and the manifests that open
//! what is closed.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::untold;
use crate::checks::reach::{self, ADMIN, DATA, Passage, scrapers};
use crate::checks::{Answer, Case, Check, Finding, Subject};
use crate::domain::reach::{End, Reach, Side, What};
use crate::domain::{Consumer, InstanceId, InstanceView, Want};

/// The consumer that a check is asked about, as the settings list it.
pub(super) fn wish<'a>(case: &Case<'a>) -> Option<&'a Consumer> {
    match case.subject {
        Subject::Consumer(id) => case.limits.expected.consumer(id),
        _ => None,
    }
}

/// What must be read to judge its passage to its instance.
pub(super) fn needs(case: &Case<'_>) -> Vec<Want> {
    wish(case).map_or_else(Vec::new, |wish| reach::needs_of_consumer(case.world, wish))
}

/// Its passage to its instance, or the answer where there is none to judge.
pub(super) fn passage<'a>(
    case: &Case<'a>,
    check: &Check,
    denied: bool,
) -> Result<(&'a Consumer, Passage, InstanceId), Box<Answer>> {
    let Some(wish) = wish(case).filter(|wish| wish.denied == denied) else {
        return Err(Box::new(Answer::NOT_APPLICABLE));
    };
    match reach::of_consumer(case.world, wish) {
        Some((passage, id)) => Ok((wish, passage, id)),
        None => {
            let sentence = format!(
                "{} uses {}, which no open context has",
                wish.id, wish.instance
            );
            Err(Box::new(untold(case, check, sentence)))
        }
    }
}

/// Whether something can be told of a connection: the answer of a check where it cannot.
pub(super) fn cannot_tell(case: &Case<'_>, check: &Check, what: &str, found: &Reach) -> Answer {
    let side = found.deciding();
    let sentence = format!("whether {what} cannot be told: {}", side.unsure.join("; "));
    match untold(case, check, sentence).verdict {
        crate::checks::Verdict::Unknown(finding) => resting(case, finding, found).into(),
        other => other.into(),
    }
}

/// The finding, resting on what both sides say.
pub(super) fn resting(case: &Case<'_>, mut finding: Finding, found: &Reach) -> Finding {
    for side in [&found.egress, &found.ingress] {
        if side.context.as_str().is_empty() {
            continue;
        }
        finding = resting_on(case, finding, side);
    }
    finding
}

/// The finding, resting on what one side says.
pub(super) fn resting_on(case: &Case<'_>, mut finding: Finding, side: &Side) -> Finding {
    let source = format!("policies of {}, simulated", side.context);
    finding = finding.resting_on(side.words(), source.clone(), case.now);
    for (rule, why) in &side.near {
        let text = format!("{rule} does not admit it: {why}");
        finding = finding.resting_on(text, source.clone(), case.now);
    }
    for note in &side.notes {
        finding = finding.resting_on(note.clone(), source.clone(), case.now);
    }
    finding
}

/// What is wrong with the common belief, where it is that a rule seems to admit the connection and does not: the first reason.
pub(super) fn belief(side: &Side) -> String {
    match side.near.first() {
        Some((rule, why)) => format!(" ({rule} does not: {why})"),
        None => String::new(),
    }
}

/// One peer of a manifest.
pub(super) struct Admitted<'a> {
    pub end: &'a End,
    /// Why it is there, as a comment.
    pub why: String,
    pub port: u16,
}

/// Which end a manifest's policy selects.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Ingress,
    Egress,
}

/// A policy that admits those peers and adds up with whatever there is: a plain one, or one of Cilium's where a peer is of another
/// cluster, which a plain one cannot name.
pub(super) fn manifest(name: &str, end: &End, way: Way, peers: &[Admitted<'_>]) -> String {
    let crosses = peers.iter().any(|peer| {
        peer.end.context != end.context && peer.end.what == What::Pod && peer.end.cluster.is_some()
    });
    let mut text = String::new();
    let context = &end.context;
    let _ = writeln!(
        text,
        "# For {context}: it only adds to what other policies admit."
    );
    match crosses {
        true => cilium(&mut text, name, end, way, peers),
        false => plain(&mut text, name, end, way, peers),
    }
    text
}

fn plain(text: &mut String, name: &str, end: &End, way: Way, peers: &[Admitted<'_>]) {
    let (types, list, from) = match way {
        Way::Ingress => ("Ingress", "ingress", "from"),
        Way::Egress => ("Egress", "egress", "to"),
    };
    let _ = write!(
        text,
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: {}\n  namespace: {}\nspec:\n  podSelector:",
        quoted(name),
        quoted(&end.namespace)
    );
    labels(text, &chosen(end), 4);
    let _ = write!(text, "  policyTypes: [{types}]\n  {list}:\n");
    for peer in peers {
        let _ = writeln!(text, "    # {}", peer.why);
        match peer.end.what {
            What::Pod => {
                let _ = write!(
                    text,
                    "    - {from}:\n        - namespaceSelector:\n            matchLabels:\n              kubernetes.io/metadata.name: {}\n          podSelector:",
                    quoted(&peer.end.namespace)
                );
                labels(text, &chosen(peer.end), 12);
            }
            What::Host | What::Outside => {
                let _ = writeln!(
                    text,
                    "    - {from}:\n        - ipBlock:\n            cidr: 0.0.0.0/0"
                );
            }
        }
        let _ = writeln!(text, "      ports:");
        ports(text, peer.port, 8);
    }
}

fn cilium(text: &mut String, name: &str, end: &End, way: Way, peers: &[Admitted<'_>]) {
    let (list, from) = match way {
        Way::Ingress => ("ingress", "fromEndpoints"),
        Way::Egress => ("egress", "toEndpoints"),
    };
    let _ = write!(
        text,
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata:\n  name: {}\n  namespace: {}\nspec:\n  endpointSelector:",
        quoted(name),
        quoted(&end.namespace)
    );
    labels(text, &chosen(end), 4);
    let _ = writeln!(text, "  {list}:");
    for peer in peers {
        let _ = writeln!(text, "    # {}", peer.why);
        let mut wanted: BTreeMap<String, String> = BTreeMap::new();
        wanted.insert(
            "k8s:io.kubernetes.pod.namespace".to_owned(),
            peer.end.namespace.to_string(),
        );
        if let Some(cluster) = &peer.end.cluster {
            // Without it a peer is of any cluster up to Cilium v1.18, and of this one alone from v1.19.
            wanted.insert(
                "k8s:io.cilium.k8s.policy.cluster".to_owned(),
                cluster.to_string(),
            );
        }
        for (key, value) in chosen(peer.end) {
            wanted.insert(format!("k8s:{key}"), value);
        }
        let _ = writeln!(text, "    - {from}:\n        - matchLabels:");
        for (key, value) in &wanted {
            let _ = writeln!(text, "            {}: {}", quoted(key), quoted(value));
        }
        let _ = writeln!(
            text,
            "      toPorts:\n        - ports:\n            - port: \"{}\"\n              protocol: {}",
            peer.port,
            protocol(peer.port)
        );
    }
}

fn protocol(port: u16) -> &'static str {
    if port == 53 { "UDP" } else { "TCP" }
}

fn ports(text: &mut String, port: u16, indent: usize) {
    let (pad, protocol) = (" ".repeat(indent), protocol(port));
    let _ = writeln!(text, "{pad}- protocol: {protocol}\n{pad}  port: {port}");
    if port == 53 {
        let _ = writeln!(text, "{pad}- protocol: TCP\n{pad}  port: {port}");
    }
}

fn labels(text: &mut String, labels: &BTreeMap<String, String>, indent: usize) {
    if labels.is_empty() {
        let _ = writeln!(text, " {{}}");
        return;
    }
    let pad = " ".repeat(indent);
    let _ = writeln!(text, "\n{pad}matchLabels:");
    for (key, value) in labels {
        let _ = writeln!(text, "{pad}  {}: {}", quoted(key), quoted(value));
    }
}

/// The labels that tell a workload's pods from others, and stay the same from pod to pod and from role to role.
fn chosen(end: &End) -> BTreeMap<String, String> {
    const PASSING: &[&str] = &[
        "role",
        "master-ip",
        "pod-template-hash",
        "controller-revision-hash",
        "statefulset.kubernetes.io/pod-name",
        "apps.kubernetes.io/pod-index",
    ];
    let own = end.labels.iter();
    own.filter(|(key, _)| !PASSING.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// As YAML and JSON both read it; a plain word stays one.
fn quoted(text: &str) -> String {
    let is_plain = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '/' | '_'))
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !matches!(
            text,
            "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
        );
    match is_plain {
        true => text.to_owned(),
        false => serde_json::Value::from(text).to_string(),
    }
}

/// The allow-list that an instance is to have where no policy selects it yet, so that it is the first to close it: consumers to
/// 6379, and whoever needs 9999. `at_home`: any pod of its own namespace to 6379 as well.
pub(super) fn allow_list(case: &Case<'_>, view: &InstanceView<'_>, at_home: bool) -> String {
    let end = reach::database(view);
    let mut ends: Vec<(End, String, u16)> = Vec::new();
    for wish in case.limits.expected.consumers_of(&view.id) {
        if let (false, Some(context)) = (wish.denied, reach::home(case.world, &wish.id.context)) {
            let why = format!("{}, in {}", wish.id, context.id);
            ends.push((reach::consumer(context, wish), why, wish.port));
        }
    }
    if at_home {
        let any = reach::pod(view.context, &view.id.namespace, []);
        ends.push((any, "pods of its own namespace".to_owned(), DATA));
    }
    let why = "replication between its nodes".to_owned();
    ends.push((end.clone(), why, ADMIN));
    if let Some((_, operator)) = reach::operators(view.context).into_iter().next() {
        ends.push((operator, "the operator".to_owned(), ADMIN));
    }
    for scraper in scrapers::found(view.context).unwrap_or_default() {
        ends.push((scraper.end, format!("the scraper {}", scraper.name), ADMIN));
    }
    let peers: Vec<Admitted<'_>> = ends
        .iter()
        .map(|(end, why, port)| Admitted {
            end,
            why: why.clone(),
            port: *port,
        })
        .collect();
    let name = format!("{}-allow", view.id.name);
    let text = manifest(&name, &end, Way::Ingress, &peers);
    format!(
        "# It is the first policy that selects these pods: whoever is not listed here is closed out from then on.\n{text}"
    )
}
