//! Whether the mesh between a consumer's cluster and its instance's stands, as far as objects tell. None of them tells whether it is
//! connected at this moment: that a consumer of the other cluster is connected shows it, and else it stays unknown.

use jiff::Timestamp;
use serde_json::Value;

use crate::checks::acceptance::passages::wish;
use crate::checks::acceptance::{ACCEPTED, untold};
use crate::checks::listed::{Untold, listed, want};
use crate::checks::reach::connected::{Connected, connected};
use crate::checks::reach::{self, SYSTEM};
use crate::checks::words::list;
use crate::checks::{Answer, Area, Case, Check, Severity, Situation};
use crate::domain::reach::Cilium;
use crate::domain::text;
use crate::domain::want::ForeignObject;
use crate::domain::world::ContextWorld;
use crate::domain::{Foreign, Want};

/// The check.
pub const CHECK: Check = Check {
    id: "mesh-unjoined",
    area: Area::Exposure,
    title: "Clusters that no mesh joins",
    why: "A global Service has backends of another cluster only while Cilium's agents are connected to it. While they are not, they keep \
          the backends that they knew last (clustermesh.cacheTTL is 0 by default, so for ever): after a failover during a cut, clients \
          go on to the old master's address.",
    reads: "cluster-name of both clusters (ConfigMap cilium-config), names of the keys of the Secret cilium-clustermesh, readiness of the \
            Deployment clustermesh-apiserver, when its certificates were last written; CLIENT LIST, where it is known",
    next: "Ask Cilium itself, which alone knows whether it is connected.\n\
           $ {cluster} -n kube-system exec ds/cilium -- cilium-dbg status --verbose",
    situations: &[&UNJOINED],
    needs,
    run,
};

const UNJOINED: Situation = Situation {
    id: "mesh-unjoined",
    word: "no mesh",
    rule: "a consumer lives in another cluster than its instance, and both have the same cluster-name, or one does not name the other in its Secret cilium-clustermesh, or its clustermesh-apiserver has no ready pod",
    meaning: "The consumer's cluster learns nothing of the instance's backends; what it learned before it keeps, however old.",
    ..ACCEPTED
};

fn needs(case: &Case<'_>) -> Vec<Want> {
    let mut needs = Vec::new();
    for context in both(case).into_iter().flatten() {
        needs.extend([
            want(context, Foreign::CiliumConfig, ""),
            want(context, Foreign::Secret, SYSTEM),
            want(context, Foreign::Deployment, SYSTEM),
        ]);
    }
    needs
}

/// The consumer's cluster and its instance's, where these are two.
fn both<'a>(case: &Case<'a>) -> Option<[&'a ContextWorld; 2]> {
    let wish = wish(case).filter(|wish| !wish.denied)?;
    let here = reach::home(case.world, &wish.id.context)?;
    let id = reach::instance_of(case.world, wish)?;
    let there = case.world.context(&id.context)?;
    (here.id != there.id).then_some([here, there])
}

/// What one cluster tells of its mesh.
struct Told {
    name: String,
    /// Clusters that it is to be connected to.
    remotes: Vec<String>,
    /// When its certificates were last written.
    certificates: Option<Timestamp>,
}

/// Why it tells nothing, or what is wrong with it.
enum Trouble {
    Unknown(String),
    Wrong(String),
}

