//! Who asks, and what they may.
//!
//! A simple rule set instead of RBAC objects: what is granted, minus what a scenario denies. Everybody may do everything
//! until a scenario says otherwise.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use hyper::header::{AUTHORIZATION, HeaderMap};
use serde_json::{Value, json};

use crate::lab::resources::{GroupResource, Resource};
use crate::lab::status::Status;

/// Who a request without a token is from.
pub const DEFAULT_USER: &str = "lab-user";

/// What everybody who is known may create: questions about themselves.
const BASIC: &[(&str, &[&str])] = &[
    (
        "authorization.k8s.io",
        &["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
    ),
    ("authentication.k8s.io", &["selfsubjectreviews"]),
];

/// Paths that everybody may read.
const OPEN: &[&str] = &[
    "/api",
    "/api/*",
    "/apis",
    "/apis/*",
    "/healthz",
    "/livez",
    "/openapi",
    "/openapi/*",
    "/readyz",
    "/version",
    "/version/",
];

/// The author of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// User name.
    pub name: String,
    /// Groups.
    pub groups: Vec<String>,
}

/// What a request wants to do, as an authorizer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt<'a> {
    /// Kubernetes verb.
    pub verb: &'a str,
    /// Kind.
    pub what: GroupResource<'a>,
    /// Subresource, or empty.
    pub subresource: &'a str,
    /// Namespace; empty at the cluster scope.
    pub namespace: &'a str,
    /// Object, or empty.
    pub name: &'a str,
}

/// A set of attempts. Empty lists mean "any".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Right {
    /// Whose; empty for everybody.
    pub users: Vec<String>,
    /// Verbs.
    pub verbs: Vec<String>,
    /// API groups.
    pub groups: Vec<String>,
    /// Plurals, or `plural/subresource`. A bare plural does not include its subresources.
    pub resources: Vec<String>,
    /// Namespaces. `Some("")` is the cluster scope alone; `None` is everywhere.
    pub namespace: Option<String>,
    /// Object names.
    pub names: Vec<String>,
}

/// A kind, or a subresource of one, and the verbs that the server has for it.
#[derive(Clone, Debug)]
pub(super) struct Served {
    pub(super) resource: Arc<Resource>,
    /// Empty for the kind itself.
    pub(super) subresource: &'static str,
    pub(super) verbs: &'static [&'static str],
}

/// Who is known and what they may. Shared with the server: changes hold from the next request.
#[derive(Clone, Debug)]
pub struct Rights(Arc<RwLock<Rules>>);

#[derive(Debug)]
struct Rules {
    tokens: BTreeMap<String, User>,
    granted: Vec<Right>,
    denied: Vec<Right>,
}

impl Rules {
    /// A rule for each set of verbs that is allowed on kinds of a group.
    fn left(&self, user: &User, namespace: &str, served: &[Served]) -> Vec<Value> {
        let mut rules: BTreeMap<(String, Vec<&str>), Vec<String>> = BTreeMap::new();
        for one in served {
            let what = one.resource.id();
            let may = |verb: &str| {
                let attempt = Attempt {
                    verb,
                    what,
                    subresource: one.subresource,
                    namespace,
                    name: "",
                };
                let covers = |right: &Right| right.covers(user, &attempt);
                self.granted.iter().any(covers) && !self.denied.iter().any(covers)
            };
            let mut verbs: Vec<&str> = one.verbs.iter().copied().filter(|verb| may(verb)).collect();
            verbs.sort_unstable();
            if verbs.is_empty() {
                continue;
            }
            let name = match one.subresource {
                "" => what.plural.to_owned(),
                sub => format!("{}/{sub}", what.plural),
            };
            let key = (what.group.to_owned(), verbs);
            rules.entry(key).or_default().push(name);
        }
        rules
            .into_iter()
            .map(|((group, verbs), resources)| {
                json!({ "verbs": verbs, "apiGroups": [group], "resources": resources })
            })
            .collect()
    }
}

impl Default for Rights {
    fn default() -> Self {
        Self(Arc::new(RwLock::new(Rules {
            tokens: BTreeMap::new(),
            granted: vec![Right::default()],
            denied: Vec::new(),
        })))
    }
}

impl Right {
    /// Everything in one namespace.
    pub fn in_namespace(namespace: &str) -> Self {
        Self {
            namespace: Some(namespace.to_owned()),
            ..Self::default()
        }
    }

