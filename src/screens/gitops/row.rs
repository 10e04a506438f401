//! What is known of one object that has its part in a delivery, worked out once and drawn often.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use crate::checks::external;
use crate::checks::flux::{self, Chain, Link, Ref, Standing};
use crate::checks::listed::{Untold, last_listed};
use crate::domain::object::{Condition, Dragonfly, Meta, Writer};
use crate::domain::want::ForeignObject;
use crate::domain::world::ContextWorld;
use crate::domain::{ContextId, Foreign, InstanceId, Want};
use crate::screens::parts::{Field, Measure, See, Sieved};
use crate::settings::{Glyph, Tone};

/// See the module.
#[derive(Debug)]
pub(super) struct LinkRow {
    pub context: ContextId,
    pub what: Foreign,
    pub namespace: String,
    pub object: String,
    /// Instances that come of it, or whose Secret it fills.
    pub instances: Vec<InstanceId>,
    /// The operator comes of it.
    pub of_operator: bool,
    pub sign: Glyph,
    pub tone: Tone,
    pub word: &'static str,
    pub revision: Option<String>,
    /// What it tried last, where that is another revision.
    pub tried: Option<String>,
    pub suspended: Option<Option<Writer>>,
    /// Whether a release puts back what others change.
    pub drift: Option<String>,
    /// Since when it stands as it does, by its cluster's clock.
    pub since: Option<Timestamp>,
    pub message: String,
    pub conditions: Vec<Condition>,
    /// More that is worth a sentence.
    pub remarks: Vec<String>,
    pub is_stale: bool,
    text: String,
}

impl LinkRow {
    /// Something is not as it should be.
    pub fn is_ill(&self) -> bool {
        matches!(self.sign, Glyph::Warning | Glyph::Broken)
    }

    /// The name by which a selection is kept.
    pub fn name(&self) -> String {
        format!("{} {}", self.context, self.called())
    }

    /// `HelmRelease flux-system/op`.
    pub fn called(&self) -> String {
        let kind = kind(self.what);
        match self.namespace.as_str() {
            "" => format!("{kind} {}", self.object),
            namespace => format!("{kind} {namespace}/{}", self.object),
        }
    }

    /// How kubectl is told of it.
    pub fn argument(&self) -> String {
        let doc = self.what.doc();
        let namespace = match self.namespace.as_str() {
            "" => String::new(),
            name => format!(" -n {name}"),
        };
        format!("{}.{}/{}{namespace}", doc.resource, doc.group, self.object)
    }

    /// What comes of it: `operator, 3 instances`.
    pub fn delivers(&self) -> String {
        let operator = self.of_operator.then(|| "operator".to_owned());
        let instances = match self.instances.as_slice() {
            [] => None,
            [only] => Some(only.to_string()),
            several => Some(format!("{} instances", several.len())),
        };
        let both: Vec<String> = operator.into_iter().chain(instances).collect();
        both.join(", ")
    }

    /// The row as the filter sees it.
    pub fn words(&self) -> impl Sieved + '_ {
        Words(&self.text)
    }
}

/// The kind as its objects spell it.
pub(super) fn kind(what: Foreign) -> &'static str {
    match what {
        Foreign::ExternalSecret => "ExternalSecret",
        Foreign::SecretStore => "SecretStore",
        Foreign::ClusterSecretStore => "ClusterSecretStore",
        other => flux::kind(other),
    }
}

/// Every instance of a context.
fn instances<'a>(see: &See<'a>, context: &ContextWorld) -> Vec<(InstanceId, &'a Dragonfly)> {
    let of_it = |id: &InstanceId| id.context == context.id;
    let all = see.world.instances().filter(of_it);
    all.filter_map(|id| {
        let held = see.world.instance(&id)?.dragonfly;
        Some((id, &*held.value))
    })
    .collect()
}

/// What must be read for the rows.
pub(super) fn wants(see: &See<'_>) -> BTreeSet<Want> {
    let mut wants = BTreeSet::new();
    for context in see
        .world
        .shown_contexts()
        .filter(|context| context.is_live())
    {
        let instances = instances(see, context);
        wants.extend(flux::wants(context, metas(context, &instances)));
        for (_, dragonfly) in &instances {
            wants.extend(external::wants(context, dragonfly));
        }
    }
    wants
}

/// The metadata of everything that may be delivered.
fn metas<'a>(
    context: &'a ContextWorld,
    instances: &[(InstanceId, &'a Dragonfly)],
) -> Vec<&'a Meta> {
    let operators = context.operators.iter().map(|held| &held.value.meta);
    let crds = context.crds.iter().map(|held| &held.value.meta);
    let instances = instances.iter().map(|(_, dragonfly)| &dragonfly.meta);
    operators.chain(crds).chain(instances).collect()
}

