//! A folder of YAML, such as a Git checkout, judged as a world: it is what the files say and no more. What only a cluster can
//! tell is not asked; what is not in the files is unread, so that nothing is missing for not being there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::baseline::Baseline;
use super::template;
use super::{About, CheckArgs, Place, Report, Row};
use crate::checks::{ACCEPTANCE, Area, Criterion, Entry, Limits, Severity, Verdict, roll};
use crate::cli::report::{Evidence, Finding, Overall};
use crate::domain::object::Unfilled;
use crate::domain::want::{Fetched, Foreign, How, Want};
use crate::domain::{ContextId, Fact, Kind, Link, Object, Scope, World, text};
use crate::wire::{self, Document};

/// Most bytes of a file that is read: what is larger is no manifest.
const LARGEST: u64 = 8 << 20;
/// Most files and folders that are looked at.
const MOST: usize = 50_000;
/// The check that a literal `${NAME}` is found by, whatever object it stands in.
const UNFILLED: &str = "value-unfilled";

/// What a folder holds.
pub(super) struct Folder {
    /// What its world's only context is called.
    context: ContextId,
    objects: Vec<Found>,
    /// What could not be read, with file, line and column.
    problems: Vec<String>,
    /// The only namespaces that are asked for; empty for all.
    namespaces: Vec<String>,
}

/// An object in a file.
struct Found {
    file: Arc<str>,
    /// The line on which its document begins, from 1.
    line: usize,
    lines: Vec<String>,
    kind: String,
    namespace: String,
    name: String,
    value: Value,
}

/// What was judged of it.
pub(super) struct Judged {
    /// Answers of the acceptance checks; what only a cluster can tell does not apply.
    pub roll: Vec<Entry>,
}

/// Checks of what controllers write: files never have it.
const OF_CONTROLLERS: &[&str] = &["external-secret-late", "flux-not-ready"];

impl Folder {
    /// Reads every `.yaml` and `.yml` below a folder, but for what is hidden and for what is in other namespaces than these; none
    /// means all.
    pub fn read(folder: &Path, namespaces: &[String]) -> Self {
        let name = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let name = name
            .file_name()
            .map_or("files".into(), |n| n.to_string_lossy());
        let mut read = Self {
            context: ContextId::new(text::one_line(&name)),
            objects: Vec::new(),
            problems: Vec::new(),
            namespaces: namespaces.to_vec(),
        };
        let mut open = vec![folder.to_owned()];
        let mut files = Vec::new();
        let mut seen = 0;
        while let Some(at) = open.pop() {
            let entries = match std::fs::read_dir(&at) {
                Ok(entries) => entries,
                Err(error) => {
                    let problem = format!("{} cannot be read: {error}", at.display());
                    read.problems.push(problem);
                    continue;
                }
            };
            for entry in entries.flatten() {
                seen += 1;
                let (path, name) = (entry.path(), entry.file_name());
                let is_hidden = name.to_string_lossy().starts_with('.');
                // A link may lead out of the folder, or round.
                let Ok(kind) = entry.file_type() else {
                    continue;
                };
                if is_hidden || kind.is_symlink() || seen > MOST {
                    continue;
                }
                let ending = path.extension().and_then(|e| e.to_str());
                match kind.is_dir() {
                    true => open.push(path),
                    false if matches!(ending, Some("yaml" | "yml")) => files.push(path),
                    false => {}
                }
            }
        }
        if seen > MOST {
            let problem = format!("there are more than {MOST} files; the rest is not read");
            read.problems.push(problem);
        }
        files.sort();
        for path in files {
            let file = path.strip_prefix(folder).unwrap_or(&path);
            let file: Arc<str> = Arc::from(text::one_line(&file.display().to_string()));
            let size = path.metadata().map_or(0, |meta| meta.len());
            if size > LARGEST {
                let problem = format!("{file} is larger than {}", text::bytes(LARGEST));
                read.problems.push(problem);
                continue;
            }
            match std::fs::read_to_string(&path) {
                Ok(text) => read.take(&file, &text),
                Err(error) => read
                    .problems
                    .push(format!("{file} cannot be read: {error}")),
            }
        }
        if read.objects.is_empty() {
            let within = match namespaces {
                [] => String::new(),
                some => format!(" of namespace {}", some.join(" or ")),
            };
            let problem = format!(
                "nothing was judged: no .yaml and no .yml file below {} holds an object{within}",
                folder.display()
            );
            read.problems.push(problem);
        }
        read
    }