fn told(context: &ContextWorld) -> Result<Told, Trouble> {
    let id = &context.id;
    let name = match reach::network(context).cilium {
        Cilium::Unknown(why) => return Err(Trouble::Unknown(why)),
        Cilium::Absent => {
            return Err(Trouble::Unknown(format!(
                "{id} has no settings of Cilium's, and no other mesh is known here"
            )));
        }
        Cilium::Present(settings) => settings
            .cluster
            .map_or_else(|| "default".to_owned(), |name| name.to_string()),
    };
    let unknown = |what: Foreign, why: Untold<'_>| {
        Trouble::Unknown(match why {
            Untold::Failed(fault, _) => format!(
                "{} of {SYSTEM} in {id} cannot be read: {}",
                what.doc().words,
                fault.message
            ),
            _ => format!(
                "{} of {SYSTEM} in {id} have not been read yet",
                what.doc().words
            ),
        })
    };
    let secrets =
        listed(context, Foreign::Secret, SYSTEM).map_err(|why| unknown(Foreign::Secret, why))?;
    let servers = listed(context, Foreign::Deployment, SYSTEM)
        .map_err(|why| unknown(Foreign::Deployment, why))?;
    let keys = |secret: &ForeignObject| {
        let keys = secret.body.get("keys").and_then(Value::as_array);
        let keys = keys.into_iter().flatten().filter_map(Value::as_str);
        keys.map(str::to_owned).collect::<Vec<_>>()
    };
    let secret = |name: &str| secrets.objects.iter().find(|one| &*one.meta.name == name);
    let Some(mesh) = secret("cilium-clustermesh") else {
        return Err(Trouble::Wrong(format!(
            "{id} has no Secret {SYSTEM}/cilium-clustermesh, which names the clusters to connect to"
        )));
    };
    let server = servers
        .objects
        .iter()
        .find(|one| &*one.meta.name == "clustermesh-apiserver");
    // A cluster whose Cilium keeps its state in an etcd of its own has no such server.
    let ready = server.map(|one| {
        one.body
            .pointer("/status/readyReplicas")
            .and_then(Value::as_u64)
    });
    if ready.is_some_and(|ready| ready.unwrap_or(0) == 0) {
        return Err(Trouble::Wrong(format!(
            "{id} has no ready pod of the Deployment {SYSTEM}/clustermesh-apiserver, which tells other clusters of its Services"
        )));
    }
    let certificates = secret("clustermesh-apiserver-server-cert")
        .and_then(|one| one.body.get("changed")?.as_str()?.parse().ok());
    Ok(Told {
        name,
        remotes: keys(mesh),
        certificates,
    })
}

fn run(case: &Case<'_>) -> Answer {
    let (Some([here, there]), Some(wish)) = (both(case), wish(case)) else {
        return Answer::NOT_APPLICABLE;
    };
    let pair = format!("{} and {}", here.id, there.id);
    let (ours, theirs) = match (told(here), told(there)) {
        (Ok(ours), Ok(theirs)) => (ours, theirs),
        (Err(Trouble::Wrong(why)), _) | (_, Err(Trouble::Wrong(why))) => {
            return unjoined(case, &pair, &why);
        }
        (Err(Trouble::Unknown(why)), _) | (_, Err(Trouble::Unknown(why))) => {
            let sentence = format!("whether a mesh joins {pair} cannot be told: {why}");
            return untold(case, &CHECK, sentence);
        }
    };
    if ours.name == theirs.name {
        let why = format!(
            "both are called {} (cluster-name of cilium-config), and a mesh needs names of their own",
            ours.name
        );
        return unjoined(case, &pair, &why);
    }
    for (context, of, other) in [(here, &ours, &theirs), (there, &theirs, &ours)] {
        // A Secret made long ago may no longer tell which keys it has.
        if !of.remotes.is_empty() && !of.remotes.contains(&other.name) {
            let why = format!(
                "{} is to be connected to {}, and not to {}",
                context.id,
                list(&of.remotes),
                other.name
            );
            return unjoined(case, &pair, &why);
        }
    }
    let id = reach::instance_of(case.world, wish);
    let seen = id.map(|id| connected(case.world, wish, &id));
    if let Some(Connected::By { clients: 1.., .. }) = seen {
        return Answer::PASS;
    }
    let ages: Vec<String> = [(here, &ours), (there, &theirs)]
        .into_iter()
        .filter_map(|(context, told)| {
            let age = text::age(told.certificates?, case.now);
            Some(format!(
                "certificates of {} were written {age} ago",
                context.id
            ))
        })
        .collect();
    let ages = match ages.is_empty() {
        true => String::new(),
        false => format!(" ({}; until when they hold is not read)", ages.join(", ")),
    };
    let sentence = format!(
        "{pair} are set up as one mesh{ages}, and whether they are connected no object tells: only Cilium's agents do, and while they are \
         not they keep the backends that they knew last"
    );
    untold(case, &CHECK, sentence)
}