    /// Some verbs on one kind, everywhere. `resource` may be `pods/portforward`.
    pub fn on(group: &str, resource: &str, verbs: &[&str]) -> Self {
        Self {
            groups: vec![group.to_owned()],
            resources: vec![resource.to_owned()],
            verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(),
            ..Self::default()
        }
    }

    /// Whether it covers an attempt.
    pub fn covers(&self, user: &User, attempt: &Attempt<'_>) -> bool {
        let any = |list: &[String], value: &str| {
            list.is_empty() || list.iter().any(|one| one == value || one == "*")
        };
        let full = if attempt.subresource.is_empty() {
            attempt.what.plural.to_owned()
        } else {
            format!("{}/{}", attempt.what.plural, attempt.subresource)
        };
        let who = self.users.is_empty()
            || self.users.contains(&user.name)
            || self.users.iter().any(|one| user.groups.contains(one));
        who && any(&self.verbs, attempt.verb)
            && any(&self.groups, attempt.what.group)
            && any(&self.resources, &full)
            && any(&self.names, attempt.name)
            && self
                .namespace
                .as_ref()
                .is_none_or(|namespace| namespace == attempt.namespace)
    }
}

impl Rights {
    /// Makes a bearer token known. From then on unknown tokens are answered 401.
    pub fn add_token(&self, token: &str, user: &str) {
        let user = User {
            name: user.to_owned(),
            groups: vec!["system:authenticated".to_owned()],
        };
        self.write(|rules| {
            rules.tokens.insert(token.to_owned(), user);
        });
    }

    /// Forgets a bearer token: requests with it are answered 401 while any other token is known.
    pub fn revoke_token(&self, token: &str) {
        self.write(|rules| {
            rules.tokens.insert(
                "\u{0}revoked".to_owned(),
                User {
                    name: String::new(),
                    groups: Vec::new(),
                },
            );
            rules.tokens.remove(token);
        });
    }

    /// Replaces everything that is granted.
    pub fn grant_only(&self, rights: Vec<Right>) {
        self.write(|rules| rules.granted = rights);
    }

    /// Denies something on top.
    pub fn deny(&self, right: Right) {
        self.write(|rules| rules.denied.push(right));
    }

    /// Back to the beginning: everybody may do everything. Tokens stay.
    pub fn reset(&self) {
        self.write(|rules| {
            rules.granted = vec![Right::default()];
            rules.denied.clear();
        });
    }

    /// Whether an attempt is allowed.
    pub fn allows(&self, user: &User, attempt: &Attempt<'_>) -> bool {
        let rules = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let basic = attempt.verb == "create"
            && BASIC.iter().any(|(group, all)| {
                *group == attempt.what.group && all.contains(&attempt.what.plural)
            });
        !rules.denied.iter().any(|right| right.covers(user, attempt))
            && (basic
                || rules
                    .granted
                    .iter()
                    .any(|right| right.covers(user, attempt)))
    }

    /// Nothing, or 403 in the words of an API server.
    pub(super) fn check(&self, user: &User, attempt: &Attempt<'_>) -> Result<(), Status> {
        if self.allows(user, attempt) {
            return Ok(());
        }
        let Attempt {
            verb,
            what,
            subresource,
            namespace,
            name,
        } = *attempt;
        Err(Status::forbidden(
            &user.name,
            verb,
            what,
            subresource,
            namespace,
            name,
        ))
    }

