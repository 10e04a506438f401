//! Accounts with rights of their own before a real control plane, and what its audit log tells of each of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};

use super::{FullRig, PATIENCE};

/// Where the accounts live: a namespace in which they have no rights.
const HOME: &str = "people";

/// One verb on one resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    pub verb: String,
    pub group: String,
    /// With its subresource: `pods/portforward`.
    pub resource: String,
    /// The one object that it is for.
    pub name: Option<String>,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)
    }
}

/// A role, as it is bound to an account.
#[derive(Debug, Clone)]
pub struct Role {
    pub name: String,
    /// Bound in this namespace; else over the whole cluster.
    pub within: Option<String>,
    pub rights: Vec<Right>,
    /// It is a Role of its namespace rather than a ClusterRole.
    pub is_local: bool,
}

impl Role {
    /// The role of that name as the API server has it, to be bound in a namespace or over the whole cluster.
    pub fn read(rig: &FullRig, plane: &str, name: &str, within: Option<&str>) -> Self {
        let json = rig.kubectl(plane, &["get", "clusterrole", name, "-o", "json"]);
        Self::of(&json, within, false)
    }

    /// The Role of that name in a namespace.
    pub fn read_local(rig: &FullRig, plane: &str, name: &str, namespace: &str) -> Self {
        let json = rig.kubectl(plane, &["get", "role", name, "-n", namespace, "-o", "json"]);
        Self::of(&json, Some(namespace), true)
    }

    fn of(json: &str, within: Option<&str>, is_local: bool) -> Self {
        let role: Value = serde_json::from_str(json).unwrap();
        let words = |rule: &Value, key: &str| -> Vec<String> {
            let list = rule[key].as_array().into_iter().flatten();
            list.map(|word| word.as_str().unwrap().to_owned()).collect()
        };
        let mut rights = Vec::new();
        for rule in role["rules"].as_array().unwrap() {
            let names = match rule.get("resourceNames") {
                Some(_) => words(rule, "resourceNames").into_iter().map(Some).collect(),
                None => vec![None],
            };
            for group in words(rule, "apiGroups") {
                for resource in words(rule, "resources") {
                    for verb in words(rule, "verbs") {
                        rights.extend(names.iter().map(|name| Right {
                            verb: verb.clone(),
                            group: group.clone(),
                            resource: resource.clone(),
                            name: name.clone(),
                        }));
                    }
                }
            }
        }
        Self {
            name: role["metadata"]["name"].as_str().unwrap().to_owned(),
            within: within.map(str::to_owned),
            rights,
            is_local,
        }
    }

    /// The same under another name, without one right.
    pub fn without(&self, right: &Right, name: &str) -> Self {
        let rights = self.rights.iter().filter(|one| *one != right);
        Self {
            name: name.to_owned(),
            rights: rights.cloned().collect(),
            ..self.clone()
        }
    }

    fn kind(&self) -> &'static str {
        match self.is_local {
            true => "Role",
            false => "ClusterRole",
        }
    }

    fn manifest(&self) -> Value {
        let rules: Vec<Value> = self.rights.iter().map(rule).collect();
        object(
            self.kind(),
            &self.name,
            self.local_home(),
            json!({"rules": rules}),
        )
    }

    fn local_home(&self) -> Option<&str> {
        self.within.as_deref().filter(|_| self.is_local)
    }

    fn binding(&self, name: &str, subject: Value) -> Value {
        let kind = match &self.within {
            Some(_) => "RoleBinding",
            None => "ClusterRoleBinding",
        };
        let body = json!({
            "roleRef": {"apiGroup": RBAC, "kind": self.kind(), "name": self.name},
            "subjects": [subject],
        });
        let name = format!("{name}-{}", self.name);
        object(kind, &name, self.within.as_deref(), body)
    }
}

const RBAC: &str = "rbac.authorization.k8s.io";

