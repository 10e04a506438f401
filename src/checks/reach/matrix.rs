//! Every connection that matters to an instance, with what is expected of it and what the simulation predicts.

use std::collections::BTreeMap;

use super::connected::{Connected, connected};
use super::{ADMIN, DATA, Passage, consumer, database, dns, home, operators, pod, scrapers};
use crate::checks::Limits;
use crate::domain::reach::{End, Protocol, Reach};
use crate::domain::world::ContextWorld;
use crate::domain::{ContextId, InstanceId, InstanceView, World};

/// A connection, as it is expected and as it is predicted.
#[derive(Debug, Clone)]
pub struct Way {
    /// The instance that it is about.
    pub instance: InstanceId,
    /// The context that it leaves from.
    pub context: ContextId,
    /// Who opens it, in words.
    pub from: String,
    /// To whom, in words.
    pub to: String,
    /// The port.
    pub port: u16,
    /// What carries it.
    pub protocol: Protocol,
    /// What is expected: that it passes, that it does not, or nothing.
    pub expected: Option<bool>,
    /// What is predicted.
    pub predicted: Reach,
    /// So many of its clients are connected, by what the instance's nodes list; `None` where that is not known.
    pub clients: Option<u64>,
}

impl Way {
    /// Who must not be there is connected all the same, whatever policies are predicted to do.
    pub fn is_intruded(&self) -> bool {
        self.expected == Some(false) && self.clients.is_some_and(|clients| clients > 0)
    }
}

/// A namespace of which nothing is known but that nobody names it.
const ANY_OTHER: &str = "any other namespace";

/// Every connection that matters to an instance.
pub fn ways(world: &World, limits: &Limits, view: &InstanceView<'_>) -> Vec<Way> {
    let id = &view.id;
    let here = view.context;
    let db = database(view);
    let mut made = Made {
        id: id.clone(),
        ways: Vec::new(),
    };
    for wish in limits.expected.consumers_of(id) {
        let Some(context) = home(world, &wish.id.context) else {
            continue;
        };
        let from = consumer(context, wish);
        let name = wish.id.to_string();
        let passage = Passage::new((context, from.clone()), (here, db.clone()));
        made.put(
            &name,
            id.to_string(),
            Some(!wish.denied),
            &passage,
            (wish.port, Protocol::Tcp),
        );
        if let (Some(way), Connected::By { clients, .. }) =
            (made.ways.last_mut(), connected(world, wish, id))
        {
            way.clients = Some(clients);
        }
        if !wish.denied {
            made.dns(&name, context, from);
        }
    }
    let name = id.to_string();
    let within = |end: End| Passage::new((here, end), (here, db.clone()));
    let own = pod(here, &id.namespace, []);
    let tcp = |port: u16| (port, Protocol::Tcp);
    let home_name = format!("any pod of {}", id.namespace);
    made.put(&home_name, name.clone(), None, &within(own), tcp(DATA));
    let other = End {
        namespace_labels: Some(BTreeMap::new()),
        ..pod(here, ANY_OTHER, [])
    };
    let other = within(other);
    for port in [DATA, ADMIN] {
        made.put(ANY_OTHER, name.clone(), None, &other, tcp(port));
    }
    let peers = within(db.clone());
    made.put(
        "its own nodes",
        name.clone(),
        Some(true),
        &peers,
        tcp(ADMIN),
    );
    for (_, end) in operators(here).into_iter().take(1) {
        let from = format!("the operator in {}", end.namespace);
        let passage = within(end);
        made.put(&from, name.clone(), Some(true), &passage, tcp(ADMIN));
    }
    for one in scrapers::found(here).unwrap_or_default() {
        let from = format!("scraper {}", one.name);
        let passage = within(one.end);
        made.put(&from, name.clone(), Some(true), &passage, tcp(ADMIN));
    }
    let snapshot = view.dragonfly.value.snapshot.as_ref();
    if let Some(dir) = snapshot.and_then(|one| one.dir.as_deref())
        && dir.starts_with("s3://")
    {
        made.dns(&name, here, db.clone());
        let passage = Passage::outwards(here, db);
        made.put(&name, dir.to_owned(), Some(true), &passage, tcp(443));
    }
    made.ways
}

struct Made {
    id: InstanceId,
    ways: Vec<Way>,
}

impl Made {
    fn put(
        &mut self,
        from: &str,
        to: String,
        expected: Option<bool>,
        passage: &Passage,
        (port, protocol): (u16, Protocol),
    ) {
        self.ways.push(Way {
            instance: self.id.clone(),
            context: passage.from.context.clone(),
            from: from.to_owned(),
            to,
            port,
            protocol,
            expected,
            predicted: passage.reach(port, protocol),
            clients: None,
        });
    }

    fn dns(&mut self, from: &str, context: &ContextWorld, end: End) {
        let (to, port, _) = dns(context);
        let passage = Passage::new((context, end), (context, to));
        let to = format!("DNS of {}", context.id);
        self.put(from, to, Some(true), &passage, (port, Protocol::Udp));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::checks::acceptance::fixture::{operator, read, with_consumer};
    use crate::domain::Foreign;
    use serde_json::json;

    #[test]
    fn every_way_that_matters_is_in_it() {
        let (mut f, limits) = with_consumer(false);
        operator(&mut f, 1, &["m-1"]);
        read(&mut f, Foreign::Service, Ok(vec![]));
        let policy = json!({"metadata": {"name": "own", "namespace": "shop"}, "spec": {"podSelector": {}, "ingress": [
            {"from": [{"podSelector": {}}], "ports": [{"port": 6379}]}, {"from": [{"podSelector": {}}], "ports": [{"port": 9999}]}]}});
        read(&mut f, Foreign::NetworkPolicy, Ok(vec![policy]));
        let view = f.world.instance(&f.id).unwrap();
        let told: Vec<String> = ways(&f.world, &limits, &view)
            .iter()
            .map(|way| {
                let expected = match way.expected {
                    Some(true) => "allowed",
                    Some(false) => "denied",
                    None => "-",
                };
                let predicted = way.predicted.outcome().word();
                format!(
                    "{} -> {} {}: {expected}, {predicted}",
                    way.from, way.to, way.port
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                "web/front -> shop/orders 6379: allowed, denied",
                "web/front -> DNS of apps 53: allowed, allowed",
                "any pod of shop -> shop/orders 6379: -, allowed",
                "any other namespace -> shop/orders 6379: -, denied",
                "any other namespace -> shop/orders 9999: -, denied",
                "its own nodes -> shop/orders 9999: allowed, allowed",
                "the operator in operators -> shop/orders 9999: allowed, denied",
            ]
        );
    }
}
