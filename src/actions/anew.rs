//! What a plan relies on before it is there: the uid and the address of a pod that a step of the same plan makes anew, the moment
//! of a step, the name of the run. A plan names them by a word in pointed brackets, `<address of orders-1>`; they are put in just
//! before the step, from what was read then, and stay the same for the rest of the run (decision 0018).

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::goal::Goal;
use super::plan::{Does, Step};
use crate::domain::{ContextId, NodeId, World};

/// The moment at which a step is begun, as kubectl writes it: `2026-11-22T22:15:01Z`.
pub const NOW: &str = "<now>";
/// The name of the run.
pub const RUN: &str = "<run>";

const UID: &str = "<uid of ";
const ADDRESS: &str = "<address of ";
const AFTER: &str = ", not ";

/// The uid of the pod of that name which is made in place of the one of that uid.
pub fn uid(pod: &str, was: &str) -> Arc<str> {
    Arc::from(format!("{UID}{pod}{AFTER}{was}>"))
}

/// The address of the pod of that name, once it is made.
pub fn address(pod: &str) -> String {
    format!("{ADDRESS}{pod}>")
}

/// A pod that a plan makes anew: its name, and uid and address that it has now.
#[derive(Debug, Clone)]
pub struct Remade {
    /// Its name.
    pub pod: String,
    /// The uid that it will not have any more.
    pub uid: Arc<str>,
    /// The address that it will not have any more.
    pub ip: Option<String>,
}

/// A step that was planned as if its pods stayed, for those that are made anew before it.
pub fn after(step: Step, remade: &[Remade]) -> Step {
    let swap = |_: &Place, text: &str| {
        let found = remade.iter().find_map(|one| match text {
            text if text == &*one.uid => Some(uid(&one.pod, &one.uid).to_string()),
            text if Some(text) == one.ip.as_deref() => Some(address(&one.pod)),
            _ => None,
        });
        Ok(found.unwrap_or_else(|| text.to_owned()))
    };
    let same = step.clone();
    map_step(step, &swap).unwrap_or(same)
}

/// What is put in.
pub struct Filling<'a> {
    /// What was read.
    pub world: &'a World,
    /// The moment.
    pub now: Timestamp,
    /// The run.
    pub run: &'a str,
    /// What was put in before, in the same run.
    pub before: &'a BTreeMap<String, String>,
    /// Takes a pod as it is now for the one that is to be made: for a dry run.
    pub early: bool,
}

impl Filling<'_> {
    /// A step with all of it put in.
    ///
    /// # Errors
    /// What is not there yet, as a clause.
    pub fn step(&self, step: &Step) -> Result<Step, String> {
        map_step(step.clone(), &|place, text| self.text(place, text))
    }

    /// A goal with all of it put in.
    ///
    /// # Errors
    /// What is not there yet, as a clause.
    pub fn goal(&self, goal: &Goal) -> Result<Goal, String> {
        map_goal(goal.clone(), &|place, text| self.text(place, text))
    }

    fn text(&self, (context, namespace): &Place, text: &str) -> Result<String, String> {
        if let Some(known) = self.before.get(text) {
            return Ok(known.clone());
        }
        match text {
            NOW => return Ok(self.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            RUN => return Ok(self.run.to_owned()),
            _ => {}
        }
        let inside = |head: &str| text.strip_prefix(head)?.strip_suffix('>');
        let pod = |name: &str| {
            let context = self.world.context(context);
            let found = context.and_then(|context| context.pods.get(namespace, name));
            found.ok_or_else(|| format!("there is no pod {name} yet"))
        };
        if let Some((name, was)) = inside(UID).and_then(|words| words.split_once(AFTER)) {
            let found = &pod(name)?.value.meta;
            if !self.early && (*found.uid == *was || found.deleting.is_some()) {
                return Err(format!("pod {name} is not made anew yet"));
            }
            return Ok(found.uid.to_string());
        }
        if let Some(name) = inside(ADDRESS) {
            let found = pod(name)?.value.ip.clone();
            return found.ok_or_else(|| format!("pod {name} has no address yet"));
        }
        Ok(text.to_owned())
    }
}

/// Every word of a step that stands for something, and the pods that they are about.
pub fn words(step: &Step) -> Vec<(String, Option<NodeId>)> {
    let found = std::cell::RefCell::new(Vec::new());
    let note = |(context, namespace): &Place, text: &str| {
        let name = [UID, ADDRESS].iter().find_map(|head| {
            let inside = text.strip_prefix(head)?.strip_suffix('>')?;
            Some(inside.split_once(AFTER).map_or(inside, |(name, _)| name))
        });
        match name {
            Some(name) => {
                let node = NodeId::new(context.clone(), namespace, name);
                found.borrow_mut().push((text.to_owned(), Some(node)));
            }
            None if matches!(text, NOW | RUN) => found.borrow_mut().push((text.to_owned(), None)),
            None => {}
        }
        Ok(text.to_owned())
    };
    let _ = map_step(step.clone(), &note);
    found.into_inner()
}

/// Where the pods of a step are: context and namespace.
type Place = (ContextId, Arc<str>);
type Swap<'f> = &'f dyn Fn(&Place, &str) -> Result<String, String>;

fn map_step(mut step: Step, swap: Swap<'_>) -> Result<Step, String> {
    step.does = map_does(step.does, swap)?;
    step.unless = map_goals(step.unless, swap)?;
    Ok(step)
}

