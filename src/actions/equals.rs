//! The command that each step equals: what one would type instead, with kubectl or redis-cli.

use std::fmt::Write as _;

use serde_json::Value;

use super::object::ObjectId;
use super::plan::{Does, MOMENT, Step, merges_lists};
use crate::domain::{ContextId, NodeId, text};

/// The annotation of a template by which `kubectl rollout restart` makes all its pods anew.
pub const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";

/// What one would type instead of the step, with the context that it is about. Waiting has none of its own.
pub fn equals(step: &Step) -> String {
    match &step.does {
        Does::Command { node, words, .. } => {
            let words: Vec<String> = words.iter().map(|word| text::shell_word(word)).collect();
            let exec = exec(node, "dragonfly");
            format!("{exec} redis-cli -p 9999 {}", words.join(" "))
        }
        Does::Run {
            node,
            container,
            words,
            ..
        } => {
            let words: Vec<String> = words.iter().map(|word| text::shell_word(word)).collect();
            format!("{} {}", exec(node, container), words.join(" "))
        }
        Does::DropClients { node, spare, .. } => {
            let exec = exec(node, "dragonfly");
            let spared = match spare.as_slice() {
                [] => String::new(),
                some => format!(" and {}", some.join(", ")),
            };
            format!(
                "{exec} redis-cli -p 9999 CLIENT KILL ADDR HOST:PORT  # for each of CLIENT LIST at the port for data, but of 127.0.0.1{spared}"
            )
        }
        Does::Patch {
            object,
            part,
            patch,
            ..
        } => at_the_moment(&patched(object, part, patch)),
        Does::Delete {
            object,
            grace,
            orphans,
            ..
        } => {
            let mut line = format!("{} delete {}", kubectl(object), object.spelled());
            match grace {
                Some(0) => line.push_str(" --grace-period=0 --force"),
                Some(grace) => {
                    let _ = write!(line, " --grace-period={grace}");
                }
                None => {}
            }
            if *orphans {
                line.push_str(" --cascade=orphan");
            }
            line.push_str(" --wait=false");
            line
        }
        Does::Evict { object, .. } => format!(
            "{} create --raw {}/eviction -f -  # {{\"apiVersion\":\"policy/v1\",\"kind\":\"Eviction\",\"metadata\":{{\"name\":\"{}\"}}}}",
            context(&object.context),
            object.path(),
            object.name
        ),
        Does::Await(goals) => {
            let words: Vec<String> = goals.iter().map(super::Goal::words).collect();
            format!("# wait until {}", words.join("; "))
        }
    }
}

/// The moment that a patch names is that of the one who types it. Every word with it stands in single quotes.
fn at_the_moment(line: &str) -> String {
    line.replace(MOMENT, "'\"$(date -u +%FT%TZ)\"'")
}

fn context(id: &ContextId) -> String {
    format!("kubectl --context {}", text::shell_word(id.as_str()))
}

fn kubectl(object: &ObjectId) -> String {
    let context = context(&object.context);
    match object.resource.namespaced {
        true => format!("{context} -n {}", object.namespace),
        false => context,
    }
}

fn exec(node: &NodeId, container: &str) -> String {
    format!(
        "{} -n {} exec {} -c {container} --",
        context(&node.context),
        node.namespace,
        node.pod
    )
}

/// A patch of labels or annotations alone reads better as what it is.
fn patched(object: &ObjectId, part: &str, patch: &Value) -> String {
    let kubectl = kubectl(object);
    let spelled = object.spelled();
    let scaled = patch.pointer("/spec/replicas").filter(|_| part == "scale");
    if let Some(replicas) = scaled {
        return format!("{kubectl} scale {spelled} --replicas={replicas}");
    }
    let template = "/spec/template/metadata/annotations";
    if patch
        .pointer(template)
        .and_then(|map| map.get(RESTARTED))
        .is_some()
    {
        return format!("{kubectl} rollout restart {spelled}");
    }
    if let Some(Value::Array(list)) = patch
        .pointer("/spec/template/spec/containers")
        .filter(|_| merges_lists(object, patch))
    {
        let images = list.iter().filter_map(|one| {
            let (name, image) = (one.get("name")?.as_str()?, one.get("image")?.as_str()?);
            Some(text::shell_word(&format!("{name}={image}")))
        });
        let images: Vec<String> = images.collect();
        return format!("{kubectl} set image {spelled} {}", images.join(" "));
    }
    let metadata = patch
        .get("metadata")
        .filter(|_| part.is_empty() && patch.as_object().is_some_and(|patch| patch.len() == 1));
    let mut lines = Vec::new();
    for (verb, field) in [("label", "labels"), ("annotate", "annotations")] {
        let Some(map) = metadata
            .and_then(|m| m.get(field))
            .and_then(Value::as_object)
        else {
            continue;
        };
        let words: Vec<String> = map
            .iter()
            .map(|(key, value)| match value.as_str() {
                Some(value) => text::shell_word(&format!("{key}={value}")),
                None => format!("{key}-"),
            })
            .collect();
        lines.push(format!(
            "{kubectl} {verb} --overwrite {spelled} {}",
            words.join(" ")
        ));
    }
    if !lines.is_empty() {
        return lines.join(" && ");
    }
    let part = match part {
        "" => String::new(),
        part => format!(" --subresource={part}"),
    };
    let patch = text::shell_word(&patch.to_string());
    format!("{kubectl} patch {spelled}{part} --type=merge -p {patch}")
}