fn rule(right: &Right) -> Value {
    let mut rule = json!({
        "apiGroups": [right.group], "resources": [right.resource], "verbs": [right.verb],
    });
    if let Some(name) = &right.name {
        rule["resourceNames"] = json!([name]);
    }
    rule
}

fn object(kind: &str, name: &str, namespace: Option<&str>, body: Value) -> Value {
    let version = match kind {
        "ServiceAccount" | "Secret" | "Namespace" => "v1".to_owned(),
        _ => format!("{RBAC}/v1"),
    };
    let mut whole = json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}});
    if let Some(namespace) = namespace {
        whole["metadata"]["namespace"] = json!(namespace);
    }
    for (key, value) in body.as_object().unwrap() {
        match key.as_str() {
            "metadata" => whole["metadata"]["annotations"] = value["annotations"].clone(),
            _ => whole[key] = value.clone(),
        }
    }
    whole
}

/// An account to be made.
pub struct Account {
    pub name: String,
    /// Roles that are there already, or are made for it.
    pub roles: Vec<(Role, Made)>,
}

/// Where a role comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// It is there.
    Already,
    /// It is made with the account.
    Anew,
}

/// Accounts that were made, each with a kubeconfig of its own whose only context is that plane.
pub struct Accounts<'a> {
    rig: &'a FullRig,
    plane: &'static str,
    folder: PathBuf,
}

impl<'a> Accounts<'a> {
    /// Makes them, and waits until the API server knows of all their rights.
    pub fn make(rig: &'a FullRig, plane: &'static str, folder: &Path, all: &[Account]) -> Self {
        let mut items = vec![object("Namespace", HOME, None, json!({}))];
        for account in all {
            let name = &account.name;
            let token = json!({
                "type": "kubernetes.io/service-account-token",
                "metadata": {"annotations": {"kubernetes.io/service-account.name": name}},
            });
            items.push(object("ServiceAccount", name, Some(HOME), json!({})));
            items.push(object("Secret", name, Some(HOME), token));
            let subject = json!({"kind": "ServiceAccount", "name": name, "namespace": HOME});
            for (role, made) in &account.roles {
                if *made == Made::Anew {
                    items.push(role.manifest());
                }
                items.push(role.binding(name, subject.clone()));
            }
        }
        // What is made last is known last, kind by kind.
        let subject = json!({"apiGroup": RBAC, "kind": "User", "name": "last"});
        for (resource, within) in [("lasts", None), ("locals", Some("default"))] {
            let role = Role {
                name: resource.to_owned(),
                within: within.map(str::to_owned),
                rights: vec![Right {
                    verb: "get".to_owned(),
                    group: "example.com".to_owned(),
                    resource: resource.to_owned(),
                    name: None,
                }],
                is_local: within.is_some(),
            };
            items.push(role.manifest());
            items.push(role.binding("last", subject.clone()));
        }
        let file = folder.join("accounts.json");
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        std::fs::write(&file, list.to_string()).unwrap();
        let file = file.to_str().unwrap();
        rig.kubectl(plane, &["create", "--validate=false", "-f", file]);
        let accounts = Self {
            rig,
            plane,
            folder: folder.to_owned(),
        };
        accounts.know_their_rights();
        accounts.write_kubeconfigs(all.len());
        accounts
    }