fn map_does(mut does: Does, swap: Swap<'_>) -> Result<Does, String> {
    match &mut does {
        Does::Command {
            node,
            uid,
            words,
            told_by,
            refuted_by,
            ..
        } => {
            let place = (node.context.clone(), node.namespace.clone());
            *uid = Arc::from(swap(&place, uid)?);
            for word in words {
                *word = swap(&place, word)?;
            }
            *told_by = map_goals(std::mem::take(told_by), swap)?;
            *refuted_by = map_goals(std::mem::take(refuted_by), swap)?;
        }
        Does::Run {
            node, uid, words, ..
        } => {
            let place = (node.context.clone(), node.namespace.clone());
            *uid = Arc::from(swap(&place, uid)?);
            for word in words {
                *word = swap(&place, word)?;
            }
        }
        Does::Patch {
            object, uid, patch, ..
        } => {
            let place = (object.context.clone(), object.namespace.clone());
            if let Some(uid) = uid {
                *uid = Arc::from(swap(&place, uid)?);
            }
            map_value(patch, &place, swap)?;
        }
        Does::DropClients { node, uid, .. } => {
            let place = (node.context.clone(), node.namespace.clone());
            *uid = Arc::from(swap(&place, uid)?);
        }
        Does::Delete { object, uid, .. } | Does::Evict { object, uid } => {
            let place = (object.context.clone(), object.namespace.clone());
            *uid = Arc::from(swap(&place, uid)?);
        }
        Does::Await(goals) => *goals = map_goals(std::mem::take(goals), swap)?,
    }
    Ok(does)
}

fn map_value(value: &mut Value, place: &Place, swap: Swap<'_>) -> Result<(), String> {
    match value {
        Value::String(text) => *text = swap(place, text)?,
        Value::Array(list) => {
            for value in list {
                map_value(value, place, swap)?;
            }
        }
        Value::Object(map) => {
            for value in map.values_mut() {
                map_value(value, place, swap)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn map_goals(goals: Vec<Goal>, swap: Swap<'_>) -> Result<Vec<Goal>, String> {
    goals.into_iter().map(|goal| map_goal(goal, swap)).collect()
}

fn map_goal(mut goal: Goal, swap: Swap<'_>) -> Result<Goal, String> {
    match &mut goal {
        Goal::PointsTo(node, uid, ip) => {
            let place = (node.context.clone(), node.namespace.clone());
            *uid = Arc::from(swap(&place, uid)?);
            *ip = swap(&place, ip)?;
        }
        Goal::EngineIs(node, uid, _)
        | Goal::StandsDown(node, uid, _)
        | Goal::LabelIs(node, uid, _) => {
            let place = (node.context.clone(), node.namespace.clone());
            *uid = Arc::from(swap(&place, uid)?);
        }
        // What is to be gone, or another one, is named by the uid that it has now.
        _ => {}
    }
    Ok(goal)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
    use serde_json::json;

    use super::*;
    use crate::actions::{ObjectId, Resource};
    use crate::domain::fixture::*;

    #[test]
    fn what_is_made_by_the_plan_is_put_in_once_it_is_there() {
        let f = healthy().build();
        let node = NodeId::new(infra(), "shop", "orders-1");
        let object = ObjectId::pod(&node);
        let step = Step::new(
            "note the address",
            Does::Patch {
                object,
                part: "",
                uid: Some(Arc::from("uid-orders-1")),
                patch: json!({"a": {"ip": "10.0.0.2", "other": "10.0.0.3", "at": NOW, "by": RUN}}),
            },
        );
        let patched = |step: &Step| match &step.does {
            Does::Patch { uid, patch, .. } => (uid.clone().unwrap(), patch["a"].clone()),
            _ => panic!("no patch"),
        };
        for (name, was, early, wanted) in [
            (
                "the one before is still there",
                "uid-orders-1",
                false,
                Err("pod orders-1 is not made anew yet"),
            ),
            (
                "it is taken for the other in a dry run",
                "uid-orders-1",
                true,
                Ok("10.0.0.2"),
            ),
        ] {
            let remade = [Remade {
                pod: "orders-1".to_owned(),
                uid: Arc::from(was),
                ip: Some("10.0.0.2".to_owned()),
            }];
            let planned = after(step.clone(), &remade);
            let (uid, values) = patched(&planned);
            assert_eq!(&*uid, "<uid of orders-1, not uid-orders-1>");
            assert_eq!(
                (&values["ip"], &values["other"]),
                (&json!("<address of orders-1>"), &json!("10.0.0.3"))
            );
            let filling = Filling {
                world: &f.world,
                now: now(),
                run: "r1",
                before: &BTreeMap::new(),
                early,
            };
            let filled = filling.step(&planned);
            match wanted {
                Err(why) => assert_eq!(filled.unwrap_err(), why, "{name}"),
                Ok(ip) => {
                    let (uid, values) = patched(&filled.unwrap());
                    assert_eq!(&*uid, "uid-orders-1", "{name}");
                    assert_eq!(values["ip"], json!(ip), "{name}");
                    assert_eq!(values["at"], json!("2026-01-02T12:00:00Z"));
                    assert_eq!(values["by"], json!("r1"));
                }
            }
        }
        assert_eq!(Resource::POD.kind, "Pod");
    }

    #[test]
    fn what_was_put_in_once_stays() {
        let f = healthy().build();
        let before = BTreeMap::from([(uid("orders-1", "x").to_string(), "kept".to_owned())]);
        let filling = Filling {
            world: &f.world,
            now: now(),
            run: "r1",
            before: &before,
            early: false,
        };
        let node = NodeId::new(infra(), "shop", "orders-1");
        let goal = |uid: Arc<str>| Goal::LabelIs(node.clone(), uid, None);
        assert_eq!(
            filling.goal(&goal(uid("orders-1", "x"))).unwrap(),
            goal(Arc::from("kept"))
        );
        // Another pod than the one of that uid stands there.
        assert_eq!(
            filling.goal(&goal(uid("orders-1", "y"))).unwrap(),
            goal(Arc::from("uid-orders-1"))
        );
    }
}
