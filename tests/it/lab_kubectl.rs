//! The real `kubectl` against a served lab: what people do with a cluster works as they know it.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Instant;

use serde_json::Value;

use crate::driver::{LabProcess, PATIENCE, requirement};

/// `kubectl` with a lab's kubeconfig, in the namespace of one small instance.
struct Kubectl {
    program: PathBuf,
    lab: LabProcess,
}

/// What a command said and how it ended.
struct Said {
    out: String,
    err: String,
    code: Option<i32>,
}

impl Kubectl {
    /// `None`, after saying so, on a machine without kubectl.
    fn over(scenario: &str) -> Option<Self> {
        let program = requirement::program("kubectl", "kubectl")?;
        Some(Self {
            program,
            lab: LabProcess::start(scenario),
        })
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["--kubeconfig"])
            .arg(self.lab.kubeconfig())
            .args(["--context", "lab-infra", "--namespace", "harbor"])
            .args(args)
            // Its cache of what a server serves must not be another lab's.
            .env("HOME", self.lab.folder())
            .env_remove("KUBECONFIG")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Said {
        let Output {
            status,
            stdout,
            stderr,
        } = self
            .command(&[&["--request-timeout=60s"], args].concat())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Said {
            out: text(stdout),
            err: text(stderr),
            code: status.code(),
        }
    }

    /// What it prints, when all goes well.
    fn ok(&self, args: &[&str]) -> String {
        let said = self.run(args);
        assert_eq!(
            said.code,
            Some(0),
            "kubectl {args:?}: {}{}",
            said.out,
            said.err
        );
        said.out
    }