    fn take(&mut self, file: &Arc<str>, text: &str) {
        for Document { line, lines, value } in wire::documents(text) {
            match value {
                Ok(value) => self.put(file, line, &lines, value),
                Err(broken) => self.problems.push(format!(
                    "{file}:{}:{}: {}",
                    broken.line, broken.column, broken.problem
                )),
            }
        }
    }

    fn put(&mut self, file: &Arc<str>, line: usize, lines: &[String], value: Value) {
        let of = |pointer: &str| {
            let found = value.pointer(pointer).and_then(Value::as_str);
            found.map(text::one_line).unwrap_or_default()
        };
        let kind = of("/kind");
        if kind.ends_with("List") && value.get("items").is_some() {
            for item in value
                .get("items")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                self.put(file, line, lines, item.clone());
            }
            return;
        }
        // What is no object is something else's file: values of a chart, a pipeline.
        let name = of("/metadata/name");
        let version = of("/apiVersion");
        if kind.is_empty() || version.is_empty() {
            return;
        }
        if name.is_empty() {
            // Kustomize's own files have no names.
            let is_judged = is_judged(&kind, &value) && !version.starts_with("kustomize.config.");
            if is_judged {
                self.problems.push(format!(
                    "{file}:{line}: this {kind} has no metadata.name: no cluster would take it, and it is not judged"
                ));
            }
            return;
        }
        let found = Found {
            file: file.clone(),
            line,
            lines: lines.to_vec(),
            namespace: of("/metadata/namespace"),
            kind,
            name,
            value,
        };
        // What is of no namespace may matter to any.
        let is_asked = self.namespaces.is_empty()
            || !found.is_namespaced()
            || self.namespaces.iter().any(|one| one == found.place());
        if is_asked {
            self.objects.push(found);
        }
    }

    /// What could not be read.
    pub fn problems(&self) -> Vec<String> {
        self.problems.clone()
    }

    /// Asks the acceptance checks of the world that the files describe.
    pub fn judge(&self, limits: &Limits, now: Timestamp) -> Judged {
        let world = self.world(now);
        let mut roll = roll(&world, limits, now);
        roll.retain(|entry| ACCEPTANCE.iter().any(|check| check.id == entry.check.id));
        roll.retain(|entry| entry.check.id != UNFILLED);
        for entry in &mut roll {
            // It needs what is not in the files, or what a controller writes into objects once they are in a cluster.
            let is_written_later = OF_CONTROLLERS.contains(&entry.check.id);
            if is_written_later || matches!(entry.verdict, Verdict::Unknown(_)) {
                entry.verdict = Verdict::NotApplicable;
            }
        }
        Judged { roll }
    }

    fn world(&self, now: Timestamp) -> World {
        let mut world = World::default();
        let context = self.context.clone();
        let mut tell = |fact| {
            world.apply(fact, now);
        };
        tell(Fact::Opened {
            context: context.clone(),
            namespaces: Vec::new(),
        });
        tell(Fact::Linked {
            context: context.clone(),
            link: Link::Live {
                rtt: std::time::Duration::ZERO,
            },
        });
        let mut watched: BTreeMap<Kind, Vec<Object>> = BTreeMap::new();
        let mut wanted: BTreeMap<Want, Vec<_>> = BTreeMap::new();
        for found in &self.objects {
            let mut value = found.value.clone();
            if let (Some(Value::Object(meta)), true) =
                (value.get_mut("metadata"), found.namespace.is_empty())
                && found.is_namespaced()
            {
                meta.insert("namespace".to_owned(), Value::from("default"));
            }
            if found.kind == "Dragonfly" {
                let pods = template::pods(&value);
                let pods = pods
                    .iter()
                    .filter_map(|pod| wire::decode(Kind::Pod, pod).ok());
                watched.entry(Kind::Pod).or_default().extend(pods);
            }
            for kind in watched_as(&found.kind, &value) {
                if let Ok(object) = wire::decode(kind, &value) {
                    watched.entry(kind).or_default().push(object);
                }
            }
            let kinds = Foreign::ALL
                .iter()
                .filter(|what| format!("{what:?}").eq_ignore_ascii_case(&found.kind));
            for what in kinds {
                let how = what.doc().reading;
                let Some(object) = wire::foreign(*what, &value) else {
                    continue;
                };
                let near = Scope::Namespace(object.meta.namespace.clone());
                let scope = match (how, how.is_whole()) {
                    (How::Only(namespace, name), _)
                        if *object.meta.namespace != *namespace || *object.meta.name != *name =>
                    {
                        continue;
                    }
                    (_, true) => Scope::Cluster,
                    (_, false) => near,
                };
                let want = Want::Objects {
                    context: context.clone(),
                    what: *what,
                    scope,
                };
                wanted.entry(want).or_default().push(object);
            }
        }
        for (kind, objects) in watched {
            tell(Fact::Listed {
                context: context.clone(),
                kind,
                scope: Scope::Cluster,
                objects,
            });
        }
        for (want, objects) in wanted {
            let answer = Ok(Fetched::Objects {
                objects: objects.into(),
                more: false,
            });
            tell(Fact::Fetched { want, answer });
        }
        world
    }

    /// Where an answer's object stands, and in it the field that the answer rests on.
    pub fn place(&self, row: &Row) -> Option<Place> {
        let finding = row.finding.as_ref()?;
        let named = finding.evidence.iter().find_map(|fact| {
            let found = self
                .objects
                .iter()
                .find(|one| one.is_named_in(&fact.source));
            found.map(|found| (found, fact.text.as_str()))
        });
        let (found, about) = match named {
            Some(found) => found,
            None => {
                let (namespace, name) =
                    (row.subject.namespace.as_ref()?, row.subject.name.as_ref()?);
                let found = self.objects.iter().find(|one| {
                    one.kind == "Dragonfly" && one.place() == *namespace && one.name == *name
                })?;
                let fact = finding.evidence.first();
                let told = fact.map_or(finding.sentence.as_str(), |fact| &fact.text);
                (found, template::field_of(row.check).unwrap_or(told))
            }
        };
        Some(found.at(about))
    }

    /// Adds what is left unfilled in any object, but for what a Flux Kustomization of these files fills.
    pub fn add_unfilled(&self, report: &mut Report, args: &CheckArgs, baseline: &mut Baseline) {
        let Some(check) = ACCEPTANCE.iter().find(|check| check.id == UNFILLED) else {
            return;
        };
        if !args.areas.is_empty() && !args.areas.contains(&check.area) {
            return;
        }
        let (filled, by_others) = self.filled();
        for found in &self.objects {
            let mut left: Vec<Unfilled> = Vec::new();
            walk(&found.value, "", &mut left);
            for one in left {
                let words: Vec<&str> = one
                    .words
                    .split(' ')
                    .filter(|word| !filled.contains(word.trim_matches(['$', '{', '}'])))
                    .collect();
                if words.is_empty() {
                    continue;
                }
                let severity = if by_others {
                    Severity::Note
                } else {
                    Severity::Warning
                };
                let subject = About {
                    kind: "object",
                    context: format!("{} {}/{}", found.kind, found.place(), found.name),
                    namespace: None,
                    name: None,
                };
                let accepted = baseline.accepts(
                    check.id,
                    check.situations.first().map_or("", |one| one.id),
                    &subject,
                );
                let answer = if accepted.is_some() {
                    "accepted"
                } else {
                    "finding"
                };
                if accepted.is_none() && severity >= args.fail_on {
                    report.verdict = Overall::Findings;
                }
                let criterion = Criterion::of(check.area).word();
                for group in report.areas.iter_mut().chain(&mut report.criteria) {
                    if group.area == check.area.word() || group.area == criterion {
                        group.count(answer);
                    }
                }
                let told = match by_others {
                    true => {
                        "a Kustomization of these files fills in more (substituteFrom) than they tell"
                    }
                    false => "no Kustomization of these files fills it in (postBuild.substitute)",
                };
                report.answers.push(Row {
                    check: check.id,
                    area: check.area.word(),
                    criterion,
                    title: check.title,
                    subject,
                    answer,
                    accepted,
                    manifest: None,
                    place: Some(found.at(&one.place)),
                    finding: Some(Finding {
                        check: check.id,
                        situation: check.situations.first().map_or("", |one| one.id),
                        severity: severity.word(),
                        sentence: format!("{} is left in {}: {told}", words.join(" "), one.place),
                        meaning: String::new(),
                        next: "Give it a value, or write $${NAME} where it is meant as it stands."
                            .to_owned(),
                        since: report.at,
                        since_is_exact: false,
                        evidence: vec![Evidence {
                            text: format!("{} holds {}", one.place, words.join(" ")),
                            source: format!("{} {}", found.kind, found.name),
                            at: report.at,
                        }],
                    }),
                });
            }
        }
        let place = |area: &str| {
            Area::ALL
                .iter()
                .take_while(|one| one.word() != area)
                .count()
        };
        report.answers.sort_by_key(|row| {
            if args.profile.is_some() {
                0
            } else {
                place(row.area)
            }
        });
    }

    /// The names that Kustomizations of these files fill in, and whether some fill in what is not in the files.
    fn filled(&self) -> (BTreeSet<String>, bool) {
        let mut names = BTreeSet::new();
        let mut by_others = false;
        for found in self
            .objects
            .iter()
            .filter(|one| one.kind == "Kustomization")
        {
            let post = found.value.pointer("/spec/postBuild");
            let own = post.and_then(|post| post.get("substitute"));
            names.extend(
                own.and_then(Value::as_object)
                    .into_iter()
                    .flat_map(|o| o.keys().cloned()),
            );
            let from = post.and_then(|post| post.get("substituteFrom"));
            by_others |= from
                .and_then(Value::as_array)
                .is_some_and(|from| !from.is_empty());
        }
        (names, by_others)
    }
}

