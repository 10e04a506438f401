//! Whether a consumer is connected to its instance, by what the nodes list.

use jiff::Timestamp;

use super::workload;
use crate::domain::consumers::{Whose, consumers};
use crate::domain::{Consumer, Foreign, InstanceId, World};

/// What is known of a consumer's connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connected {
    /// So many of its clients are connected.
    By {
        /// How many.
        clients: u64,
        /// As of when.
        at: Timestamp,
    },
    /// It cannot be told, and why.
    Untold(String),
}

/// How many clients of a consumer an instance's nodes list on their data ports.
pub fn connected(world: &World, wish: &Consumer, id: &InstanceId) -> Connected {
    let Some(view) = world.instance(id) else {
        return Connected::Untold(format!("{id} is not known"));
    };
    let lists = view.nodes.iter().filter_map(|node| {
        let list = node.engine?.client_list.as_ref()?;
        Some(list.at)
    });
    let Some(at) = lists.max() else {
        return Connected::Untold(
            "no node has listed its clients: only instances in view or in trouble are asked"
                .to_owned(),
        );
    };
    let home = world.twin(&wish.id.context).unwrap_or(&wish.id.context);
    let named = workload(wish).filter(|(what, _)| *what != Foreign::HelmRelease);
    let is_its = |whose: &Whose| match whose {
        Whose::Workload(one) => {
            one.context == *home
                && one.namespace == wish.id.namespace
                && named.is_none_or(|(_, name)| one.name == name)
        }
        _ => false,
    };
    let found = consumers(world, &view);
    let data = || found.groups.iter().filter(|group| !group.admin);
    let own: u64 = data()
        .filter(|group| is_its(&group.whose))
        .map(|group| group.clients)
        .sum();
    if own > 0 {
        return Connected::By { clients: own, at };
    }
    // None that can be told by its address: what cannot be told may be its.
    let unread = found.unread.iter().find(|(context, _)| context == home);
    if let Some((context, why)) = unread {
        let why = why.as_deref().unwrap_or("they have not been read yet");
        return Connected::Untold(format!("nothing is known of pods of {context}: {why}"));
    }
    let strange: u64 = data()
        .filter(|group| {
            matches!(
                group.whose,
                Whose::Nobody(_) | Whose::Several(_) | Whose::Machine(..)
            )
        })
        .map(|group| group.clients)
        .sum();
    match strange + found.others {
        0 => Connected::By { clients: 0, at },
        some => Connected::Untold(format!(
            "{} no pod's: a gateway or a machine may stand for it",
            match some {
                1 => "1 client has an address that is".to_owned(),
                some => format!("{some} clients have addresses that are"),
            }
        )),
    }
}