fn unjoined(case: &Case<'_>, pair: &str, why: &str) -> Answer {
    case.finding(
        &CHECK,
        &UNJOINED,
        Severity::Critical,
        format!("no mesh joins {pair}: {why}"),
    )
    .resting_on(why, format!("objects of {SYSTEM}"), case.now)
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::fixture::{Fixture, infra};
    use crate::domain::{ContextId, Scope};
    use serde_json::json;

    fn cluster(f: &mut Fixture, context: &ContextId, remotes: &[&str], ready: u64) {
        let scope = || Scope::Namespace(SYSTEM.into());
        let mut data = serde_json::Map::new();
        for remote in remotes {
            data.insert(format!("f:{remote}"), json!({}));
        }
        let written = |name: &str, data: Value| {
            json!({"metadata": {"name": name, "namespace": SYSTEM, "managedFields": [
                {"time": "2026-01-01T12:00:00Z", "fieldsV1": {"f:data": data}}]}})
        };
        let secrets = vec![
            written("cilium-clustermesh", Value::Object(data)),
            written(
                "clustermesh-apiserver-server-cert",
                json!({"f:tls.crt": {}}),
            ),
        ];
        read_in(f, context, Foreign::Secret, scope(), Ok(secrets));
        let server = json!({"metadata": {"name": "clustermesh-apiserver", "namespace": SYSTEM}, "status": {"readyReplicas": ready}});
        read_in(f, context, Foreign::Deployment, scope(), Ok(vec![server]));
    }

    #[test]
    fn objects_tell_how_it_is_set_up_and_not_whether_it_is_connected() {
        let apps = ContextId::new("apps");
        const UNTOLD: &str = "note unknown: apps and infra are set up as one mesh (certificates of apps were written 1d ago, certificates of infra were written 1d ago; \
            until when they hold is not read), and whether they are connected no object tells: only Cilium's agents do, and while they are not they keep the backends \
            that they knew last";
        consumer_table(
            &CHECK,
            false,
            &[
                (
                    "set up",
                    &|f| {
                        cluster(f, &apps, &["infra", "infra.etcd-client.crt"], 2);
                        cluster(f, &infra(), &["apps"], 1);
                    },
                    UNTOLD,
                ),
                (
                    "one does not name the other",
                    &|f| {
                        cluster(f, &apps, &["elsewhere"], 2);
                        cluster(f, &infra(), &["apps"], 1);
                    },
                    "critical critical: no mesh joins apps and infra: apps is to be connected to elsewhere, and not to infra",
                ),
                (
                    "its server is down",
                    &|f| {
                        cluster(f, &apps, &["infra"], 2);
                        cluster(f, &infra(), &["apps"], 0);
                    },
                    "critical critical: no mesh joins apps and infra: infra has no ready pod of the Deployment kube-system/clustermesh-apiserver, which tells other \
                     clusters of its Services",
                ),
                (
                    "of one name",
                    &|f| {
                        cluster(f, &apps, &["infra"], 2);
                        cluster(f, &infra(), &["apps"], 1);
                        cilium(f, json!({"cluster-name": "apps"}));
                    },
                    "critical critical: no mesh joins apps and infra: both are called apps (cluster-name of cilium-config), and a mesh needs names of their own",
                ),
                (
                    "not read",
                    &|_| {},
                    "note unknown: whether a mesh joins apps and infra cannot be told: Secrets of kube-system in apps have not been read yet",
                ),
            ],
        );
    }
}
