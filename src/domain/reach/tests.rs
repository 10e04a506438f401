#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::domain::object::Meta;
use crate::domain::want::{Foreign, ForeignObject};

fn labels(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = pairs.iter();
    pairs
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// A pod in `infra`.
fn pod(namespace: &str, own: &[(&str, &str)]) -> End {
    End {
        cluster: Some(Arc::from("infra-eu")),
        namespace_labels: Some(labels(&[("team", namespace)]).into_iter().collect()),
        ports: Some(vec![("redis".to_owned(), 6379), ("admin".to_owned(), 9999)]),
        ..End::pod(&ContextId::new("infra"), namespace, labels(own))
    }
}

fn database() -> End {
    pod("db", &[("app", "orders")])
}

fn elsewhere(mut end: End) -> End {
    end.context = ContextId::new("apps");
    end.cluster = Some(Arc::from("apps-eu"));
    end
}

fn object(what: Foreign, namespace: &str, name: &str, body: Value) -> (Foreign, ForeignObject) {
    let meta = Meta {
        namespace: Arc::from(namespace),
        name: Arc::from(name),
        ..Meta::default()
    };
    (what, ForeignObject { meta, body })
}

fn plain(namespace: &str, name: &str, spec: Value) -> (Foreign, ForeignObject) {
    object(
        Foreign::NetworkPolicy,
        namespace,
        name,
        json!({"spec": spec}),
    )
}

fn cilium(namespace: &str, name: &str, spec: Value) -> (Foreign, ForeignObject) {
    object(
        Foreign::CiliumNetworkPolicy,
        namespace,
        name,
        json!({"spec": spec}),
    )
}

fn wide(name: &str, spec: Value) -> (Foreign, ForeignObject) {
    object(
        Foreign::CiliumClusterwideNetworkPolicy,
        "",
        name,
        json!({"spec": spec}),
    )
}

fn settings(change: impl Fn(&mut CiliumSettings)) -> Network {
    let mut settings = CiliumSettings {
        cluster: Some(Arc::from("infra-eu")),
        local_by_default: Some(false),
        ..CiliumSettings::default()
    };
    change(&mut settings);
    Network {
        cilium: Cilium::Present(settings),
    }
}

fn without_cilium() -> Network {
    Network {
        cilium: Cilium::Absent,
    }
}

fn policies(network: Network, all: &[(Foreign, ForeignObject)]) -> Policies {
    let mut policies = Policies::new(network);
    for (what, object) in all {
        policies.add(*what, object);
    }
    policies
}

fn arrives(policies: &Policies, from: &End, port: u16) -> Side {
    let to = database();
    reach(
        (from, &Policies::new(without_cilium())),
        (&to, policies),
        port,
        Protocol::Tcp,
    )
    .ingress
}

fn leaves(policies: &Policies, to: &End, port: u16, protocol: Protocol) -> Side {
    let from = database();
    reach(
        (&from, policies),
        (to, &Policies::new(without_cilium())),
        port,
        protocol,
    )
    .egress
}

#[test]
fn plain_policies_open_close_and_add_up() {
    let web = pod("shop", &[("app", "web")]);
    let job = pod("shop", &[("app", "job")]);
    let beside = pod("db", &[("app", "tool")]);
    let from = |from: Value| json!({"podSelector": {"matchLabels": {"app": "orders"}}, "ingress": [{"from": from, "ports": [{"port": 6379}]}]});
    let closed = plain("db", "closed", json!({"podSelector": {}}));
    for (name, all, peer, port, wanted) in [
        (
            "nothing",
            vec![],
            &web,
            6379,
            "ingress at infra: no policy selects it, so it is open",
        ),
        (
            "another pod's",
            vec![plain(
                "db",
                "a",
                json!({"podSelector": {"matchLabels": {"app": "carts"}}}),
            )],
            &web,
            6379,
            "ingress at infra: no policy selects it, so it is open",
        ),
        (
            "another namespace's",
            vec![plain("shop", "a", json!({"podSelector": {}}))],
            &web,
            6379,
            "ingress at infra: no policy selects it, so it is open",
        ),
        (
            "about egress alone",
            vec![plain(
                "db",
                "a",
                json!({"podSelector": {}, "policyTypes": ["Egress"]}),
            )],
            &web,
            6379,
            "ingress at infra: no policy selects it, so it is open",
        ),
        (
            "closed",
            vec![closed.clone()],
            &web,
            6379,
            "ingress at infra: NetworkPolicy db/closed selects it, and no rule admits it",
        ),
        (
            "a podSelector alone is of its own namespace",
            vec![plain("db", "a", from(json!([{"podSelector": {}}])))],
            &web,
            6379,
            "ingress at infra: NetworkPolicy db/a selects it, and no rule admits it",
        ),
        (
            "and admits that",
            vec![plain("db", "a", from(json!([{"podSelector": {}}])))],
            &beside,
            6379,
            "ingress at infra: admitted by ingress rule 1 of NetworkPolicy db/a",
        ),
        (
            "rules add up",
            vec![
                closed.clone(),
                plain(
                    "db",
                    "a",
                    from(json!([{"namespaceSelector": {"matchLabels": {"team": "shop"}}}])),
                ),
            ],
            &web,
            6379,
            "ingress at infra: admitted by ingress rule 1 of NetworkPolicy db/a",
        ),
        (
            "a namespace by the label of its name",
            vec![plain(
                "db",
                "a",
                from(
                    json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}}]),
                ),
            )],
            &web,
            6379,
            "ingress at infra: admitted by ingress rule 1 of NetworkPolicy db/a",
        ),
        (
            "both in one peer must hold",
            vec![plain(
                "db",
                "a",
                from(
                    json!([{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "web"}}}]),
                ),
            )],
            &job,
            6379,
            "ingress at infra: NetworkPolicy db/a selects it, and no rule admits it",
        ),
        (
            "of two peers either will do",
            vec![plain(
                "db",
                "a",
                from(
                    json!([{"namespaceSelector": {}}, {"podSelector": {"matchLabels": {"app": "web"}}}]),
                ),
            )],
            &job,
            6379,
            "ingress at infra: admitted by ingress rule 1 of NetworkPolicy db/a",
        ),
        (
            "another port",
            vec![plain("db", "a", from(json!([{"namespaceSelector": {}}])))],
            &web,
            9999,
            "ingress at infra: NetworkPolicy db/a selects it, and no rule admits it",
        ),
        (
            "no peers are all peers",
            vec![plain(
                "db",
                "a",
                json!({"podSelector": {}, "ingress": [{}]}),
            )],
            &web,
            9999,
            "ingress at infra: admitted by ingress rule 1 of NetworkPolicy db/a",
        ),
        (
            "a port by name",
            vec![plain(
                "db",
                "a",
                json!({"podSelector": {}, "ingress": [{"ports": [{"port": "admin"}]}]}),
            )],
            &web,
            9999,
            "ingress at infra: admitted by ingress rule 1 of NetworkPolicy db/a",
        ),
        (
            "a range of ports",
            vec![plain(
                "db",
                "a",
                json!({"podSelector": {}, "ingress": [{"ports": [{"port": 9000, "endPort": 10000}]}]}),
            )],
            &web,
            9999,
            "ingress at infra: admitted by ingress rule 1 of NetworkPolicy db/a",
        ),
        (
            "another protocol",
            vec![plain(
                "db",
                "a",
                json!({"podSelector": {}, "ingress": [{"ports": [{"port": 6379, "protocol": "UDP"}]}]}),
            )],
            &web,
            6379,
            "ingress at infra: NetworkPolicy db/a selects it, and no rule admits it",
        ),
        (
            "a requirement that nobody knows",
            vec![plain(
                "db",
                "a",
                from(
                    json!([{"podSelector": {"matchExpressions": [{"key": "app", "operator": "Near", "values": ["x"]}]}}]),
                ),
            )],
            &beside,
            6379,
            "ingress at infra cannot be told: ingress rule 1 of NetworkPolicy db/a: the requirement {\"key\":\"app\",\"operator\":\"Near\",\"values\":[\"x\"]} is not understood",
        ),
    ] {
        let policies = policies(without_cilium(), &all);
        assert_eq!(arrives(&policies, peer, port).words(), wanted, "{name}");
    }
}

