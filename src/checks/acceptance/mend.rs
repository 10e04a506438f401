//! Manifests that mend: the least that a server-side apply needs, with its reason as comments.
//!
//! `kubectl apply --server-side` merges what is written and leaves the rest, but for lists without keys, which it replaces: of
//! `spec.args` all are written therefore.

use super::flags::{Flag, flags};
use crate::domain::InstanceId;
use crate::domain::object::Dragonfly;

/// A patch of the Dragonfly object: the lines under `spec`, without their indent, and why.
pub(super) fn dragonfly(id: &InstanceId, why: &[&str], spec: &[String]) -> String {
    let mut text = String::new();
    for line in why {
        text.push_str(&format!("# {line}\n"));
    }
    text.push_str(&format!(
        "# Where GitOps owns this object, change it there; else:\n# kubectl --context {} apply --server-side --field-manager=darner-remedy -f -\n",
        id.context
    ));
    text.push_str("apiVersion: dragonflydb.io/v1alpha1\nkind: Dragonfly\nmetadata:\n");
    text.push_str(&format!(
        "  name: {}\n  namespace: {}\nspec:\n",
        quoted(&id.name),
        quoted(&id.namespace)
    ));
    for line in spec {
        text.push_str(&format!("  {line}\n"));
    }
    text
}

/// A patch of all arguments: those of the object but for what `keeps` leaves out, and these beside. `None` where one of them
/// may hold a secret, which is written nowhere.
pub(super) fn arguments(
    id: &InstanceId,
    object: &Dragonfly,
    why: &[&str],
    keeps: impl Fn(&[Flag], usize) -> bool,
    beside: &[String],
) -> Option<String> {
    /// Words in the names of flags whose values are secrets.
    const SECRET: &[&str] = &["pass", "auth", "secret", "token"];
    let all = flags(&object.args);
    let is_secret =
        |flag: &Flag| flag.value.is_some() && SECRET.iter().any(|word| flag.name.contains(word));
    if all
        .iter()
        .any(|flag| is_secret(flag) && flag.name != "admin_nopass")
    {
        return None;
    }
    let kept = (0..all.len()).filter(|at| keeps(&all, *at));
    let kept = kept.filter_map(|at| all.get(at)).map(Flag::words);
    let lines: Vec<String> = kept.chain(beside.iter().cloned()).collect();
    let spec: Vec<String> = match lines.is_empty() {
        true => vec!["args: []".to_owned()],
        false => std::iter::once("args:".to_owned())
            .chain(lines.iter().map(|line| format!("  - {}", quoted(line))))
            .collect(),
    };
    let whole = "A list is replaced as a whole: these are all arguments that it is to have.";
    let why: Vec<&str> = why.iter().copied().chain([whole]).collect();
    Some(dragonfly(id, &why, &spec))
}

/// A text as YAML takes it whatever it holds: that of JSON where it is more than plain words.
pub(super) fn quoted(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '/'));
    // Words that YAML takes for something else.
    let is_odd = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word));
    match is_plain && !is_odd {
        true => text.to_owned(),
        false => serde_json::Value::from(text).to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::domain::ContextId;

    fn id() -> InstanceId {
        InstanceId::new(ContextId::new("infra"), "shop", "orders")
    }

    fn read(manifest: &str) -> serde_json::Value {
        serde_saphyr::from_str(manifest).unwrap()
    }

    #[test]
    fn a_manifest_is_yaml_that_says_no_more_than_it_must() {
        let told = dragonfly(&id(), &["Why."], &["replicas: 3".to_owned()]);
        assert!(told.starts_with("# Why.\n"), "{told}");
        assert_eq!(
            read(&told),
            serde_json::json!({
                "apiVersion": "dragonflydb.io/v1alpha1", "kind": "Dragonfly",
                "metadata": {"name": "orders", "namespace": "shop"}, "spec": {"replicas": 3},
            })
        );
    }

    #[test]
    fn arguments_are_written_as_a_whole_and_secrets_nowhere() {
        let with = |args: &[&str]| Dragonfly {
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            ..Dragonfly::default()
        };
        let made = |args: &[&str]| {
            let beside = ["--dbfilename=dump".to_owned()];
            let all = |flags: &[Flag], at: usize| flags[at].name != "gone";
            arguments(&id(), &with(args), &[], all, &beside)
        };
        for (args, wanted) in [
            (&[] as &[&str], vec!["--dbfilename=dump"]),
            (
                &["--a=1", "--gone", "--b", "2: #x"],
                vec!["--a=1", "--b=2: #x", "--dbfilename=dump"],
            ),
        ] {
            let told = read(&made(args).unwrap());
            assert_eq!(told["spec"]["args"], serde_json::json!(wanted));
        }
        assert_eq!(made(&["--requirepass=hunter2"]), None);
        assert!(made(&["--admin_nopass=true"]).is_some());
    }

    #[test]
    fn every_text_comes_back_as_it_was() {
        for text in [
            "a", "no", "1", "--x=y", "a: b", "\"q\"", "", "a/b.c-d", "*x", "Off",
        ] {
            let back: serde_json::Value =
                serde_saphyr::from_str(&format!("a: {}", quoted(text))).unwrap();
            assert_eq!(back["a"], text);
        }
    }
}
