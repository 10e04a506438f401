//! The roles that are published under `docs/rbac`, before a real API server and its audit log: each is enough for what is
//! shown with it, each right in it is used, and each right that is taken away is named.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::Value;

use crate::driver::accounts::{Account, Accounts, Made, Requests, Right, Role};
use crate::driver::console::Opening;
use crate::driver::{Console, FullRig, PATIENCE, binary};

const ORDERS: &str = r#"apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: dragonflydb.io/v1alpha1
kind: Dragonfly
metadata: {name: orders, namespace: shop}
spec:
  replicas: 2
  image: docker.dragonflydb.io/dragonflydb/dragonfly:v1.39.0
  resources: {requests: {cpu: 100m, memory: 100Mi}, limits: {memory: 1Gi}}
  snapshot:
    cron: "0 3 * * *"
    persistentVolumeClaimSpec:
      accessModes: [ReadWriteOnce]
      resources: {requests: {storage: 1Gi}}
"#;

/// Where the operator runs.
const OPERATOR: &str = "dragonfly-operator-system";

/// Wanted by API servers from 1.35 on, and used by none before.
const LATER: &str = "create pods/portforward";
const LATER_SINCE: u64 = 35;

/// The rights that one screen alone uses.
const OPERATOR_SCREEN: &[&str] = &[
    "get pods/log",
    "list clusterrolebindings",
    "list clusterroles",
    "list rolebindings",
    "list roles",
];
const STORAGE_SCREEN: &[&str] = &["get nodes/proxy", "list storageclasses"];

#[test]
fn the_published_roles_are_enough_none_is_larger_and_every_missing_right_is_named() {
    let Some(rig) = FullRig::up(&[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("orders.yaml");
    std::fs::write(&manifest, ORDERS).unwrap();
    rig.kubectl("infra", &["apply", "-f", manifest.to_str().unwrap()]);
    for (file, place) in [
        ("watch", &[][..]),
        ("see", &[]),
        ("operator", &[]),
        ("volumes", &[]),
        ("see-one-namespace", &["-n", "shop"]),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/rbac/{file}.yaml"));
        let apply = [place, &["apply", "-f", path.to_str().unwrap()]].concat();
        rig.kubectl("infra", &apply);
    }
    let watch = Role::read(&rig, "infra", "darner-watch", None);
    let see = Role::read(&rig, "infra", "darner-see", None);
    let operator = Role::read(&rig, "infra", "darner-operator", Some(OPERATOR));
    let volumes = Role::read(&rig, "infra", "darner-volumes", None);
    let own = Role::read_local(&rig, "infra", "darner-see", "shop");
    let published: Vec<(&str, Vec<Role>)> = vec![
        ("watch", vec![watch, operator.clone()]),
        ("see", vec![see.clone(), operator.clone(), volumes.clone()]),
        ("own", vec![own]),
    ];
    let missing = all_but_one(&[see, operator, volumes]);
    assert!(missing.len() > 30, "{} rights in all", missing.len());

    let mut accounts: Vec<Account> = published
        .iter()
        .map(|(name, roles)| Account {
            name: (*name).to_owned(),
            roles: roles
                .iter()
                .cloned()
                .map(|role| (role, Made::Already))
                .collect(),
        })
        .collect();
    accounts.extend(missing.iter().map(|one| Account {
        name: one.account.clone(),
        roles: one.roles.clone(),
    }));
    let accounts = Accounts::make(&rig, "infra", folder.path(), &accounts);

    // Until it is well there is nothing to compare with.
    status_until(&accounts, "see", |report| {
        report["instances"][0]["situation"] == "healthy"
    });
    let base = accounts.requests()["see"].rights();
    std::thread::scope(|scope| {
        scope.spawn(|| looks_at_everything(&accounts, "see", SEE));
        scope.spawn(|| looks_at_everything(&accounts, "watch", WATCH));
        scope.spawn(|| looks_at_everything(&accounts, "own", OWN));
    });
    let requests = accounts.requests();
    let minor = minor_version(&rig);
    for (name, roles) in &published {
        is_smallest(name, roles, &requests[*name], minor);
    }
    refused(&requests["see"], &[]);
    refused(
        &requests["watch"],
        &[
            ("get nodes/proxy", None),
            ("get pods/portforward", Some("shop")),
        ],
    );
    refused(
        &requests["own"],
        &[
            ("get namespaces", Some("kube-system")),
            ("get nodes/proxy", None),
            ("list customresourcedefinitions", None),
            ("list deployments", None),
            ("list deployments", Some("shop")),
            ("list leases", None),
            ("list leases", Some("shop")),
            // Those of the operator.
            ("list pods", None),
            ("list storageclasses", None),
        ],
    );

    // Each account lacks one right: it is named, and whatever does not need it goes on.
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(one) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(what) = one.is_told(&accounts, &base, minor) {
                        wrong.lock().unwrap().push(what);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (name, requests) in accounts.requests() {
        let writes = requests.writes;
        assert!(writes.is_empty(), "{name} wrote: {writes:?}");
    }
}

/// The minor version of the API server.
fn minor_version(rig: &FullRig) -> u64 {
    let version = rig.kubectl("infra", &["get", "--raw", "/version"]);
    let version: Value = serde_json::from_str(&version).unwrap();
    version["minor"].as_str().unwrap().parse().unwrap()
}

/// Nothing was allowed but by these roles, and every right in them was used.
fn is_smallest(name: &str, roles: &[Role], requests: &Requests, minor: u64) {
    let given: BTreeSet<(String, String)> = roles
        .iter()
        .flat_map(|role| {
            let rights = role.rights.iter();
            rights.map(|right| (right.to_string(), role.name.clone()))
        })
        .filter(|(right, _)| right != LATER || minor >= LATER_SINCE)
        .collect();
    let unused: Vec<_> = given.difference(&requests.used).collect();
    assert!(unused.is_empty(), "{name}: no request needs {unused:?}");
    let foreign: Vec<_> = requests.used.difference(&given).collect();
    assert!(foreign.is_empty(), "{name}: by other roles: {foreign:?}");
    let paths: Vec<&str> = requests.paths.iter().map(String::as_str).collect();
    assert_eq!(paths, ["/version"], "{name}");
}

/// Exactly these requests were refused.
fn refused(requests: &Requests, wanted: &[(&str, Option<&str>)]) {
    let wanted: BTreeSet<(String, Option<String>)> = wanted
        .iter()
        .map(|(right, namespace)| ((*right).to_owned(), namespace.map(str::to_owned)))
        .collect();
    assert_eq!(requests.refused, wanted);
}

/// What an account reads in each screen.
struct Looks {
    args: &'static [&'static str],
    fleet: &'static [&'static str],
    instance: &'static [&'static str],
    replication: &'static [&'static str],
    storage: &'static [&'static str],
    operator: &'static [&'static str],
}