#[test]
fn blocks_of_addresses_are_for_what_the_network_applies_them_to() {
    let block = |cidr: &str, except: &[&str]| {
        plain(
            "db",
            "a",
            json!({"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": cidr, "except": except}}]}]}),
        )
    };
    let mut web = pod("shop", &[]);
    web.address = Some("10.1.2.3".parse().unwrap());
    let unknown = pod("shop", &[]);
    use Outcome::{Allowed, Denied, Unknown};
    for (network, block, from, wanted) in [
        (without_cilium(), block("10.0.0.0/8", &[]), &web, Allowed),
        (
            without_cilium(),
            block("10.0.0.0/8", &["10.1.0.0/16"]),
            &web,
            Denied,
        ),
        (without_cilium(), block("192.168.0.0/16", &[]), &web, Denied),
        (
            without_cilium(),
            block("10.0.0.0/8", &[]),
            &unknown,
            Unknown,
        ),
        (without_cilium(), block("0.0.0.0/0", &[]), &unknown, Allowed),
        (without_cilium(), block("nonsense", &[]), &web, Unknown),
        (settings(|_| {}), block("0.0.0.0/0", &[]), &web, Denied),
        (
            settings(|_| {}),
            block("0.0.0.0/0", &[]),
            &elsewhere(web.clone()),
            Unknown,
        ),
        (Network::default(), block("10.0.0.0/8", &[]), &web, Unknown),
        (
            Network::default(),
            block("192.168.0.0/16", &[]),
            &web,
            Denied,
        ),
    ] {
        let policies = policies(network.clone(), std::slice::from_ref(&block));
        let side = arrives(&policies, from, 6379);
        assert_eq!(
            side.outcome,
            wanted,
            "{network:?} {block:?} {}",
            side.words()
        );
    }
}

