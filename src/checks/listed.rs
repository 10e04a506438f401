//! Objects of kinds that are read on demand, as a check asks for them: which want tells them, and what came of it.

use jiff::Timestamp;

use super::acceptance::UNTOLD;
use super::{Answer, Case, Check, Severity, Since, steps};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::want::{Foreign, ForeignObject, Want};
use crate::domain::world::{ContextWorld, Reading};
use crate::domain::{ContextId, Scope};

/// What tells the objects of a kind in a namespace; the empty one stands for all of them.
pub fn want(context: &ContextWorld, what: Foreign, namespace: &str) -> Want {
    Want::Objects {
        context: context.id.clone(),
        what,
        scope: scope(context, what, namespace),
    }
}

/// The scope over which that kind is read: the whole cluster, unless the context is confined to namespaces, or objects of that
/// kind are read namespace by namespace.
fn scope(context: &ContextWorld, what: Foreign, namespace: &str) -> Scope {
    let doc = what.doc();
    let is_confined = !context.namespaces.is_empty() && doc.namespaced;
    match namespace {
        "" => Scope::Cluster,
        name if is_confined || !doc.reading.is_whole() => Scope::Namespace(name.into()),
        _ => Scope::Cluster,
    }
}

/// Objects of a kind, and when they were read.
#[derive(Debug, Clone)]
pub struct Listed<'a> {
    /// The objects.
    pub objects: Vec<&'a ForeignObject>,
    /// When they were read.
    pub at: Timestamp,
}

/// Why they are not known.
#[derive(Debug, Clone, Copy)]
pub enum Untold<'a> {
    /// The cluster does not serve that kind: nobody installed it.
    NotServed,
    /// No answer yet.
    Unread,
    /// It cannot be read, since then.
    Failed(&'a Fault, Timestamp),
    /// The context is not open, or not reached.
    NotReached,
}

/// The objects of a kind in a namespace of a context; the empty one stands for all of them.
///
/// # Errors
/// Why they are not known.
pub fn listed<'a>(
    context: &'a ContextWorld,
    what: Foreign,
    namespace: &str,
) -> Result<Listed<'a>, Untold<'a>> {
    match context.is_live() {
        true => last_listed(context, what, namespace),
        false => Err(Untold::NotReached),
    }
}

/// The same as it was last told, though the context may not be reached any more: what is shown as of then. A judgement asks
/// [`listed`].
///
/// # Errors
/// Why they were never known.
pub fn last_listed<'a>(
    context: &'a ContextWorld,
    what: Foreign,
    namespace: &str,
) -> Result<Listed<'a>, Untold<'a>> {
    let scope = scope(context, what, namespace);
    match context.on_demand.objects(&context.id, what, &scope) {
        Reading::Unread if !context.is_live() => Err(Untold::NotReached),
        Reading::Unread => Err(Untold::Unread),
        Reading::Failed(fault, _) if fault.kind == FaultKind::NotFound => Err(Untold::NotServed),
        Reading::Failed(fault, since) => Err(Untold::Failed(fault, since)),
        Reading::Known { objects, at, .. } => Ok(Listed {
            objects: objects
                .iter()
                .filter(|object| namespace.is_empty() || *object.meta.namespace == *namespace)
                .collect(),
            at,
        }),
    }
}

impl<'a> Case<'a> {
    /// What tells the objects of a kind in a namespace of the subject's context; the empty one stands for all of them.
    pub fn want(&self, what: Foreign, namespace: &str) -> Want {
        want(self.context, what, namespace)
    }

    /// The same in another context; `None` when that is not open.
    pub fn want_in(&self, context: &ContextId, what: Foreign, namespace: &str) -> Option<Want> {
        self.world
            .context(context)
            .map(|context| want(context, what, namespace))
    }