    /// What it complains of.
    fn fails(&self, args: &[&str]) -> String {
        let said = self.run(args);
        assert_ne!(
            said.code,
            Some(0),
            "kubectl {args:?} should fail: {}",
            said.out
        );
        said.err
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[args, &["-o", "json"]].concat())).unwrap()
    }

    /// Asks until the answer is the wanted one.
    fn until(&self, args: &[&str], wanted: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = self.run(args);
            if wanted(&said.out) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "kubectl {args:?} still says: {}{}",
                said.out,
                said.err
            );
        }
    }

    /// What it prints beside a status that is neither well nor an error, as `diff` has one.
    fn with_code(&self, args: &[&str], code: i32) -> String {
        let said = self.run(args);
        assert_eq!(
            said.code,
            Some(code),
            "kubectl {args:?}: {}{}",
            said.out,
            said.err
        );
        said.out
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.lab.folder().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

/// Every piece is somewhere in the text, in that order.
fn in_order(text: &str, pieces: &[&str]) {
    let mut rest = text;
    for piece in pieces {
        let Some(at) = rest.find(piece) else {
            panic!("{piece:?} is missing, or not in its place, in:\n{text}")
        };
        rest = &rest[at + piece.len()..];
    }
}

#[test]
fn kubectl_reads_a_lab() {
    let Some(kubectl) = Kubectl::over("healthy") else {
        return;
    };
    in_order(
        &kubectl.ok(&["version"]),
        &["Client Version", "Server Version"],
    );
    in_order(
        &kubectl.ok(&["api-resources"]),
        &[
            "pods",
            "po",
            "true",
            "Pod",
            "statefulsets",
            "sts",
            "apps/v1",
            "dragonflies",
            "dragonflydb.io/v1alpha1",
        ],
    );
    in_order(
        &kubectl.ok(&["api-versions"]),
        &["apps/v1", "dragonflydb.io/v1alpha1", "policy/v1"],
    );

    let table = kubectl.ok(&["get", "pods"]);
    in_order(
        &table,
        &[
            "NAME", "READY", "STATUS", "RESTARTS", "AGE", "cache-0", "1/1", "Running", "0",
            "cache-1",
        ],
    );
    let wide = kubectl.ok(&["get", "pods", "-o", "wide"]);
    in_order(
        &wide,
        &[
            "AGE",
            "IP",
            "NODE",
            "NOMINATED NODE",
            "READINESS GATES",
            "cache-0",
            "10.",
            "infra-",
        ],
    );
    in_order(
        &kubectl.ok(&["get", "dragonflies"]),
        &[
            "NAME",
            "PHASE",
            "ROLLING UPDATE",
            "REPLICAS",
            "cache",
            "Ready",
            "2",
        ],
    );
    let all = kubectl.ok(&["get", "all,pdb,endpointslices", "--all-namespaces"]);
    in_order(
        &all,
        &[
            "pod/cache-0",
            "service/cache",
            "statefulset.apps/cache",
            "poddisruptionbudget.policy/cache",
        ],
    );
    in_order(
        &kubectl.ok(&["get", "nodes", "-o", "wide"]),
        &["STATUS", "INTERNAL-IP", "infra-1", "Ready"],
    );
    in_order(
        &kubectl.ok(&["get", "pods", "-l", "role=master", "-o", "name"]),
        &["pod/cache-0"],
    );
    let paged = kubectl.ok(&["get", "pods", "-A", "--chunk-size", "1", "-o", "name"]);
    assert_eq!(paged, kubectl.ok(&["get", "pods", "-A", "-o", "name"]));
    assert_eq!(
        kubectl.ok(&["get", "pods", "--field-selector", "status.phase=Failed"]),
        ""
    );

    let pod = kubectl.json(&["get", "pod", "cache-0"]);
    assert_eq!(
        (&pod["kind"], &pod["apiVersion"]),
        (&"Pod".into(), &"v1".into())
    );
    assert_eq!(pod["metadata"]["labels"]["role"], "master");
    let list = kubectl.json(&["get", "statefulsets,dragonflies"]);
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    in_order(
        &kubectl.ok(&["get", "dragonfly", "cache", "-o", "yaml"]),
        &["kind: Dragonfly", "phase: Ready"],
    );

    in_order(
        &kubectl.ok(&["describe", "pod", "cache-0"]),
        &[
            "Name:",
            "cache-0",
            "Controlled By:",
            "StatefulSet/cache",
            "Ready",
            "True",
            "Events:",
        ],
    );
    in_order(
        &kubectl.ok(&["describe", "statefulset", "cache"]),
        &[
            "Replicas:",
            "2 desired | 2 total",
            "Pods Status:",
            "2 Running",
        ],
    );
    in_order(
        &kubectl.ok(&["describe", "dragonfly", "cache"]),
        &["Kind:", "Dragonfly", "Phase:", "Ready"],
    );
    in_order(
        &kubectl.ok(&["describe", "node", "infra-1"]),
        &["Conditions:", "Ready", "True", "Non-terminated Pods:"],
    );
    in_order(
        &kubectl.ok(&["describe", "service,pdb", "cache"]),
        &["Selector:", "role=master", "Allowed disruptions:"],
    );
    in_order(
        &kubectl.ok(&["explain", "dragonfly.spec.replicas"]),
        &["FIELD: replicas <integer>"],
    );

    let missing = kubectl.fails(&["get", "pod", "cache-9"]);
    assert_eq!(
        missing,
        "Error from server (NotFound): pods \"cache-9\" not found\n"
    );
    in_order(
        &kubectl.fails(&["get", "ponds"]),
        &["the server doesn't have a resource type \"ponds\""],
    );
}

#[test]
fn kubectl_changes_a_lab() {
    let Some(kubectl) = Kubectl::over("healthy") else {
        return;
    };
    let label = |pod: &str, key: &str| {
        kubectl.json(&["get", "pod", pod])["metadata"]["labels"][key].clone()
    };
    kubectl.ok(&["label", "pod", "cache-1", "tier=a"]);
    in_order(
        &kubectl.fails(&["label", "pod", "cache-1", "tier=b"]),
        &["already has a value"],
    );
    kubectl.ok(&["label", "pod", "cache-1", "tier=b", "--overwrite"]);
    assert_eq!(label("cache-1", "tier"), "b");
    kubectl.ok(&["label", "pod", "cache-1", "tier-"]);
    assert_eq!(label("cache-1", "tier"), Value::Null);
    kubectl.ok(&["annotate", "pod", "cache-1", "example.org/note=x"]);
    kubectl.ok(&["label", "pod", "cache-1", "dry=run", "--dry-run=server"]);
    assert_eq!(label("cache-1", "dry"), Value::Null);

    let generation = |kind: &str| {
        kubectl.json(&["get", kind, "cache"])["metadata"]["generation"]
            .as_i64()
            .unwrap()
    };
    let before = generation("dragonfly");
    let merge = r#"{"spec":{"args":["--maxmemory=700mb"]}}"#;
    kubectl.ok(&[
        "patch",
        "dragonfly",
        "cache",
        "--type",
        "merge",
        "-p",
        merge,
    ]);
    assert_eq!(generation("dragonfly"), before + 1);
    let again = kubectl.ok(&[
        "patch",
        "dragonfly",
        "cache",
        "--type",
        "merge",
        "-p",
        merge,
    ]);
    in_order(&again, &["patched (no change)"]);
    let json = r#"[{"op":"test","path":"/spec/args/0","value":"--maxmemory=700mb"},{"op":"remove","path":"/spec/args"}]"#;
    kubectl.ok(&["patch", "dragonfly", "cache", "--type", "json", "-p", json]);
    in_order(
        &kubectl.fails(&["patch", "dragonfly", "cache", "--type", "json", "-p", json]),
        &["the server rejected our request"],
    );
    in_order(
        &kubectl.fails(&["patch", "dragonfly", "cache", "-p", merge]),
        &["is not supported by dragonflydb.io/v1alpha1"],
    );
    in_order(
        &kubectl.fails(&[
            "patch",
            "dragonfly",
            "cache",
            "--type",
            "merge",
            "-p",
            r#"{"spec":{"replicas":"two"}}"#,
        ]),
        &[
            "The Dragonfly \"cache\" is invalid",
            "spec.replicas in body must be of type integer",
        ],
    );
    let strategic = r#"{"spec":{"containers":[{"name":"dragonfly","image":"dragonfly:other"}]}}"#;
    // What the patch itself answers: the change of the arguments above is rolled out, and may replace the pod meanwhile.
    let pod = kubectl.json(&["patch", "pod", "cache-1", "-p", strategic]);
    let containers = pod["spec"]["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 1, "merged by name: {containers:?}");
    assert_eq!(containers[0]["image"], "dragonfly:other");
    assert!(containers[0]["args"].is_array(), "the rest stays");
    let moved = r#"{"spec":{"nodeName":"elsewhere"}}"#;
    in_order(
        &kubectl.fails(&["patch", "pod", "cache-1", "-p", moved]),
        &["pod updates may not change fields other than"],
    );

    let maps = |value: &str| {
        let text = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: notes}}\ndata: {{a: \"{value}\", b: \"1\"}}\n"
        );
        kubectl.file("notes.yaml", &text)
    };
    let file = maps("1");
    assert_eq!(
        kubectl.ok(&["apply", "-f", &file]),
        "configmap/notes created\n"
    );
    assert_eq!(
        kubectl.ok(&["apply", "-f", &file]),
        "configmap/notes unchanged\n"
    );
    maps("2");
    assert_eq!(
        kubectl.ok(&["apply", "-f", &file]),
        "configmap/notes configured\n"
    );
    assert_eq!(
        kubectl.ok(&["apply", "--server-side", "-f", &file]),
        "configmap/notes serverside-applied\n"
    );
    maps("3");
    let other = [
        "apply",
        "--server-side",
        "--field-manager",
        "other",
        "-f",
        &file,
    ];
    in_order(
        &kubectl.fails(&other),
        &["Apply failed with 1 conflict: conflict with \"kubectl\": .data.a"],
    );
    kubectl.ok(&[&other[..], &["--force-conflicts"]].concat());
    assert_eq!(
        kubectl.json(&["get", "configmap", "notes"])["data"]["a"],
        "3"
    );
    kubectl.ok(&["create", "configmap", "made", "--from-literal", "k=v"]);
    in_order(
        &kubectl.fails(&["create", "configmap", "made"]),
        &["configmaps \"made\" already exists"],
    );
    assert_eq!(
        kubectl.ok(&["delete", "configmap", "made", "notes"]),
        "configmap \"made\" deleted\nconfigmap \"notes\" deleted\n"
    );

    let uid = kubectl.json(&["get", "pod", "cache-1"])["metadata"]["uid"].clone();
    // kubectl waits for the end of that very pod, while the next one of its name is already on its way.
    assert_eq!(
        kubectl.ok(&["delete", "pod", "cache-1"]),
        "pod \"cache-1\" deleted\n"
    );
    let reborn = [
        "get",
        "pod",
        "cache-1",
        "--ignore-not-found",
        "-o",
        "jsonpath={.metadata.uid}",
    ];
    kubectl.until(&reborn, |now| !now.is_empty() && *now != uid);
    kubectl.ok(&[
        "wait",
        "--for=condition=Ready",
        "pod/cache-1",
        "--timeout=60s",
    ]);
}

#[test]
fn kubectl_follows_a_lab() {
    let Some(kubectl) = Kubectl::over("healthy") else {
        return;
    };
    let mut watch = kubectl
        .command(&["get", "pods", "--watch", "--show-labels"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (sender, lines) = mpsc::channel();
    let out = BufReader::new(watch.stdout.take().unwrap());
    std::thread::spawn(move || {
        for line in out.lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let line_with = |wanted: &[&str]| {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = lines
                .recv_timeout(left)
                .unwrap_or_else(|_| panic!("no line with {wanted:?} came"));
            if wanted.iter().all(|piece| line.contains(piece)) {
                return;
            }
        }
    };
    line_with(&["cache-1", "Running"]);
    kubectl.ok(&["label", "pod", "cache-1", "seen=yes"]);
    line_with(&["cache-1", "seen=yes"]);
    kubectl.ok(&["delete", "pod", "cache-1"]);
    line_with(&["cache-1", "Terminating"]);
    line_with(&["cache-1", "1/1", "Running"]);
    watch.kill().unwrap();
    watch.wait().unwrap();
}

#[test]
fn kubectl_reaches_into_a_lab() {
    let Some(kubectl) = Kubectl::over("healthy") else {
        return;
    };
    in_order(&kubectl.ok(&["logs", "cache-0"]), &["dflycmd.cc"]);
    assert_eq!(
        kubectl
            .ok(&["logs", "cache-0", "--tail", "2"])
            .lines()
            .count(),
        2
    );
    in_order(
        &kubectl.ok(&["logs", "cache-0", "--tail", "1", "--timestamps"]),
        &["T", "Z "],
    );
    in_order(
        &kubectl.fails(&["logs", "cache-0", "-c", "nobody"]),
        &["container nobody is not valid for pod cache-0"],
    );
    assert_eq!(
        kubectl
            .ok(&["exec", "cache-0", "--", "redis-cli", "ping"])
            .trim(),
        "PONG"
    );
    let said = kubectl.run(&["exec", "cache-0", "--", "no-such-program"]);
    assert_eq!(said.code, Some(127), "{}{}", said.out, said.err);
    in_order(&said.err, &["command terminated with exit code 127"]);

    assert_eq!(kubectl.ok(&["auth", "can-i", "list", "pods"]), "yes\n");
    in_order(
        &kubectl.ok(&["auth", "can-i", "--list"]),
        &["Resources", "Verbs", "*.*", "[*]"],
    );
    in_order(&kubectl.ok(&["auth", "whoami"]), &["Username", "lab-user"]);
    kubectl.lab.fault("forbidden");
    kubectl.until(
        &[
            "auth",
            "can-i",
            "create",
            "pods",
            "--subresource=portforward",
            "-A",
        ],
        |said| said.starts_with("no"),
    );
}

#[test]
fn kubectl_selects_and_prints_as_it_is_asked_to() {
    let Some(kubectl) = Kubectl::over("healthy") else {
        return;
    };
    in_order(
        &kubectl.ok(&["get", "all", "-A"]),
        &[
            "NAMESPACE",
            "pod/",
            "service/",
            "deployment.apps/",
            "statefulset.apps/",
        ],
    );
    let columns = "custom-columns=POD:.metadata.name,ROLE:.metadata.labels.role";
    assert_eq!(
        kubectl.ok(&["get", "pods", "-l", "app=cache", "-o", columns]),
        "POD       ROLE\ncache-0   master\ncache-1   replica\n"
    );
    let names = "jsonpath={.items[*].metadata.name}";
    assert_eq!(
        kubectl.ok(&["get", "pods", "-l", "app=cache", "-o", names]),
        "cache-0 cache-1"
    );
    for (selector, wanted) in [
        (["-l", "role=replica"], "pod/cache-1\n"),
        (["-l", "role in (master,x)"], "pod/cache-0\n"),
        (["-l", "app=cache,role!=master"], "pod/cache-1\n"),
        (
            ["--field-selector", "metadata.name=cache-1"],
            "pod/cache-1\n",
        ),
        (["--field-selector", "status.phase!=Running"], ""),
    ] {
        let args = [&["get", "pods", "-o", "name"][..], &selector].concat();
        assert_eq!(kubectl.ok(&args), wanted, "{selector:?}");
    }
    in_order(
        &kubectl.ok(&["get", "events", "--sort-by=.lastTimestamp"]),
        &["LAST SEEN", "Replication", "dragonfly/cache"],
    );
    in_order(
        &kubectl.ok(&["events", "--for", "dragonfly/cache"]),
        &["Replication", "Dragonfly/cache"],
    );
    in_order(
        &kubectl.ok(&["explain", "dragonfly.spec"]),
        &["FIELD: spec <Object>", "args", "replicas", "snapshot"],
    );
    in_order(
        &kubectl.ok(&["cluster-info"]),
        &["control plane", "http://127.0.0.1:"],
    );
    let shown = kubectl.ok(&["config", "view"]);
    in_order(&shown, &["lab-apps", "lab-infra", "token: REDACTED"]);

    // What a cluster without these parts answers.
    assert_eq!(
        kubectl.fails(&["top", "pods"]),
        "error: Metrics API not available\n"
    );
    in_order(
        &kubectl.fails(&["autoscale", "statefulset", "cache", "--max", "3"]),
        &["(NotFound)", "could not find the requested resource"],
    );
    in_order(
        &kubectl.fails(&["debug", "cache-0", "--image=busybox"]),
        &["ephemeral containers are disabled for this cluster"],
    );
    in_order(
        &kubectl.fails(&["rollout", "status", "statefulset/cache"]),
        &["rollout status is only available for RollingUpdate strategy type"],
    );
    let file = kubectl.file("copied", "text\n");
    let copied = kubectl.fails(&["cp", &file, "cache-0:/tmp/copied"]);
    // Where the command ends before kubectl has sent it the file, kubectl says in between that it could not.
    in_order(
        &copied,
        &[
            "OCI runtime exec failed: exec failed: unable to start container process: exec: \"tar\": executable file not found in $PATH\n",
            "command terminated with exit code 127\n",
        ],
    );
    let left = kubectl.run(&["exec", "cache-0", "--", "sh", "-c", "echo out; exit 3"]);
    assert_eq!((left.code, left.out.as_str()), (Some(3), "out\n"));
    // The operator's StatefulSet belongs to the operator, which takes it back.
    kubectl.ok(&["scale", "statefulset/cache", "--replicas=1"]);
    kubectl.until(
        &["get", "sts", "cache", "-o", "jsonpath={.spec.replicas}"],
        |replicas| replicas == "2",
    );
    in_order(
        &kubectl.ok(&["rollout", "restart", "statefulset/cache"]),
        &["statefulset.apps/cache restarted"],
    );
}

#[test]
fn kubectl_edits_waits_and_takes_apart() {
    let Some(kubectl) = Kubectl::over("healthy") else {
        return;
    };
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: notes}\ndata: {a: \"1\"}\n";
    let file = kubectl.file("notes.yaml", text);
    assert_eq!(
        kubectl.ok(&["create", "-f", &file]),
        "configmap/notes created\n"
    );
    assert_eq!(kubectl.ok(&["diff", "-f", &file]), "");
    kubectl.file("notes.yaml", &text.replace("\"1\"", "\"2\""));
    in_order(
        &kubectl.with_code(&["diff", "-f", &file], 1),
        &["-  a: \"1\"", "+  a: \"2\""],
    );
    assert_eq!(
        kubectl.ok(&["replace", "-f", &file]),
        "configmap/notes replaced\n"
    );
    let edit = |editor: &str| {
        let mut command = kubectl.command(&["edit", "configmap", "notes"]);
        let output = command.env("KUBE_EDITOR", editor).output().unwrap();
        assert!(output.status.success());
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    in_order(&edit("true"), &["Edit cancelled, no changes made"]);
    assert_eq!(edit("sed -i 's/^  a:/  b:/'"), "configmap/notes edited\n");
    let notes = kubectl.json(&["get", "configmap", "notes"]);
    assert_eq!(notes["data"].as_object().unwrap().len(), 1);
    assert!(notes["data"]["b"].is_string());

    // A pod that nobody makes again, so that whoever waits may begin late.
    kubectl.ok(&["run", "alone", "--image=busybox", "--restart=Never"]);
    let mut waits = kubectl
        .command(&["wait", "--for=delete", "pod/alone", "--timeout=60s"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(
        kubectl.ok(&["delete", "pod", "alone", "--now"]),
        "pod \"alone\" deleted\n"
    );
    assert!(waits.wait().unwrap().success());

    kubectl.ok(&["delete", "dragonfly", "cache", "--cascade=orphan"]);
    kubectl.ok(&["delete", "statefulset", "cache", "--cascade=orphan"]);
    assert_eq!(
        kubectl.ok(&["get", "pods", "-l", "app=cache", "-o", "name"]),
        "pod/cache-0\npod/cache-1\n"
    );
    kubectl.ok(&["delete", "pods", "-l", "app=cache"]);
    assert_eq!(
        kubectl.ok(&["get", "pods", "-l", "app=cache", "-o", "name"]),
        ""
    );
}

#[test]
fn kubectl_is_told_the_same_rights_that_requests_meet() {
    let Some(kubectl) = Kubectl::over("forbidden") else {
        return;
    };
    let may = |who: &[&str], what: &[&str]| {
        let said = kubectl.run(&[&["auth", "can-i"], what, who].concat());
        assert_eq!(said.code, Some(i32::from(said.out != "yes\n")));
        said.out == "yes\n"
    };
    for who in [
        &[][..],
        &["--as", "ada"],
        &["--as", "ada", "--as-group", "ops"],
    ] {
        for (what, wanted) in [
            (&["create", "pods", "--subresource=portforward"][..], false),
            (&["get", "pods", "--subresource=portforward"], false),
            (&["create", "pods", "--subresource=exec"], false),
            (&["get", "pods", "--subresource=log"], true),
            (&["delete", "pods"], true),
            (&["list", "dragonflies", "-A"], true),
        ] {
            assert_eq!(may(who, what), wanted, "{what:?} {who:?}");
        }
        let list = kubectl.ok(&[&["auth", "can-i", "--list"], who].concat());
        let named = |resource: &str| list.lines().any(|line| line.starts_with(resource));
        assert!(named("pods ") && named("pods/log "), "{list}");
        assert!(
            !named("pods/exec") && !named("pods/portforward") && !named("*.*"),
            "{list}"
        );
        let exec = ["exec", "cache-0", "--", "redis-cli", "ping"];
        let refused = kubectl.fails(&[&exec[..1], who, &exec[1..]].concat());
        in_order(&refused, &["(Forbidden)", "pods/exec"]);
    }
    in_order(
        &kubectl.ok(&["auth", "whoami", "--as", "ada"]),
        &["Username", "ada", "Groups", "system:authenticated"],
    );
}