#[test]
fn cilium_s_policies_mean_what_cilium_says() {
    let web = pod("shop", &[("app", "web")]);
    let beside = pod("db", &[("app", "tool")]);
    let ingress = |rules: Value| json!({"endpointSelector": {}, "ingress": rules});
    let to = |peers: Value| json!([{"fromEndpoints": peers, "toPorts": [{"ports": [{"port": "6379", "protocol": "TCP"}]}]}]);
    use Outcome::{Allowed, Denied, Unknown};
    let shop = json!({"matchLabels": {"k8s:io.kubernetes.pod.namespace": "shop", "app": "web"}});
    for (name, all, from, wanted) in [
        (
            "an empty rule admits nothing",
            vec![cilium("db", "a", ingress(json!([{}])))],
            &web,
            Denied,
        ),
        (
            "an empty list of rules closes nothing",
            vec![cilium("db", "a", ingress(json!([])))],
            &web,
            Allowed,
        ),
        (
            "of its own namespace",
            vec![cilium("db", "a", ingress(to(json!([{}]))))],
            &beside,
            Allowed,
        ),
        (
            "and of no other",
            vec![cilium("db", "a", ingress(to(json!([{}]))))],
            &web,
            Denied,
        ),
        (
            "but where it says so",
            vec![cilium("db", "a", ingress(to(json!([shop]))))],
            &web,
            Allowed,
        ),
        (
            "by a label of the namespace",
            vec![cilium(
                "db",
                "a",
                ingress(to(
                    json!([{"matchLabels": {"k8s:io.cilium.k8s.namespace.labels.team": "shop"}}]),
                )),
            )],
            &web,
            Allowed,
        ),
        (
            "a list of nobody",
            vec![cilium("db", "a", ingress(to(json!([]))))],
            &beside,
            Denied,
        ),
        (
            "of the whole cluster",
            vec![wide("a", ingress(to(json!([{}]))))],
            &web,
            Allowed,
        ),
        (
            "no peers, some ports",
            vec![cilium(
                "db",
                "a",
                ingress(json!([{"toPorts": [{"ports": [{"port": "redis"}]}]}])),
            )],
            &web,
            Allowed,
        ),
        (
            "any port is 0",
            vec![cilium(
                "db",
                "a",
                ingress(
                    json!([{"fromEntities": ["cluster"], "toPorts": [{"ports": [{"port": "0"}]}]}]),
                ),
            )],
            &web,
            Allowed,
        ),
        (
            "the world is no pod",
            vec![cilium(
                "db",
                "a",
                ingress(json!([{"fromEntities": ["world"]}])),
            )],
            &web,
            Denied,
        ),
        (
            "all are all",
            vec![cilium(
                "db",
                "a",
                ingress(json!([{"fromEntities": ["all"]}])),
            )],
            &web,
            Allowed,
        ),
        (
            "an entity of later",
            vec![cilium(
                "db",
                "a",
                ingress(json!([{"fromEntities": ["galaxy"]}])),
            )],
            &web,
            Unknown,
        ),
        (
            "addresses are no pods",
            vec![cilium(
                "db",
                "a",
                ingress(json!([{"fromCIDR": ["0.0.0.0/0"]}])),
            )],
            &web,
            Denied,
        ),
        (
            "denied in spite of all",
            vec![
                cilium("db", "a", ingress(json!([{"fromEntities": ["all"]}]))),
                plain("db", "b", json!({"podSelector": {}, "ingress": [{}]})),
                wide(
                    "deny",
                    json!({"endpointSelector": {}, "ingressDeny": [{"fromEndpoints": [shop]}]}),
                ),
            ],
            &web,
            Denied,
        ),
        (
            "denied to another",
            vec![
                cilium("db", "a", ingress(json!([{"fromEntities": ["all"]}]))),
                wide(
                    "deny",
                    json!({"endpointSelector": {}, "ingressDeny": [{"fromEndpoints": [shop]}]}),
                ),
            ],
            &beside,
            Allowed,
        ),
        (
            "a deny rule alone closes",
            vec![wide(
                "deny",
                json!({"endpointSelector": {}, "ingressDeny": [{"fromEndpoints": [shop]}]}),
            )],
            &beside,
            Denied,
        ),
        (
            "but not where it says so",
            vec![wide(
                "deny",
                json!({"endpointSelector": {}, "enableDefaultDeny": {"ingress": false}, "ingressDeny": [{"fromEndpoints": [shop]}]}),
            )],
            &beside,
            Allowed,
        ),
        (
            "about machines",
            vec![wide("host", json!({"nodeSelector": {}, "ingress": [{}]}))],
            &beside,
            Allowed,
        ),
        (
            "a rule with a field of later",
            vec![cilium(
                "db",
                "a",
                ingress(json!([{"fromEntities": ["all"], "fromStars": ["x"]}])),
            )],
            &web,
            Unknown,
        ),
        (
            "a policy with a field of later",
            vec![cilium(
                "db",
                "a",
                json!({"endpointSelector": {}, "ingressMaybe": [{}]}),
            )],
            &web,
            Unknown,
        ),
        (
            "ICMP is no connection",
            vec![cilium(
                "db",
                "a",
                ingress(json!([{"icmps": [{"fields": [{"type": 8}]}]}])),
            )],
            &web,
            Denied,
        ),
        (
            "by a ServiceAccount that is not read",
            vec![cilium(
                "db",
                "a",
                ingress(to(
                    json!([{"matchLabels": {"io.kubernetes.pod.namespace": "shop", "io.cilium.k8s.policy.serviceaccount": "web"}}]),
                )),
            )],
            &web,
            Unknown,
        ),
    ] {
        let policies = policies(settings(|_| {}), &all);
        let side = arrives(&policies, from, 6379);
        assert_eq!(side.outcome, wanted, "{name}: {}", side.words());
    }
    let several = object(
        Foreign::CiliumNetworkPolicy,
        "db",
        "several",
        json!({"specs": [ingress(json!([{}])), ingress(json!([{"fromEntities": ["cluster"]}]))]}),
    );
    assert_eq!(
        arrives(&policies(settings(|_| {}), &[several]), &web, 6379).outcome,
        Allowed
    );
}