impl Found {
    fn place(&self) -> &str {
        match self.namespace.as_str() {
            "" if self.is_namespaced() => "default",
            namespace => namespace,
        }
    }

    fn is_namespaced(&self) -> bool {
        ![
            "Namespace",
            "CustomResourceDefinition",
            "StorageClass",
            "ClusterRole",
            "ClusterRoleBinding",
            "ClusterSecretStore",
            "CiliumClusterwideNetworkPolicy",
        ]
        .contains(&self.kind.as_str())
    }

    /// Whether a source such as `Dragonfly shop/orders` names it.
    fn is_named_in(&self, source: &str) -> bool {
        let short = format!("{} {}", self.kind, self.name);
        let long = format!("{} {}/{}", self.kind, self.place(), self.name);
        [short, long].iter().any(|name| {
            source.match_indices(name.as_str()).any(|(at, _)| {
                let after = source
                    .get(at + name.len()..)
                    .and_then(|rest| rest.chars().next());
                after.is_none_or(|c| !(c.is_alphanumeric() || matches!(c, '-' | '.' | '/')))
            })
        })
    }

    /// The line of the field whose path the text begins with or names, as `spec.args`; else that of the object.
    fn at(&self, text: &str) -> Place {
        let words = text.split([' ', ':', ',']);
        let path = words
            .map(|word| word.split('[').next().unwrap_or(word))
            .find(|word| word.starts_with("spec.") || word.starts_with("metadata."));
        let line = path.and_then(|path| self.line_of(path));
        Place {
            file: self.file.to_string(),
            line: line.unwrap_or(self.line),
        }
    }

