//! Where a namespace that was asked for has no instance: does it exist at all, and which namespaces do have one? Asked
//! once, when there is nothing else to show; rights that are missing make the answer shorter, not wrong.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::connect::fault::Asked;
use crate::connect::request::fetch;
use crate::domain::text::nearest;
use crate::domain::{FaultKind, Kind};
use crate::observe::ContextPlan;

/// What is known of a namespace without instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// Its name, as it was asked for.
    pub name: String,
    /// Every context says that it does not exist.
    pub is_absent: bool,
    /// A namespace of nearly that name that has an instance.
    pub near: Option<String>,
    /// Namespaces that have an instance.
    pub others: BTreeSet<String>,
}

impl Namespace {
    /// What is to be said of it.
    pub fn sentence(&self) -> String {
        const FEW: usize = 12;
        let Self {
            name,
            is_absent,
            near,
            others,
        } = self;
        let what = match is_absent {
            true => format!("there is no namespace {name}"),
            false => format!("no Dragonfly instance is in namespace {name}"),
        };
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        match (near, others.as_slice()) {
            (Some(near), _) => format!("{what}; did you mean {near}?"),
            (None, []) => what,
            (None, few) if few.len() <= FEW => {
                format!("{what}; there are instances in {}", few.join(", "))
            }
            (None, _) => what,
        }
    }
}

/// A list, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Listed {
    items: Vec<Item>,
}

#[derive(Debug, Deserialize)]
struct Item {
    metadata: Meta,
}

#[derive(Debug, Deserialize)]
struct Meta {
    namespace: String,
}

/// Asks every context about a namespace.
pub async fn about(name: &str, plans: &[ContextPlan]) -> Namespace {
    let mut others = BTreeSet::new();
    let mut absent = 0;
    for plan in plans {
        let Ok(client) = plan.door.client().await else {
            continue;
        };
        let deadline = plan.pace.request_deadline;
        let asked = Asked {
            verb: "get",
            resource: "namespaces",
            group: "",
            namespace: None,
        };
        let path = format!("/api/v1/namespaces/{name}");
        let got = fetch(&client, &path, &asked, deadline).await;
        absent += usize::from(got.is_err_and(|r| r.fault.kind == FaultKind::NotFound));
        let asked = Asked {
            verb: "list",
            resource: Kind::Dragonfly.resource(),
            group: Kind::Dragonfly.group(),
            namespace: None,
        };
        let path = "/apis/dragonflydb.io/v1alpha1/dragonflies?limit=500";
        let listed = fetch(&client, path, &asked, deadline).await.ok();
        let listed = listed.and_then(|body| serde_json::from_slice::<Listed>(&body).ok());
        let items = listed.map(|listed| listed.items).unwrap_or_default();
        others.extend(items.into_iter().map(|item| item.metadata.namespace));
    }
    Namespace {
        name: name.to_owned(),
        is_absent: absent == plans.len() && absent > 0,
        near: nearest(name, others.iter().map(String::as_str)).map(str::to_owned),
        others,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_without_an_instance_is_told_with_the_nearest_that_has_one() {
        let of = |name: &str, is_absent, others: &[&str]| {
            Namespace {
                name: name.to_owned(),
                is_absent,
                near: nearest(name, others.iter().copied()).map(str::to_owned),
                others: others.iter().map(|s| (*s).to_owned()).collect(),
            }
            .sentence()
        };
        for (told, wanted) in [
            (
                of("harbour", true, &["harbor", "shop"]),
                "there is no namespace harbour; did you mean harbor?",
            ),
            (
                of("default", false, &["harbor", "shop"]),
                "no Dragonfly instance is in namespace default; there are instances in harbor, shop",
            ),
            (
                of("default", false, &[]),
                "no Dragonfly instance is in namespace default",
            ),
        ] {
            assert_eq!(told, wanted);
        }
    }
}