#[test]
fn what_looks_inside_admits_the_connection_and_says_so() {
    let rule = json!([{"fromEntities": ["cluster"], "toPorts": [{"ports": [{"port": "6379"}], "rules": {"l7proto": "redis"}}]}]);
    let policies = policies(
        settings(|_| {}),
        &[cilium(
            "db",
            "a",
            json!({"endpointSelector": {}, "ingress": rule}),
        )],
    );
    let side = arrives(&policies, &pod("shop", &[]), 6379);
    assert_eq!(side.outcome, Outcome::Allowed);
    assert_eq!(
        side.notes,
        [
            "ingress rule 1 of CiliumNetworkPolicy db/a also looks into what is said: it is taken to admit the connection"
        ]
    );
}

/// Of which cluster a peer is that names none depends on a setting, and on the version of Cilium.
#[test]
fn across_a_mesh_a_peer_is_of_every_cluster_or_of_its_own() {
    let web = elsewhere(pod("shop", &[("app", "web")]));
    let any = plain(
        "db",
        "a",
        json!({"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": {}}]}]}),
    );
    let named = cilium(
        "db",
        "a",
        json!({"endpointSelector": {}, "ingress": [{"fromEndpoints": [{"matchLabels": {
            "k8s:io.kubernetes.pod.namespace": "shop", "k8s:io.cilium.k8s.policy.cluster": "apps-eu"}}]}]}),
    );
    let entity = cilium(
        "db",
        "a",
        json!({"endpointSelector": {}, "ingress": [{"fromEntities": ["cluster"]}]}),
    );
    let with = |local: Option<bool>, version: Option<Version>| {
        settings(move |settings| {
            settings.local_by_default = local;
            settings.version = version;
        })
    };
    use Outcome::{Allowed, Denied, Unknown};
    for (network, policy, wanted) in [
        (with(Some(false), None), &any, Allowed),
        (with(Some(true), None), &any, Denied),
        (with(None, Some(Version(1, 18, 4))), &any, Allowed),
        (with(None, Some(Version(1, 19, 0))), &any, Denied),
        (with(None, None), &any, Unknown),
        (without_cilium(), &any, Denied),
        (Network::default(), &any, Unknown),
        (with(Some(true), None), &named, Allowed),
        (with(None, None), &named, Allowed),
        (with(Some(false), None), &entity, Denied),
    ] {
        let policies = policies(network.clone(), std::slice::from_ref(policy));
        let side = arrives(&policies, &web, 6379);
        assert_eq!(side.outcome, wanted, "{network:?}: {}", side.words());
        if wanted == Denied {
            // Whoever believes that it is admitted is told why it is not.
            assert_eq!(side.near.len(), 1, "{network:?}");
        }
    }
}