    /// The objects of a kind in a namespace of the subject's context, or the answer of a check that cannot do without them:
    /// not applicable where the cluster does not serve that kind, else unknown, with the right that is missing.
    ///
    /// # Errors
    /// That answer.
    pub fn listed(
        &self,
        check: &Check,
        what: Foreign,
        namespace: &str,
    ) -> Result<Listed<'a>, Box<Answer>> {
        listed(self.context, what, namespace)
            .map_err(|why| Box::new(self.unlisted(check, &self.context.id, what, namespace, why)))
    }

    /// The same in another context.
    ///
    /// # Errors
    /// That answer.
    pub fn listed_in(
        &self,
        check: &Check,
        context: &ContextId,
        what: Foreign,
        namespace: &str,
    ) -> Result<Listed<'a>, Box<Answer>> {
        let found = match self.world.context(context) {
            Some(context) => listed(context, what, namespace),
            None => Err(Untold::NotReached),
        };
        found.map_err(|why| Box::new(self.unlisted(check, context, what, namespace, why)))
    }

    /// The answer of a check that lacks objects.
    pub fn unlisted(
        &self,
        check: &Check,
        context: &ContextId,
        what: Foreign,
        namespace: &str,
        why: Untold<'_>,
    ) -> Answer {
        let doc = what.doc();
        let place = match namespace {
            "" => format!("in {context}"),
            name => format!("of namespace {name} in {context}"),
        };
        let unknown = |why: &str| {
            let sentence = format!("nothing is known of {} {place}: {why}", doc.words);
            self.finding(check, &UNTOLD, Severity::Note, sentence)
        };
        let see = match (doc.group, namespace) {
            (group, "") => format!("{}{} --all-namespaces", doc.resource, dotted(group)),
            (group, name) => format!("{}{} -n {name}", doc.resource, dotted(group)),
        };
        let see = format!("See for yourself.\n$ kubectl --context {context} get {see}");
        match why {
            Untold::NotServed => Answer::NOT_APPLICABLE,
            Untold::Unread => unknown("they have not been read yet").next(see).into(),
            Untold::NotReached => unknown("the context is not reached").next(see).into(),
            Untold::Failed(fault, since) => unknown(&fault.message)
                .next(see)
                .next(steps::of_fault(fault))
                .resting_on(fault.message.clone(), "list", since)
                .since(Since::Seen(since))
                .into(),
        }
    }
}

fn dotted(group: &str) -> String {
    match group {
        "" => String::new(),
        group => format!(".{group}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::checks::acceptance::fixture::read;
    use crate::domain::fixture::{healthy, infra};
    use serde_json::json;

    fn told(f: &crate::domain::fixture::Fixture) -> String {
        let context = f.world.context(&infra()).unwrap();
        match listed(context, Foreign::HelmRelease, "flux-system") {
            Ok(listed) => format!("{} of them", listed.objects.len()),
            Err(Untold::NotServed) => "not served".to_owned(),
            Err(Untold::Unread) => "unread".to_owned(),
            Err(Untold::NotReached) => "not reached".to_owned(),
            Err(Untold::Failed(fault, _)) => fault.message.clone(),
        }
    }

    #[test]
    fn what_is_not_known_is_told_apart() {
        let mut f = healthy().build();
        assert_eq!(told(&f), "unread");
        read(
            &mut f,
            Foreign::HelmRelease,
            Err(Fault::new(FaultKind::NotFound, "no such")),
        );
        assert_eq!(told(&f), "not served");
        read(
            &mut f,
            Foreign::HelmRelease,
            Err(Fault::new(FaultKind::Forbidden, "may not")),
        );
        assert_eq!(told(&f), "may not");
        let of = |namespace: &str| json!({"metadata": {"name": "a", "namespace": namespace}});
        read(
            &mut f,
            Foreign::HelmRelease,
            Ok(vec![of("flux-system"), of("other")]),
        );
        assert_eq!(told(&f), "1 of them");
        assert_eq!(told(&healthy().unreachable().build()), "not reached");
    }
}
