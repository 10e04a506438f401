//! What is read on demand before an action is planned, beside what its plan relies on: whose clients there are, how full a
//! volume is. The action is planned without it too, and says what it does not know.

use std::collections::BTreeSet;

use super::{Action, Target};
use crate::checks::stored;
use crate::domain::want::Want;
use crate::domain::{World, consumers};

/// What should be read before that action is planned about that target.
pub fn wants(action: &Action, target: &Target, world: &World) -> BTreeSet<Want> {
    let Target::Instance(id) = target else {
        return BTreeSet::new();
    };
    match action.id {
        "drop-clients" => consumers::wants(world),
        "snapshot" => {
            let view = world.instance(id);
            let nodes = view.iter().flat_map(|view| &view.nodes);
            let machines = nodes.filter_map(|node| node.pod.value.machine.as_deref());
            machines
                .map(|machine| stored::volumes(&id.context, machine))
                .collect()
        }
        _ => BTreeSet::new(),
    }
}