#[test]
fn what_leaves_is_judged_by_the_policies_of_where_it_leaves() {
    let dns = pod("kube-system", &[("k8s-app", "kube-dns")]);
    let egress = |rules: Value| {
        plain(
            "db",
            "out",
            json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": rules}),
        )
    };
    let dns_only = egress(
        json!([{"to": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}],
        "ports": [{"port": 53, "protocol": "UDP"}]}]),
    );
    let https =
        egress(json!([{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"port": 443}]}]));
    let public = egress(
        json!([{"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}], "ports": [{"port": 443}]}]),
    );
    let name = cilium(
        "db",
        "out",
        json!({"endpointSelector": {}, "egress": [{"toFQDNs": [{"matchPattern": "*.amazonaws.com"}]}]}),
    );
    let world = cilium(
        "db",
        "out",
        json!({"endpointSelector": {}, "egress": [{"toEntities": ["world"]}]}),
    );
    let outside = End::outside();
    use Outcome::{Allowed, Denied, Unknown};
    for (policy, to, port, protocol, wanted) in [
        (&dns_only, &dns, 53, Protocol::Udp, Allowed),
        (&dns_only, &dns, 53, Protocol::Tcp, Denied),
        (&dns_only, &outside, 443, Protocol::Tcp, Denied),
        (&https, &outside, 443, Protocol::Tcp, Allowed),
        (&public, &outside, 443, Protocol::Tcp, Unknown),
        (&name, &outside, 443, Protocol::Tcp, Unknown),
        (&name, &dns, 53, Protocol::Udp, Denied),
        (&world, &outside, 443, Protocol::Tcp, Allowed),
    ] {
        let policies = policies(settings(|_| {}), std::slice::from_ref(policy));
        let side = leaves(&policies, to, port, protocol);
        assert_eq!(side.outcome, wanted, "{policy:?}: {}", side.words());
    }
}

#[test]
fn a_connection_passes_both_sides() {
    let (from, to) = (elsewhere(pod("shop", &[])), database());
    let open = || Policies::new(settings(|_| {}));
    let closed = |namespace: &str| {
        let spec = json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]});
        policies(settings(|_| {}), &[plain(namespace, "closed", spec)])
    };
    let mut unread = open();
    unread
        .unread
        .push("NetworkPolicies of infra cannot be read".to_owned());
    use Outcome::{Allowed, Denied, Unknown};
    for (at_source, at_end, wanted, side) in [
        (
            open(),
            open(),
            Allowed,
            "ingress at infra: no policy selects it, so it is open",
        ),
        (
            closed("shop"),
            open(),
            Denied,
            "egress at apps: NetworkPolicy shop/closed selects it, and no rule admits it",
        ),
        (
            open(),
            closed("db"),
            Denied,
            "ingress at infra: NetworkPolicy db/closed selects it, and no rule admits it",
        ),
        (
            open(),
            unread.clone(),
            Unknown,
            "ingress at infra cannot be told: NetworkPolicies of infra cannot be read",
        ),
        // What denies it is enough.
        (
            closed("shop"),
            unread,
            Denied,
            "egress at apps: NetworkPolicy shop/closed selects it, and no rule admits it",
        ),
    ] {
        let found = reach((&from, &at_source), (&to, &at_end), 6379, Protocol::Tcp);
        assert_eq!(found.outcome(), wanted);
        let told = found.deciding().words();
        let told = told.replace("egress at infra: no policy selects it, so it is open", side);
        assert!(told == side || wanted == Allowed, "{told}");
    }
}

