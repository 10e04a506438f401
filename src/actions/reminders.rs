//! What was suspended with us and still is: said at each start, because nobody else will.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use super::flux::{AT, BY, REASON};
use crate::checks::flux::{KINDS, kind};
use crate::domain::want::{ForeignObject, Want};
use crate::domain::world::{ContextWorld, Reading};
use crate::domain::{Foreign, Scope, World, text};

/// Something that was suspended, by the word of the object itself or of the ledger of this machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Suspension {
    /// Where.
    pub context: String,
    /// Its namespace.
    pub namespace: String,
    /// Its kind, as a manifest spells it.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// For whom.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// Since when, where that is told.
    pub since: Option<Timestamp>,
}

impl Suspension {
    /// Whether both are about the same object.
    pub fn is_about(&self, other: &Self) -> bool {
        (&self.context, &self.namespace, &self.kind, &self.name)
            == (&other.context, &other.namespace, &other.kind, &other.name)
    }

    fn words(&self, now: Timestamp) -> String {
        let since = self
            .since
            .map_or(String::new(), |at| format!(" since {}", text::age(at, now)));
        let reason = match self.reason.as_str() {
            "" => "no reason is written down",
            reason => reason,
        };
        format!(
            "{} {}/{} in {} is suspended{since}, for {}: {reason}",
            self.kind, self.namespace, self.name, self.context, self.owner
        )
    }

    fn resume(&self) -> String {
        format!(
            "darner --context {} flux resume {}/{} -n {}",
            text::shell_word(&self.context),
            self.kind.to_lowercase(),
            self.name,
            self.namespace
        )
    }
}

/// What must be read to tell: the objects of Flux in every context that answers.
pub fn wants(world: &World) -> BTreeSet<Want> {
    let contexts = world.shown_contexts().filter(|context| context.is_live());
    contexts
        .flat_map(|context| {
            KINDS.iter().flat_map(|what| {
                scopes(context).into_iter().map(|scope| Want::Objects {
                    context: context.id.clone(),
                    what: *what,
                    scope,
                })
            })
        })
        .collect()
}

fn scopes(context: &ContextWorld) -> Vec<Scope> {
    match context.namespaces.as_slice() {
        [] => vec![Scope::Cluster],
        some => some.iter().cloned().map(Scope::Namespace).collect(),
    }
}

/// A sentence for each object that was suspended with us and still is, with how it goes on. What the ledger remembers and
/// cannot be read now is told as that.
pub fn reminders(world: &World, ledger: &[Suspension], now: Timestamp) -> Vec<String> {
    let seen = seen(world);
    let mut told: Vec<String> = seen
        .iter()
        .map(|one| format!("{}. It goes on by: {}", one.words(now), one.resume()))
        .collect();
    let remembered = ledger.iter().filter(|one| {
        let is_told = seen.iter().any(|other| other.is_about(one));
        !is_told && !is_read(world, one)
    });
    told.extend(remembered.map(|one| {
        format!(
            "by the ledger {}; whether it still is could not be read. It goes on by: {}",
            one.words(now),
            one.resume()
        )
    }));
    told
}

/// Every object that is suspended and says that it was with us.
pub fn seen(world: &World) -> Vec<Suspension> {
    let mut found = Vec::new();
    for context in world.shown_contexts() {
        for what in KINDS {
            for scope in scopes(context) {
                let read = context.on_demand.objects(&context.id, *what, &scope);
                if let Reading::Known { objects, .. } = read {
                    let own = objects.iter();
                    found.extend(own.filter_map(|object| suspension(context, *what, object)));
                }
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

fn suspension(context: &ContextWorld, what: Foreign, object: &ForeignObject) -> Option<Suspension> {
    let note = |key: &str| {
        object
            .meta
            .annotations
            .get(key)
            .map(|text| text::one_line(text))
    };
    let is = object.body.pointer("/spec/suspend") == Some(&Value::Bool(true));
    Some(Suspension {
        context: context.id.to_string(),
        namespace: object.meta.namespace.to_string(),
        kind: kind(what).to_owned(),
        name: object.meta.name.to_string(),
        owner: note(BY).filter(|_| is)?,
        reason: note(REASON).unwrap_or_default(),
        since: note(AT).and_then(|at| at.parse().ok()),
    })
}

/// Whether its kind was read where it lives, so that what is not seen is not there or goes on.
fn is_read(world: &World, one: &Suspension) -> bool {
    let context = world
        .shown_contexts()
        .find(|context| context.id.as_str() == one.context);
    let what = KINDS.iter().find(|what| kind(**what) == one.kind);
    let (Some(context), Some(what)) = (context, what) else {
        return false;
    };
    scopes(context).iter().any(|scope| {
        let holds = match scope {
            Scope::Cluster => true,
            Scope::Namespace(namespace) => **namespace == *one.namespace,
        };
        let read = context.on_demand.objects(&context.id, *what, scope);
        holds && matches!(read, Reading::Known { .. })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Fact;
    use crate::domain::fixture::{Fixture, ago, healthy, infra, now};
    use crate::domain::object::Meta;
    use crate::domain::want::Fetched;
    use serde_json::json;

    fn releases(f: &mut Fixture, suspend: bool, notes: &[(&str, &str)]) {
        let object = ForeignObject {
            meta: Meta {
                namespace: "flux-system".into(),
                name: "dragonfly".into(),
                annotations: notes
                    .iter()
                    .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                    .collect(),
                ..Meta::default()
            },
            body: json!({"spec": {"suspend": suspend}}),
        };
        let want = Want::Objects {
            context: infra(),
            what: Foreign::HelmRelease,
            scope: Scope::Cluster,
        };
        let answer = Ok(Fetched::Objects {
            objects: [object].into(),
            more: false,
        });
        f.tell(Fact::Fetched { want, answer }, ago(1));
    }

    #[test]
    fn what_is_still_suspended_by_us_is_told_and_nothing_else() {
        let at = ago(7_200).to_string();
        let ours = [
            (BY, "jane"),
            (REASON, "the disk is moved"),
            (AT, at.as_str()),
        ];
        let ledger = Suspension {
            context: "infra".to_owned(),
            namespace: "flux-system".to_owned(),
            kind: "HelmRelease".to_owned(),
            name: "dragonfly".to_owned(),
            owner: "jane".to_owned(),
            reason: "the disk is moved".to_owned(),
            since: Some(ago(7_200)),
        };
        let words = "HelmRelease flux-system/dragonfly in infra is suspended since 2h00m, for jane: the disk is moved";
        let on = "It goes on by: darner --context infra flux resume helmrelease/dragonfly -n flux-system";
        let seen = format!("{words}. {on}");
        let remembered =
            format!("by the ledger {words}; whether it still is could not be read. {on}");
        for (name, read, remembers, wanted) in [
            ("ours", Some((true, &ours[..])), false, vec![seen.clone()]),
            (
                "ours, and in the ledger",
                Some((true, &ours[..])),
                true,
                vec![seen],
            ),
            (
                "resumed by somebody",
                Some((false, &ours[..])),
                true,
                vec![],
            ),
            ("another's", Some((true, &[][..])), false, vec![]),
            ("not read", None, true, vec![remembered]),
            ("nothing", None, false, vec![]),
        ] {
            let mut f = healthy().build();
            if let Some((suspend, notes)) = read {
                releases(&mut f, suspend, notes);
            }
            let ledger: Vec<Suspension> = remembers.then(|| ledger.clone()).into_iter().collect();
            assert_eq!(reminders(&f.world, &ledger, now()), wanted, "{name}");
        }
    }
}
