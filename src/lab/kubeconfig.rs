//! The kubeconfig of a lab: the only way into it.

use std::fmt::Write as _;

use serde_json::Value;

use super::json::{self, items};

/// One context: its name (which is also its cluster's), URL, user and token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// Name.
    pub name: String,
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    /// User name.
    pub user: String,
    /// Bearer token.
    pub token: String,
}

/// The file; the first context is the current one.
pub fn write(contexts: &[Context]) -> String {
    let mut text = String::from("apiVersion: v1\nkind: Config\npreferences: {}\n");
    let current = contexts
        .first()
        .map(|context| context.name.as_str())
        .unwrap_or_default();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "current-context: {current}\nclusters:");
    for Context { name, url, .. } in contexts {
        let _ = writeln!(text, "- name: {name}\n  cluster:\n    server: {url}");
    }
    let _ = writeln!(text, "contexts:");
    for Context { name, user, .. } in contexts {
        let _ = writeln!(
            text,
            "- name: {name}\n  context:\n    cluster: {name}\n    user: {user}"
        );
    }
    let _ = writeln!(text, "users:");
    for Context { user, token, .. } in contexts {
        let _ = writeln!(text, "- name: {user}\n  user:\n    token: {token}");
    }
    text
}

/// Whether a kubeconfig holds clusters of a lab and nothing else, also after `kubectl config` has written it anew. An
/// empty file holds nothing to lose.
pub fn is_a_labs(text: &str) -> bool {
    if text.trim().is_empty() {
        return true;
    }
    let Ok(file) = serde_saphyr::from_str::<Value>(text) else {
        return false;
    };
    let named = |list: &str| {
        let mut names = items(&file, list)
            .iter()
            .map(|one| json::text(one, "/name"))
            .peekable();
        names.peek().is_some() && names.all(|name| name.starts_with("lab-"))
    };
    let local = |one: &Value| json::text(one, "/cluster/server").starts_with("http://127.0.0.1:");
    named("/clusters")
        && named("/contexts")
        && named("/users")
        && items(&file, "/clusters").iter().all(local)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn clients_read_it() {
        let context = |name: &str| Context {
            name: name.into(),
            url: "http://127.0.0.1:1".into(),
            user: format!("{name}-admin"),
            token: "t0".into(),
        };
        let text = write(&[context("lab-infra"), context("lab-apps")]);
        let read = kube::config::Kubeconfig::from_yaml(&text).unwrap();
        assert_eq!(read.current_context.as_deref(), Some("lab-infra"));
        assert_eq!(read.contexts.len(), 2);
        assert_eq!(
            read.clusters
                .first()
                .unwrap()
                .cluster
                .as_ref()
                .unwrap()
                .server
                .as_deref(),
            Some("http://127.0.0.1:1")
        );
    }

    #[test]
    fn a_lab_knows_its_own_file() {
        let context = |name: &str| Context {
            name: name.into(),
            url: "http://127.0.0.1:1".into(),
            user: format!("{name}-admin"),
            token: "t0".into(),
        };
        let ours = write(&[context("lab-infra"), context("lab-apps")]);
        let read = kube::config::Kubeconfig::from_yaml(&ours).unwrap();
        let again = serde_json::to_string(&read).unwrap();
        let own = ours.replace("lab-apps", "eu-prod");
        let elsewhere = ours.replace("http://127.0.0.1:1", "https://api.example");
        for (text, wanted) in [
            (ours.as_str(), true),
            (&again, true),
            ("", true),
            ("\n", true),
            (&own, false),
            (&elsewhere, false),
            ("apiVersion: v1\nkind: Config\n", false),
            ("notes of mine", false),
            (": {", false),
        ] {
            assert_eq!(is_a_labs(text), wanted, "{text}");
        }
    }
}