/// Every row of every shown context.
pub(super) fn rows(see: &See<'_>) -> Vec<LinkRow> {
    let mut rows = Vec::new();
    for context in see.world.shown_contexts() {
        let instances = instances(see, context);
        rows.extend(of_flux(see, context, &instances));
        rows.extend(of_secrets(see, context, &instances));
    }
    for row in &mut rows {
        let more = row.conditions.iter().map(|c| c.reason.as_str());
        let words: Vec<&str> = more.chain([row.word, row.message.as_str()]).collect();
        row.text = format!(
            "{} {} {} {}",
            row.context,
            row.called(),
            row.delivers(),
            words.join(" ")
        )
        .to_lowercase();
    }
    rows
}

/// What comes of each link: instances, and the operator.
#[derive(Debug, Default, Clone)]
struct Fruit {
    instances: BTreeSet<InstanceId>,
    operator: bool,
}

fn fruits(
    context: &ContextWorld,
    instances: &[(InstanceId, &Dragonfly)],
    chain: &Chain<'_>,
) -> BTreeMap<Ref, Fruit> {
    let mut fruits: BTreeMap<Ref, Fruit> = BTreeMap::new();
    let operators = context.operators.iter().map(|held| &held.value.meta);
    for owner in operators
        .chain(context.crds.iter().map(|held| &held.value.meta))
        .flat_map(flux::owners)
    {
        fruits.entry(owner).or_default().operator = true;
    }
    for (id, dragonfly) in instances {
        for owner in flux::owners(&dragonfly.meta) {
            let fruit = fruits.entry(owner).or_default();
            fruit.instances.insert(id.clone());
        }
    }
    // Links stand nearest first, so that one pass reaches their far end, but for owners that own each other.
    for _ in 0..2 {
        for link in &chain.links {
            let own = fruits.get(&link.who).cloned().unwrap_or_default();
            let further = flux::sources(&link.who, link.object)
                .into_iter()
                .chain(flux::owners(&link.object.meta));
            for one in further {
                let fruit = fruits.entry(one).or_default();
                fruit.operator |= own.operator;
                fruit.instances.extend(own.instances.iter().cloned());
            }
        }
    }
    fruits
}

fn of_flux(
    see: &See<'_>,
    context: &ContextWorld,
    instances: &[(InstanceId, &Dragonfly)],
) -> Vec<LinkRow> {
    let chain = Chain::of(context, metas(context, instances));
    let fruits = fruits(context, instances, &chain);
    let mut rows: Vec<LinkRow> = chain
        .links
        .iter()
        .map(|link| of_link(see, context, link))
        .collect();
    rows.extend(chain.absent.iter().map(|who| LinkRow {
        // A source that is named has to be there; an owner may be another cluster's.
        sign: match is_source(who.what) {
            true => Glyph::Warning,
            false => Glyph::Unknown,
        },
        word: "absent",
        message: match is_source(who.what) {
            true => "it is named as a source, and is not there".to_owned(),
            false => "a label names it, and it is not in this cluster: another cluster's Flux delivers it, or nobody".to_owned(),
        },
        ..blank(context, who.what, &who.namespace, &who.name)
    }));
    rows.extend(chain.unread.iter().map(|(who, why)| LinkRow {
        message: untold(why),
        ..blank(context, who.what, &who.namespace, &who.name)
    }));
    for row in &mut rows {
        let who = Ref {
            what: row.what,
            namespace: row.namespace.clone(),
            name: row.object.clone(),
        };
        let fruit = fruits.get(&who).cloned().unwrap_or_default();
        row.instances = fruit.instances.into_iter().collect();
        row.of_operator = fruit.operator;
    }
    let rank = |what: Foreign| flux::KINDS.iter().position(|kind| *kind == what);
    rows.sort_by(|a, b| {
        let key = |row: &LinkRow| (rank(row.what), row.namespace.clone(), row.object.clone());
        key(a).cmp(&key(b))
    });
    rows
}

/// What others take what they apply from.
fn is_source(what: Foreign) -> bool {
    !matches!(what, Foreign::HelmRelease | Foreign::Kustomization)
}

