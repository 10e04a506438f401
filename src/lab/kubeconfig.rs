//! The kubeconfig of a lab: the only way into it.

use std::fmt::Write as _;

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
}