const SEE: &Looks = &Looks {
    args: &[],
    fleet: &["healthy", "shop/orders", "orders-0", "2/2", "1 of 1"],
    instance: &[
        "nothing is wrong here",
        "PVC df-orders-0",
        "NetworkPolicy orders",
    ],
    replication: &["one data set", "stable sync", "usable"],
    storage: &["measured by its kubelet", "which lets volumes grow"],
    operator: &[
        "is given to its service account",
        "reconciling dragonfly instance",
    ],
};
const WATCH: &Looks = &Looks {
    args: &[],
    fleet: &["may not be asked", "shop/orders", "orders-0", "2/2"],
    instance: &[
        "only /metrics may be read",
        "PVC df-orders-0",
        "NetworkPolicy orders",
    ],
    replication: &["nothing of its link", "no way"],
    storage: &[
        "may not get nodes/proxy in the whole cluster",
        "which lets volumes grow",
    ],
    operator: &[
        "is given to its service account",
        "reconciling dragonfly instance",
    ],
};
const OWN: &Looks = &Looks {
    args: &["-n", "shop"],
    fleet: &["healthy", "shop/orders", "orders-0", "2/2", "1 of 1"],
    instance: SEE.instance,
    replication: SEE.replication,
    storage: &[
        "may not get nodes/proxy in the whole cluster",
        "may not list storageclasses in the whole cluster",
    ],
    operator: &[
        "no operator is in the namespaces that are read in infra",
        "may not list customresourcedefinitions in the whole cluster",
    ],
};

/// Every screen, and the commands without one.
fn looks_at_everything(accounts: &Accounts<'_>, account: &str, looks: &Looks) {
    let mut console = open(accounts, account, looks.args);
    console.expect_row(looks.fleet);
    console.press(&["enter"]);
    expect(&console, looks.instance);
    // Whose the clients' addresses are.
    console.press(&["g", "u"]);
    expect(&console, &["clients"]);
    for (key, words) in [
        ("3", looks.replication),
        ("4", looks.storage),
        ("5", looks.operator),
    ] {
        console.press(&[key]);
        expect(&console, words);
    }
    console.quit();
    for command in ["status", "explain"] {
        let about: &[&str] = if command == "explain" {
            &["shop/orders"]
        } else {
            &[]
        };
        let output = headless(accounts, account, command)
            .args(about)
            .args(looks.args)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("shop/orders"), "{account}, {command}: {said}");
    }
}

fn open(accounts: &Accounts<'_>, account: &str, args: &[&str]) -> Console {
    Opening::new([&["--context", "infra"], args].concat())
        .kubeconfig(&accounts.kubeconfig(account))
        .size(160, 50)
        .open()
}

/// Waits for words that a screen may break over several rows.
fn expect(console: &Console, words: &[&str]) {
    console.wait(&format!("{words:?}"), |screen| {
        let screen = in_one_row(screen);
        words.iter().all(|words| screen.contains(words))
    });
}

fn in_one_row(screen: &str) -> String {
    screen.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn headless(accounts: &Accounts<'_>, account: &str, command: &str) -> Command {
    let kubeconfig = accounts.kubeconfig(account);
    let mut darner = Command::new(binary());
    darner
        .args([command, "--timeout", "20", "--context", "infra"])
        .env("HOME", kubeconfig.parent().unwrap())
        .arg("--kubeconfig")
        .arg(kubeconfig);
    darner
}

/// One report.
fn status(accounts: &Accounts<'_>, account: &str) -> Result<Value, String> {
    let output = headless(accounts, account, "status")
        .args(["-o", "json"])
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).map_err(|error| {
        let said = String::from_utf8_lossy(&output.stderr);
        format!("{account}: {error}: {said}")
    })
}