/// A row of which nothing is known.
fn blank(context: &ContextWorld, what: Foreign, namespace: &str, name: &str) -> LinkRow {
    LinkRow {
        context: context.id.clone(),
        what,
        namespace: namespace.to_owned(),
        object: name.to_owned(),
        instances: Vec::new(),
        of_operator: false,
        sign: Glyph::Unknown,
        tone: Tone::Unknown,
        word: "unknown",
        revision: None,
        tried: None,
        suspended: None,
        drift: None,
        since: None,
        message: String::new(),
        conditions: Vec::new(),
        remarks: Vec::new(),
        is_stale: !context.is_live(),
        text: String::new(),
    }
}

fn untold(why: &Untold<'_>) -> String {
    match why {
        Untold::NotServed => "the cluster does not serve that kind".to_owned(),
        Untold::Unread => "being read".to_owned(),
        Untold::NotReached => "the cluster is not reached".to_owned(),
        Untold::Failed(fault, _) => fault.message.clone(),
    }
}

fn of_link(see: &See<'_>, context: &ContextWorld, link: &Link<'_>) -> LinkRow {
    let object = link.object;
    let what = link.who.what;
    let ready = flux::condition(object, "Ready");
    let standing = flux::standing(what, object, see.now);
    let (sign, tone) = match &standing {
        Standing::Ready => (Glyph::Healthy, Tone::Healthy),
        Standing::Reconciling(_) => (Glyph::Syncing, Tone::Syncing),
        Standing::Suspended(_) | Standing::NotTakenUp { .. } => (Glyph::Warning, Tone::Degraded),
        Standing::Stalled(_) | Standing::Failing(_) => (Glyph::Broken, Tone::Broken),
        Standing::Silent => (Glyph::Unknown, Tone::Unknown),
    };
    let message = match &standing {
        Standing::Stalled(c) | Standing::Failing(c) | Standing::Reconciling(c) => c.message.clone(),
        Standing::NotTakenUp {
            generation,
            observed,
        } => format!("generation {generation} is not taken up, observed is {observed}"),
        _ => ready
            .as_ref()
            .map(|c| c.message.clone())
            .unwrap_or_default(),
    };
    let since = match &standing {
        Standing::Stalled(c) | Standing::Failing(c) | Standing::Reconciling(c) => c.since,
        _ => ready.as_ref().and_then(|c| c.since),
    };
    let mut remarks = Vec::new();
    for (failed, path) in [
        ("installs", "/status/installFailures"),
        ("upgrades", "/status/upgradeFailures"),
    ] {
        if let Some(count) = object
            .body
            .pointer(path)
            .and_then(Value::as_i64)
            .filter(|n| *n > 0)
        {
            remarks.push(format!("{count} failed {failed} are counted"));
        }
    }
    if what == Foreign::HelmRelease {
        let retries = |of: &str| {
            let path = format!("/spec/{of}/remediation/retries");
            object
                .body
                .pointer(&path)
                .and_then(Value::as_i64)
                .unwrap_or(0)
        };
        remarks.push(format!(
            "remediation: {} retries of an install, {} of an upgrade",
            retries("install"),
            retries("upgrade")
        ));
    }
    let sources: Vec<String> = flux::sources(&link.who, object)
        .iter()
        .map(Ref::words)
        .collect();
    if !sources.is_empty() {
        remarks.push(format!(
            "takes what it applies from {}",
            sources.join(" and ")
        ));
    }
    let owners: Vec<String> = flux::owners(&object.meta).iter().map(Ref::words).collect();
    if !owners.is_empty() {
        remarks.push(format!("is itself delivered by {}", owners.join(" and ")));
    }
    LinkRow {
        sign: stale(sign, context),
        tone,
        word: standing.word(),
        revision: flux::applied(what, object),
        tried: flux::attempted(what, object),
        suspended: match standing {
            Standing::Suspended(writer) => Some(writer),
            _ => None,
        },
        drift: (what == Foreign::HelmRelease).then(|| flux::drift_mode(object).to_owned()),
        since,
        message,
        conditions: conditions(object),
        remarks,
        ..blank(context, what, &link.who.namespace, &link.who.name)
    }
}

/// What is as of before the connection was lost is well no more.
fn stale(sign: Glyph, context: &ContextWorld) -> Glyph {
    match sign {
        Glyph::Healthy if !context.is_live() => Glyph::Unknown,
        sign => sign,
    }
}

/// Every condition of an object.
fn conditions(object: &ForeignObject) -> Vec<Condition> {
    let all = object
        .body
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    let names = all
        .into_iter()
        .flatten()
        .filter_map(|one| one.get("type").and_then(Value::as_str));
    names
        .filter_map(|name| flux::condition(object, name))
        .collect()
}