    fn line_of(&self, path: &str) -> Option<usize> {
        let (mut from, mut deeper, mut found) = (0, 0, None);
        for key in path.split('.') {
            let at = self
                .lines
                .iter()
                .enumerate()
                .skip(from)
                .position(|(_, line)| {
                    let bare = line.trim_start();
                    let indent = line.len() - bare.len();
                    let rest = bare.strip_prefix(key);
                    indent >= deeper && rest.is_some_and(|rest| rest.trim_start().starts_with(':'))
                });
            let Some(at) = at else { break };
            let line = from + at;
            let text = self.lines.get(line).map_or("", String::as_str);
            deeper = text.len() - text.trim_start().len() + 1;
            from = line + 1;
            found = Some(self.line + line);
        }
        found
    }
}

/// Whether such an object would be judged, had it a name.
fn is_judged(kind: &str, value: &Value) -> bool {
    let mut foreign = Foreign::ALL.iter();
    !watched_as(kind, value).is_empty()
        || foreign.any(|what| format!("{what:?}").eq_ignore_ascii_case(kind))
}

/// The watched kinds that such an object is one of.
fn watched_as(kind: &str, value: &Value) -> Vec<Kind> {
    let label = |name: &str| {
        let labels = value.pointer("/metadata/labels");
        labels
            .and_then(|labels| labels.get(name))
            .and_then(Value::as_str)
    };
    let is_owned = label("app.kubernetes.io/name") == Some("dragonfly");
    match kind {
        "CustomResourceDefinition" => {
            let is_ours =
                value.pointer("/spec/group").and_then(Value::as_str) == Some("dragonflydb.io");
            if is_ours { vec![Kind::Crd] } else { Vec::new() }
        }
        "Dragonfly" => vec![Kind::Dragonfly],
        "PodDisruptionBudget" => vec![Kind::Pdb],
        "NetworkPolicy" => vec![Kind::NetworkPolicy],
        "Service" if is_owned => vec![Kind::Service],
        "Deployment" => match label("app.kubernetes.io/name") {
            Some("dragonfly-operator" | "deployment") => vec![Kind::OperatorDeployment],
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// Every text of an object that holds a `${NAME}`, by its place.
fn walk(value: &Value, place: &str, found: &mut Vec<Unfilled>) {
    match value {
        Value::String(text) => found.extend(Unfilled::of(place, text)),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                walk(item, &format!("{place}[{at}]"), found);
            }
        }
        Value::Object(fields) => {
            for (key, inner) in fields {
                // A shell's own variables look the same.
                if key == "command" || (key == "args" && !place.ends_with("spec")) {
                    continue;
                }
                let key = text::one_line(key);
                let at = match place {
                    "" => key,
                    place => format!("{place}.{key}"),
                };
                walk(inner, &at, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    const DRAGONFLY: &str = "# ours\n---\napiVersion: dragonflydb.io/v1alpha1\nkind: Dragonfly\nmetadata:\n  name: orders\n  namespace: shop\nspec:\n  replicas: 1\n  image: df:latest\n  snapshot:\n    cron: ${CRON}\n";

    fn folder(files: &[(&str, &str)]) -> Folder {
        let mut read = Folder {
            context: ContextId::new("repo"),
            objects: Vec::new(),
            problems: Vec::new(),
            namespaces: Vec::new(),
        };
        for (file, text) in files {
            read.take(&Arc::from(*file), text);
        }
        read
    }

    fn found(read: &Folder) -> Vec<String> {
        let roll = read.judge(&Limits::default(), Timestamp::UNIX_EPOCH).roll;
        let found = roll
            .iter()
            .filter(|e| matches!(e.verdict, Verdict::Finding(_)));
        found.map(|entry| entry.check.id.to_owned()).collect()
    }

    #[test]
    fn only_what_the_files_say_is_found() {
        let read = folder(&[("db.yaml", DRAGONFLY)]);
        let all = found(&read);
        for id in ["few-replicas", "image-floating"] {
            assert!(all.iter().any(|one| one == id), "{id}: {all:?}");
        }
        // Nothing is missing for not being in the files.
        for id in [
            "budget-unfit",
            "operator-alone",
            "operator-unprotected",
            "pods-on-one-machine",
            "probes-missing",
            "claim-unfit",
        ] {
            assert!(!all.iter().any(|one| one == id), "{id}: {all:?}");
        }
        assert!(found(&folder(&[])).is_empty());
    }

    #[test]
    fn what_pods_would_show_is_judged_by_the_template_of_the_object() {
        let with = |spec: &str| {
            format!(
                "apiVersion: dragonflydb.io/v1alpha1\nkind: Dragonfly\nmetadata:\n  name: orders\n  namespace: shop\nspec:\n  replicas: 3\n{spec}"
            )
        };
        const LIMITED: &str =
            "  resources:\n    requests: {memory: 1Gi}\n    limits: {memory: 1Gi}\n";
        const HARD: &str = "  podSecurityContext: {runAsNonRoot: true, fsGroup: 999}\n  containerSecurityContext:\n    readOnlyRootFilesystem: true\n    allowPrivilegeEscalation: false\n    capabilities: {drop: [ALL]}\n";
        for (name, spec, wanted, unwanted) in [
            (
                "nothing is said",
                String::new(),
                "memory-limit-missing",
                "memory-limit-tight",
            ),
            ("nothing is hardened", String::new(), "security-lax", ""),
            (
                "a limit alone",
                "  resources: {limits: {memory: 1Gi}}\n".to_owned(),
                "security-lax",
                "requests-low",
            ),
            (
                "limits",
                LIMITED.to_owned(),
                "security-lax",
                "memory-limit-missing",
            ),
            (
                "hardened",
                HARD.to_owned(),
                "memory-limit-missing",
                "security-lax",
            ),
            (
                "its arguments fill it",
                format!("{LIMITED}  args: [--maxmemory=1gb]\n"),
                "memory-limit-tight",
                "memory-limit-missing",
            ),
        ] {
            let read = folder(&[("db.yaml", &with(&spec))]);
            let all = found(&read);
            assert!(all.iter().any(|one| one == wanted), "{name}: {all:?}");
            assert!(!all.iter().any(|one| one == unwanted), "{name}: {all:?}");
        }
    }

    #[test]
    fn what_has_no_name_and_what_is_elsewhere_is_told_or_left_out() {
        let nameless = "apiVersion: dragonflydb.io/v1alpha1\nkind: Dragonfly\nmetadata: {namespace: shop}\nspec: {}\n";
        let own =
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: []\n";
        let read = folder(&[
            ("db.yaml", &format!("{own}---\n{nameless}")),
            ("k.yaml", own),
        ]);
        assert_eq!(
            read.problems,
            [
                "db.yaml:5: this Dragonfly has no metadata.name: no cluster would take it, and it is not judged"
            ]
        );
        let mut near = Folder {
            namespaces: vec!["shop".to_owned()],
            ..folder(&[])
        };
        let other = DRAGONFLY.replace("namespace: shop", "namespace: other");
        for text in [DRAGONFLY, &other] {
            near.take(&Arc::from("db.yaml"), text);
        }
        let places: Vec<&str> = near.objects.iter().map(Found::place).collect();
        assert_eq!(places, ["shop"]);
    }

    #[test]
    fn a_field_is_found_by_its_line() {
        let read = folder(&[("db.yaml", DRAGONFLY)]);
        let object = &read.objects[0];
        for (text, line) in [
            ("spec.replicas is 1", 9),
            ("spec.snapshot.cron holds", 12),
            ("spec.args has none", 8),
            ("nothing", 3),
        ] {
            assert_eq!(object.at(text).line, line, "{text}");
        }
        assert!(object.is_named_in("Dragonfly shop/orders"));
        assert!(object.is_named_in("spec.args of Dragonfly orders"));
        assert!(!object.is_named_in("Dragonfly shop/orders-2"));
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place_and_the_rest_is_judged() {
        let broken = format!("a: 1\n---\nb: [1,\nc: }}\n{DRAGONFLY}");
        let read = folder(&[("x.yaml", &broken)]);
        assert_eq!(read.problems.len(), 1, "{:?}", read.problems);
        assert!(
            read.problems[0].starts_with("x.yaml:3:4:"),
            "{:?}",
            read.problems
        );
        assert_eq!(read.objects.len(), 1);
        assert_eq!(read.objects[0].line, 7);
    }

    #[test]
    fn what_a_kustomization_fills_in_is_not_left() {
        let fills = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: a, namespace: b}\nspec: {postBuild: {substitute: {CRON: x}}}\n";
        assert_eq!(
            folder(&[("k.yaml", fills)]).filled().0,
            ["CRON".to_owned()].into()
        );
        let mut left = Vec::new();
        walk(
            &folder(&[("db.yaml", DRAGONFLY)]).objects[0].value,
            "",
            &mut left,
        );
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].place, "spec.snapshot.cron");
    }
}