/// Asks until the report says so.
fn status_until(accounts: &Accounts<'_>, account: &str, reached: impl Fn(&Value) -> bool) {
    let begun = Instant::now();
    loop {
        let report = status(accounts, account).unwrap();
        if reached(&report) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{account}: {report:#}");
    }
}

/// An account with all published rights but one.
struct Missing {
    account: String,
    right: Right,
    roles: Vec<(Role, Made)>,
}

/// One for each right of each role.
fn all_but_one(roles: &[Role]) -> Vec<Missing> {
    let mut all = Vec::new();
    for role in roles {
        for right in &role.rights {
            let account = format!("{}-{}", right.verb, right.resource.replace('/', "-"));
            let less = role.without(right, &account);
            let others = roles.iter().filter(|other| other.name != role.name);
            let others = others.map(|other| (other.clone(), Made::Already));
            all.push(Missing {
                roles: std::iter::once((less, Made::Anew)).chain(others).collect(),
                account,
                right: right.clone(),
            });
        }
    }
    all
}

impl Missing {
    /// The right is named where it is missed, nothing else is refused, and everything else is still asked and told.
    fn is_told(
        &self,
        accounts: &Accounts<'_>,
        base: &BTreeSet<String>,
        minor: u64,
    ) -> Result<(), String> {
        let right = self.right.to_string();
        let wrong = |what: String| format!("without {right}: {what}");
        if right == LATER && minor < LATER_SINCE {
            return Ok(());
        }
        let mut wanted = base.clone();
        let screen = [("4", STORAGE_SCREEN), ("5", OPERATOR_SCREEN)]
            .into_iter()
            .find(|(_, rights)| rights.contains(&&*right));
        let named = self.named();
        let report = match screen {
            Some((key, rights)) => {
                wanted.extend(rights.iter().map(|right| (*right).to_owned()));
                let mut console = open(accounts, &self.account, &[]);
                console.expect_row(SEE.fleet);
                console.press(&[key]);
                expect(&console, &[&named]);
                console.quit();
                status(accounts, &self.account)?
            }
            None => {
                // One look is enough.
                let report = status(accounts, &self.account)?;
                let reasons = report["contexts"][0]["reasons"].to_string();
                if !reasons.contains(&named) {
                    return Err(wrong(format!("it is not named in {reasons}")));
                }
                report
            }
        };
        wanted.retain(|other| *other != right && !needs(other, &self.right));
        let requests = &accounts.requests()[&self.account];
        let used = requests.rights();
        let lost: Vec<_> = wanted.difference(&used).collect();
        if !lost.is_empty() {
            return Err(wrong(format!("{lost:?} is not asked any more")));
        }
        let refused: BTreeSet<&str> = requests.refused.iter().map(|(r, _)| &**r).collect();
        let mut expected = BTreeSet::from([&*right]);
        if self.right.resource == "pods/portforward" {
            // The other way is tried then.
            expected.insert("get pods/proxy");
        }
        if refused != expected {
            return Err(wrong(format!("refused was {refused:?}")));
        }
        let told = report["instances"][0]["situation"].as_str();
        let wanted = match (&*self.right.verb, &*self.right.resource) {
            ("list", "dragonflies") => None,
            (_, "dragonflies" | "pods" | "endpointslices") => Some("source-silent"),
            (_, "pods/portforward") => Some("engines-forbidden"),
            _ => Some("healthy"),
        };
        if told != wanted {
            return Err(wrong(format!("the instance is {told:?}")));
        }
        Ok(())
    }

    /// How the missing right is named: the verb, the resource and where.
    fn named(&self) -> String {
        let Right { verb, resource, .. } = &self.right;
        match &**resource {
            "pods/portforward" => {
                "may not port-forward (pods/portforward) in namespace shop".to_owned()
            }
            "events" | "poddisruptionbudgets" | "networkpolicies" => {
                format!("may not {verb} {resource} in namespace shop")
            }
            "pods/log" | "roles" | "rolebindings" => {
                format!("may not {verb} {resource} in namespace {OPERATOR}")
            }
            _ => format!("may not {verb} {resource} in the whole cluster"),
        }
    }
}

/// Whether a right is only asked for after another was used: what is not listed is not watched, and without an instance
/// or a pod there is nothing to ask about.
fn needs(right: &str, missing: &Right) -> bool {
    let Some(listed) = (missing.verb == "list").then_some(&*missing.resource) else {
        return false;
    };
    let (_, resource) = right.split_once(' ').unwrap();
    match listed {
        "dragonflies" => matches!(
            resource,
            "dragonflies" | "events" | "poddisruptionbudgets" | "networkpolicies"
        ),
        "pods" => matches!(resource, "pods" | "pods/portforward"),
        other => resource == other,
    }
}