/// ExternalSecrets that fill Secrets of instances, and their stores.
fn of_secrets(
    see: &See<'_>,
    context: &ContextWorld,
    instances: &[(InstanceId, &Dragonfly)],
) -> Vec<LinkRow> {
    let mut rows: BTreeMap<(Foreign, String, String), LinkRow> = BTreeMap::new();
    for (id, dragonfly) in instances {
        if dragonfly.secrets.is_empty() {
            continue;
        }
        let makers = match external::makers(context, dragonfly) {
            Ok(makers) => makers,
            Err(Untold::NotServed) => continue,
            Err(why) => {
                let what = Foreign::ExternalSecret;
                let key = (what, id.namespace.to_string(), "?".to_owned());
                let row = rows.entry(key).or_insert_with(|| LinkRow {
                    message: untold(&why),
                    ..blank(context, what, &id.namespace, "?")
                });
                row.instances.push(id.clone());
                continue;
            }
        };
        for maker in makers.objects {
            let key = (
                Foreign::ExternalSecret,
                id.namespace.to_string(),
                maker.meta.name.to_string(),
            );
            let row = rows
                .entry(key)
                .or_insert_with(|| of_maker(see, context, maker));
            row.instances.push(id.clone());
            let Some((what, name)) = external::store(maker) else {
                continue;
            };
            let place = external::place(what, &id.namespace);
            let row = rows
                .entry((what, place.to_owned(), name.clone()))
                .or_insert_with(|| of_store(context, what, place, &name));
            if !row.instances.contains(id) {
                row.instances.push(id.clone());
            }
        }
    }
    rows.into_values().collect()
}

fn of_maker(see: &See<'_>, context: &ContextWorld, maker: &ForeignObject) -> LinkRow {
    let ready = flux::condition(maker, "Ready");
    let late = external::late_from(context, maker).is_some_and(|(_, until)| until <= see.now);
    let (sign, tone, word) = match &ready {
        None => (Glyph::Unknown, Tone::Unknown, "silent"),
        Some(c) if c.status != "True" => (Glyph::Broken, Tone::Broken, "not synced"),
        Some(_) if late => (Glyph::Warning, Tone::Degraded, "late"),
        Some(_) => (Glyph::Healthy, Tone::Healthy, "synced"),
    };
    let text = |path: &str| maker.body.pointer(path).and_then(Value::as_str);
    let mut remarks = vec![format!("makes Secret {}", external::target(maker))];
    if let Some(at) = text("/status/refreshTime") {
        let every = text("/spec/refreshInterval").unwrap_or("1h");
        remarks.push(format!(
            "was last refreshed at {at}, and is to be every {every}"
        ));
    }
    LinkRow {
        sign: stale(sign, context),
        tone,
        word,
        since: text("/status/refreshTime").and_then(|at| at.parse().ok()),
        message: ready.map(|c| c.message).unwrap_or_default(),
        conditions: conditions(maker),
        remarks,
        ..blank(
            context,
            Foreign::ExternalSecret,
            &maker.meta.namespace,
            &maker.meta.name,
        )
    }
}

fn of_store(context: &ContextWorld, what: Foreign, place: &str, name: &str) -> LinkRow {
    let row = blank(context, what, place, name);
    let all = match last_listed(context, what, place) {
        Ok(all) => all,
        Err(why) => {
            return LinkRow {
                message: untold(&why),
                ..row
            };
        }
    };
    let Some(store) = all.objects.iter().find(|store| *store.meta.name == *name) else {
        return LinkRow {
            sign: Glyph::Broken,
            tone: Tone::Broken,
            word: "absent",
            message: "an ExternalSecret names it, and it is not there".to_owned(),
            ..row
        };
    };
    let ready = flux::condition(store, "Ready");
    let (sign, tone, word) = match &ready {
        None => (Glyph::Unknown, Tone::Unknown, "silent"),
        Some(c) if c.status != "True" => (Glyph::Broken, Tone::Broken, "not ready"),
        Some(_) => (Glyph::Healthy, Tone::Healthy, "ready"),
    };
    LinkRow {
        sign: stale(sign, context),
        tone,
        word,
        since: ready.as_ref().and_then(|c| c.since),
        message: ready.map(|c| c.message).unwrap_or_default(),
        conditions: conditions(store),
        ..row
    }
}

struct Words<'a>(&'a str);

impl Sieved for Words<'_> {
    fn text(&self) -> &str {
        self.0
    }

    fn field(&self, _: Field) -> &str {
        self.0
    }

    fn figure(&self, _: Measure) -> Option<f64> {
        None
    }
}