    fn know_their_rights(&self) {
        for resource in ["lasts", "locals"] {
            let question = format!(
                r#"{{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","spec":{{"user":"last",
                "resourceAttributes":{{"verb":"get","group":"example.com","resource":"{resource}","namespace":"default"}}}}}}"#
            );
            let file = self.folder.join(resource);
            std::fs::write(&file, question).unwrap();
            let ask = ["create", "-o", "jsonpath={.status.allowed}", "-f"];
            let ask = [&ask[..], &[file.to_str().unwrap()]].concat();
            // Nothing tells when it knows: it is asked until it does.
            let begun = Instant::now();
            while self.rig.kubectl(self.plane, &ask) != "true" {
                assert!(begun.elapsed() < PATIENCE, "{resource} never came");
            }
        }
    }

    /// Tokens are put into their Secrets by a controller.
    fn write_kubeconfigs(&self, wanted: usize) {
        let template = "go-template={{range .items}}{{if .data}}{{.metadata.name}} \
                        {{.data.token|base64decode}}{{\"\\n\"}}{{end}}{{end}}";
        let ask = ["get", "secrets", "-n", HOME, "-o", template];
        let patience = format!("--timeout={}s", PATIENCE.as_secs());
        let there = ["wait", "secrets", "--all", "-n", HOME, &patience];
        let there = [&there[..], &["--for=jsonpath={.data.token}"]].concat();
        self.rig.kubectl(self.plane, &there);
        let tokens = self.rig.kubectl(self.plane, &ask);
        assert_eq!(tokens.lines().count(), wanted, "{tokens}");
        let ask = ["config", "view", "--raw", "--minify", "-o", "json"];
        let mut config: Value = serde_json::from_str(&self.rig.kubectl(self.plane, &ask)).unwrap();
        for line in tokens.lines() {
            let (name, token) = line.split_once(' ').unwrap();
            config["users"][0]["user"] = json!({"token": token});
            std::fs::write(self.kubeconfig(name), config.to_string()).unwrap();
        }
    }

    /// The kubeconfig of that account.
    pub fn kubeconfig(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.kubeconfig"))
    }

    /// What the audit log tells of every account so far.
    pub fn requests(&self) -> BTreeMap<String, Requests> {
        let log = std::fs::read_to_string(self.rig.audit_log(self.plane)).unwrap();
        let own = format!("system:serviceaccount:{HOME}:");
        let mut all: BTreeMap<String, Requests> = BTreeMap::new();
        // The last line may be half written.
        for line in log
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
        {
            if !line.contains(&own) {
                continue;
            }
            let event: Value = serde_json::from_str(line).unwrap();
            let user = event["user"]["username"].as_str().unwrap_or_default();
            if let Some(account) = user.strip_prefix(&own) {
                all.entry(account.to_owned()).or_default().take(&event);
            }
        }
        all
    }
}

/// What an account asked for, as the audit log has it.
#[derive(Debug, Default)]
pub struct Requests {
    /// Rights that were used, with the role that gave each: `list pods`, by `darner-see`.
    pub used: BTreeSet<(String, String)>,
    /// Rights that were missing, with the namespace: `list pods`, in none for the whole cluster.
    pub refused: BTreeSet<(String, Option<String>)>,
    /// Paths of no resource that were asked for.
    pub paths: BTreeSet<String>,
    /// Verbs that do more than read.
    pub writes: BTreeSet<String>,
}

impl Requests {
    fn take(&mut self, event: &Value) {
        let text = |path: &str| {
            event
                .pointer(path)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let verb = text("/verb").unwrap();
        let Some(resource) = text("/objectRef/resource") else {
            self.paths.insert(text("/requestURI").unwrap());
            return;
        };
        let resource = match text("/objectRef/subresource") {
            Some(sub) => format!("{resource}/{sub}"),
            None => resource,
        };
        let what = format!("{verb} {resource}");
        if !matches!(verb.as_str(), "get" | "list" | "watch") {
            self.writes.insert(what.clone());
        }
        let told = |name: &str| text(&format!("/annotations/authorization.k8s.io~1{name}"));
        match told("decision").unwrap().as_str() {
            "allow" => {
                let reason = told("reason").unwrap();
                // `RBAC: allowed by RoleBinding "x/shop" of ClusterRole "darner-see" to ServiceAccount "see/people"`
                let role = reason.split('"').nth(3).unwrap().to_owned();
                // A Role is told with its namespace.
                let role = role.split('/').next().unwrap().to_owned();
                self.used.insert((what, role));
            }
            _ => {
                self.refused.insert((what, text("/objectRef/namespace")));
            }
        }
    }

    /// Rights that were used, whoever gave them.
    pub fn rights(&self) -> BTreeSet<String> {
        self.used.iter().map(|(right, _)| right.clone()).collect()
    }
}