    /// Who sent these headers; 401 for a token that is not known.
    pub(super) fn identify(&self, headers: &HeaderMap) -> Result<User, Status> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let token = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.strip_prefix("Bearer "))
            .map(str::trim);
        let rules = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let default = User {
            name: DEFAULT_USER.to_owned(),
            groups: vec!["system:authenticated".to_owned()],
        };
        let user = match token {
            Some(token) if !rules.tokens.is_empty() => rules
                .tokens
                .get(token)
                .cloned()
                .ok_or_else(Status::unauthorized)?,
            _ => default,
        };
        Ok(match header("impersonate-user") {
            Some(name) => {
                let mut groups: Vec<String> = headers
                    .get_all("impersonate-group")
                    .iter()
                    .filter_map(|value| value.to_str().ok())
                    .map(str::to_owned)
                    .collect();
                // Whoever is impersonated has logged in, as an API server sees it.
                let known = "system:authenticated";
                if name != "system:anonymous" && !groups.iter().any(|group| group == known) {
                    groups.push(known.to_owned());
                }
                User {
                    name: name.to_owned(),
                    groups,
                }
            }
            None => user,
        })
    }

    /// Answers `SelfSubjectAccessReview`, `SelfSubjectRulesReview` and `SelfSubjectReview`. `served` is what there is to
    /// have rights on.
    pub(super) fn review(
        &self,
        kind: &str,
        user: &User,
        mut review: Value,
        served: &[Served],
        now: &str,
    ) -> Value {
        let status = match kind {
            "SelfSubjectAccessReview" => self.review_access(user, &review),
            "SelfSubjectRulesReview" => self.review_rules(user, &review, served),
            _ => {
                json!({ "userInfo": { "username": user.name, "uid": user.name, "groups": user.groups } })
            }
        };
        if let Some(map) = review.as_object_mut() {
            let made = if kind == "SelfSubjectReview" {
                json!(now)
            } else {
                Value::Null
            };
            map.insert("metadata".into(), json!({ "creationTimestamp": made }));
            map.insert("status".into(), status);
            if kind == "SelfSubjectRulesReview" {
                map.insert("spec".into(), json!({}));
            }
        }
        // Go leaves empty texts out.
        if let Some(asked) = review
            .pointer_mut("/spec/resourceAttributes")
            .and_then(Value::as_object_mut)
        {
            asked.retain(|_, value| value != "");
        }
        review
    }

    fn review_access(&self, user: &User, review: &Value) -> Value {
        let Some(asked) = review.pointer("/spec/resourceAttributes") else {
            // Paths that are no objects (`/version`, `/healthz`) are open to everybody.
            return json!({ "allowed": true });
        };
        let text = |key: &str| asked.get(key).and_then(Value::as_str).unwrap_or_default();
        let attempt = Attempt {
            verb: text("verb"),
            what: GroupResource::new(text("group"), text("resource")),
            subresource: text("subresource"),
            namespace: text("namespace"),
            name: text("name"),
        };
        json!({ "allowed": self.allows(user, &attempt) })
    }

    fn review_rules(&self, user: &User, review: &Value, served: &[Served]) -> Value {
        let namespace = review
            .pointer("/spec/namespace")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let rules = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let star = |list: &[String]| {
            if list.is_empty() {
                json!(["*"])
            } else {
                json!(list)
            }
        };
        let mine = |right: &&Right| {
            let who = right.users.is_empty()
                || right.users.contains(&user.name)
                || right.users.iter().any(|one| user.groups.contains(one));
            who && right.namespace.as_ref().is_none_or(|of| of == namespace)
        };
        let basic = BASIC.iter().map(|(group, resources)| {
            json!({ "verbs": ["create"], "apiGroups": [group], "resources": resources })
        });
        let granted = rules.granted.iter().filter(mine).map(|right| {
            let mut rule = json!({
                "verbs": star(&right.verbs),
                "apiGroups": star(&right.groups),
                "resources": star(&right.resources),
            });
            if let (false, Some(map)) = (right.names.is_empty(), rule.as_object_mut()) {
                map.insert("resourceNames".into(), json!(right.names));
            }
            rule
        });
        let denied = || rules.denied.iter().filter(mine);
        // RBAC knows no denial: what is left of the grants is spelled out.
        let granted: Vec<Value> = match denied().next() {
            None => granted.collect(),
            Some(_) => rules.left(user, namespace, served),
        };
        json!({
            "resourceRules": basic.chain(granted).collect::<Vec<_>>(),
            "nonResourceRules": [{ "verbs": ["get"], "nonResourceURLs": OPEN }],
            // A rule cannot except single objects.
            "incomplete": denied().any(|right| !right.names.is_empty()),
        })
    }

    fn write(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::lab::resources::{DEPLOYMENTS, PODS};

    fn lab_user() -> User {
        Rights::default().identify(&HeaderMap::new()).unwrap()
    }

    fn attempt<'a>(
        verb: &'a str,
        what: GroupResource<'a>,
        subresource: &'a str,
        namespace: &'a str,
    ) -> Attempt<'a> {
        Attempt {
            verb,
            what,
            subresource,
            namespace,
            name: "",
        }
    }

    #[test]
    fn rights_are_grants_minus_denials() {
        let rights = Rights::default();
        let user = lab_user();
        assert!(rights.allows(&user, &attempt("list", PODS, "", "")));
        rights.deny(Right::on("", "pods/portforward", &[]));
        assert!(!rights.allows(&user, &attempt("create", PODS, "portforward", "a")));
        assert!(rights.allows(&user, &attempt("create", PODS, "", "a")));
        rights.grant_only(vec![
            Right::in_namespace("a"),
            Right::on("apps", "deployments", &["get", "list"]),
        ]);
        let table = [
            (attempt("list", PODS, "", "a"), true),
            (attempt("list", PODS, "", "b"), false),
            (attempt("list", PODS, "", ""), false),
            (attempt("list", DEPLOYMENTS, "", ""), true),
            (attempt("patch", DEPLOYMENTS, "", "b"), false),
        ];
        for (attempt, allowed) in table {
            assert_eq!(rights.allows(&user, &attempt), allowed, "{attempt:?}");
        }
        rights.reset();
        assert!(rights.allows(&user, &attempt("create", PODS, "portforward", "a")));
    }

    #[test]
    fn tokens_name_users() {
        let rights = Rights::default();
        let with = |token: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
            rights
                .identify(&headers)
                .map(|user| user.name)
                .map_err(|status| status.code)
        };
        assert_eq!(with("any"), Ok(DEFAULT_USER.to_owned()));
        rights.add_token("t1", "ada");
        assert_eq!(with("t1"), Ok("ada".to_owned()));
        assert_eq!(with("any"), Err(401));
        rights.revoke_token("t1");
        assert_eq!(with("t1"), Err(401));
    }

    #[test]
    fn reviews_tell_the_same_as_requests() {
        let rights = Rights::default();
        rights.deny(Right::on("", "pods", &["delete"]));
        let ask = |verb: &str| {
            let review = json!({"spec": {"resourceAttributes": {"verb": verb, "resource": "pods", "namespace": "a"}}});
            rights
                .review("SelfSubjectAccessReview", &lab_user(), review, &[], "now")
                .pointer("/status/allowed")
                .cloned()
                .unwrap()
        };
        assert_eq!((ask("get"), ask("delete")), (json!(true), json!(false)));
        let pods = crate::lab::resources::built_in()
            .into_iter()
            .find(|one| one.id() == PODS);
        let resource = Arc::new(pods.unwrap());
        let served = |subresource, verbs| Served {
            resource: Arc::clone(&resource),
            subresource,
            verbs,
        };
        let served = [
            served("", &["delete", "get", "list"]),
            served("exec", &["create"]),
        ];
        let rules = || {
            let asked = json!({"spec": {"namespace": "a"}});
            let kind = "SelfSubjectRulesReview";
            let mut answer = rights.review(kind, &lab_user(), asked, &served, "now");
            let status = answer["status"].take();
            assert_eq!(status["incomplete"], json!(false));
            let rules = status["resourceRules"].as_array().unwrap().clone();
            rules.into_iter().skip(BASIC.len()).collect::<Vec<_>>()
        };
        let rule = |verbs: &[&str], resources: &[&str]| json!({"verbs": verbs, "apiGroups": [""], "resources": resources});
        let wanted = [
            rule(&["create"], &["pods/exec"]),
            rule(&["get", "list"], &["pods"]),
        ];
        assert_eq!(rules(), wanted);
        rights.deny(Right::on("", "pods/exec", &[]));
        assert_eq!(rules(), [rule(&["get", "list"], &["pods"])]);
        rights.reset();
        let all = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]});
        assert_eq!(rules(), [all]);
    }

    #[test]
    fn whoever_is_impersonated_counts_as_logged_in() {
        let groups = |user: &str, given: &[&str]| {
            let mut headers = HeaderMap::new();
            headers.insert("impersonate-user", user.parse().unwrap());
            for group in given {
                headers.append("impersonate-group", group.parse().unwrap());
            }
            Rights::default().identify(&headers).unwrap().groups
        };
        assert_eq!(groups("ada", &[]), ["system:authenticated"]);
        assert_eq!(groups("ada", &["ops"]), ["ops", "system:authenticated"]);
        assert_eq!(
            groups("ada", &["system:authenticated"]),
            ["system:authenticated"]
        );
        assert!(groups("system:anonymous", &[]).is_empty());
    }
}