#[test]
fn cilium_may_enforce_nothing_or_everything() {
    let web = pod("shop", &[]);
    let closed = plain("db", "closed", json!({"podSelector": {}}));
    let with = |word: &str| settings(|settings| word.clone_into(&mut settings.enforcement));
    assert_eq!(
        arrives(&policies(with("never"), &[closed]), &web, 6379).outcome,
        Outcome::Allowed
    );
    assert_eq!(
        arrives(&policies(with("always"), &[]), &web, 6379).outcome,
        Outcome::Denied
    );
    assert_eq!(
        arrives(&policies(with("default"), &[]), &web, 6379).outcome,
        Outcome::Allowed
    );
}

#[test]
fn a_pod_in_the_network_of_its_machine_is_not_selected() {
    let mut host = database();
    host.what = What::Host;
    let closed = policies(
        without_cilium(),
        &[plain("db", "closed", json!({"podSelector": {}}))],
    );
    let web = pod("shop", &[]);
    let found = reach((&web, &closed), (&host, &closed), 6379, Protocol::Tcp);
    assert_eq!(found.outcome(), Outcome::Allowed);
    // And is no pod to whoever admits pods.
    let any = policies(
        without_cilium(),
        &[plain(
            "db",
            "any",
            json!({"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": {}}]}]}),
        )],
    );
    assert_eq!(arrives(&any, &host, 6379).outcome, Outcome::Denied);
}

/// Work, not time: of a thousand policies only those of the namespace are looked at, and each of their rules once.
#[test]
fn a_thousand_rules_are_each_looked_at_once_at_most() {
    let rule = |at: usize| json!({"from": [{"podSelector": {"matchLabels": {"app": format!("web-{at}")}}}], "ports": [{"port": 6379}]});
    let many: Vec<_> = (0..1_000)
        .map(|at| {
            plain(
                &format!("team-{}", at % 100),
                &format!("policy-{at}"),
                json!({"podSelector": {}, "ingress": [rule(at), rule(at + 1)]}),
            )
        })
        .collect();
    let spread = policies(without_cilium(), &many);
    assert_eq!(spread.len(), 1_000);
    let to = pod("team-7", &[("app", "orders")]);
    let from = pod("team-7", &[("app", "web-7")]);
    let found = reach((&from, &spread), (&to, &spread), 6379, Protocol::Tcp);
    assert_eq!(found.outcome(), Outcome::Allowed);
    // Ten policies of two rules on the way in; on the way out the same ten, which have no rule for that.
    assert_eq!((found.ingress.looked, found.egress.looked), (30, 10));

    let rules: Vec<Value> = (0..1_000).map(rule).collect();
    let one = policies(
        without_cilium(),
        &[plain(
            "db",
            "big",
            json!({"podSelector": {}, "ingress": rules}),
        )],
    );
    let last = pod("db", &[("app", "web-999")]);
    let side = arrives(&one, &last, 6379);
    assert_eq!(
        side.words(),
        "ingress at infra: admitted by ingress rule 1000 of NetworkPolicy db/big"
    );
    assert_eq!(side.looked, 1_001);
}
