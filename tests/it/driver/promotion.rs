//! Ways of making a chosen replica the master, by hand: what `docs/operator-behaviour.md` compares.
//!
//! Nothing of the house is used: an API server is asked in JSON, engines by RESP through port-forwards.
#![allow(dead_code, reason = "not every binary that has the driver measures")]

use std::time::{Duration, Instant};

use http::Request;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use k8s_openapi::api::core::v1::Pod;
use kube::client::ConfigExt;
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Runtime;
use tower::Layer;
use tower::util::MapErr;

use super::ground::Ground;
use super::load::Wire;

/// The annotation by which the operator (from v1.4.0) remembers whom a pod follows.
const ANNOTATION: &str = "operator.dragonflydb.io/masterIP";
const OPERATOR: &str = "/apis/apps/v1/namespaces/dragonfly-operator-system/deployments/dragonfly-operator-controller-manager";
/// Longest wait for an instance to be whole again.
const PATIENCE: Duration = Duration::from_secs(180);

/// What is done, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A: the master's pod is deleted, the operator elects.
    Delete,
    /// Beside the operator: takeover; then label, the old master's label, the other replica, the old pod, each after the
    /// other's answer.
    Serial,
    /// Beside the operator: the other replica's annotation beforehand; takeover; then the new label, the old label and the
    /// other replica at the same time; then the old pod.
    Together,
    /// As `Together`, but the old master's pod goes first of all, and the rest after its answer.
    DeleteFirst,
    /// As `Together`, but the old master's label goes first, and the rest after its answer.
    UnlabelFirst,
    /// As `Together`, but nothing is done for some seconds after the takeover.
    Late,
    /// As `Together`, but the new label is written while the takeover runs.
    Early,
    /// As `Late`, but the third pod is marked as about to be disrupted before, so that it is no candidate; the operator does
    /// the labelling.
    Shielded,
    /// C: as `Together`, while the operator is scaled to zero, which takes up again afterwards.
    Paused,
}

impl Way {
    /// Those that are compared.
    pub const ALL: [Self; 9] = [
        Self::Delete,
        Self::Together,
        Self::Serial,
        Self::UnlabelFirst,
        Self::Early,
        Self::DeleteFirst,
        Self::Late,
        Self::Shielded,
        Self::Paused,
    ];
}

/// What one promotion came to.
#[derive(Clone, Debug)]
pub struct Promoted {
    /// Whom it was for.
    pub target: String,
    /// Who is master when all is quiet again.
    pub master: String,
    /// From the command to its reply.
    pub takeover: Duration,
    /// From the reply to the answer to the new label.
    pub labelled: Duration,
    /// From the first step until the instance was whole again.
    pub whole: Duration,
    /// How often an operator's log says meanwhile that it elects.
    pub elections: usize,
    /// How often it says that it makes the target or the third pod somebody's replica.
    pub meddled: usize,
    /// Whether the third pod went on by a partial sync.
    pub partial: bool,
    /// What the operator said, for those who want to know why.
    pub log: String,
}

/// What an API server says to a request.
pub type Answer = Result<Value, Refusal>;

/// Why it does not.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// HTTP status code; 0 without an answer.
    pub code: u16,
    /// Everything it says.
    pub text: String,
}

/// Somebody with a kubeconfig.
pub struct Hand {
    runtime: Runtime,
    client: Client,
    namespace: String,
    name: String,
}

type Engine = Wire<Box<dyn Stream>>;
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Hand {
    /// On that instance of infra.
    pub fn new(ground: &Ground, namespace: &str, name: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let file = kube::config::Kubeconfig::read_from(ground.kubeconfig()).unwrap();
        let options = kube::config::KubeConfigOptions {
            context: Some(ground.contexts()[0].to_owned()),
            ..Default::default()
        };
        let client = runtime.block_on(async {
            let config = kube::Config::from_custom_kubeconfig(file, &options);
            prompt(&config.await.unwrap())
        });
        Self {
            runtime,
            client,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// Waits until the instance is whole: every pod ready with a role, one master by label and by engine, all others
    /// online with it.
    pub fn until_whole(&self, pods: usize) {
        self.runtime.block_on(self.whole(pods));
    }

    /// Makes the first replica master, that way, and waits until all is quiet.
    pub fn promote(&self, way: Way) -> Promoted {
        self.runtime.block_on(self.go(way))
    }

    /// What an API server answers.
    ///
    /// # Errors
    /// When it refuses.
    pub fn try_ask(&self, method: &str, path: &str, kind: &str, body: &Value) -> Answer {
        self.runtime
            .block_on(self.request(method, path, kind, body))
    }

    /// What the engine of a pod answers over a port-forward: an error when the way ends first, nothing when nothing comes
    /// within five seconds.
    pub fn say(&self, pod: &str, args: &[&str]) -> Option<std::io::Result<String>> {
        let pod = json!({"metadata": {"name": pod}});
        self.runtime.block_on(async {
            let mut engine = self.engine(&pod).await;
            let asked = tokio::time::timeout(Duration::from_secs(5), engine.call(args));
            asked.await.ok()
        })
    }

    async fn go(&self, way: Way) -> Promoted {
        let pods = self.pods().await;
        let count = pods.len();
        let role = |role: &str| -> Vec<Value> {
            let has = |pod: &&Value| pod["metadata"]["labels"]["role"] == role;
            pods.iter().filter(has).cloned().collect()
        };
        let old = role("master").remove(0);
        let mut replicas = role("replica");
        let target = replicas.remove(0);
        let third = replicas.pop();
        let ip = text(&target, "/status/podIP");
        // Lines are stamped by the second.
        let since = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second()).unwrap();
        if way == Way::Paused {
            self.scale_operator(0).await;
        }
        let begun = Instant::now();
        let mut took = (Duration::ZERO, Duration::ZERO);
        if way == Way::Delete {
            self.delete(&old).await;
        } else {
            let mut chosen = self.engine(&target).await;
            let mut other = match &third {
                Some(third) => Some(self.engine(third).await),
                None => None,
            };
            if let Some(third) = third.as_ref().filter(|_| way != Way::Serial) {
                self.follows(third, &ip).await;
            }
            if let Some(third) = third.as_ref().filter(|_| way == Way::Shielded) {
                self.shield(third, true).await;
            }
            let call = Instant::now();
            let takeover = async {
                let reply = chosen.call(&["REPLTAKEOVER", "3"]).await.unwrap();
                assert_eq!(reply, "+OK");
                call.elapsed()
            };
            let repoint = async |other: &mut Option<Engine>| {
                if let Some(other) = other {
                    // Refused when the target has been made somebody's replica meanwhile; then the operator goes on.
                    let _ = other.call(&["REPLICAOF", &ip, "9999"]).await.unwrap();
                }
            };
            let crown = async {
                let asked = Instant::now();
                self.crown(&target, &ip).await;
                asked.elapsed()
            };
            match way {
                Way::Delete => unreachable!("done above"),
                Way::Serial => {
                    took.0 = takeover.await;
                    took.1 = crown.await;
                    self.dethrone(&old).await;
                    if let Some(third) = &third {
                        self.follows(third, &ip).await;
                    }
                    repoint(&mut other).await;
                    self.delete(&old).await;
                }
                Way::Together | Way::Paused => {
                    took.0 = takeover.await;
                    (took.1, _, _) = tokio::join!(crown, self.dethrone(&old), repoint(&mut other));
                    self.delete(&old).await;
                }
                Way::UnlabelFirst => {
                    took.0 = takeover.await;
                    self.dethrone(&old).await;
                    (took.1, _) = tokio::join!(crown, repoint(&mut other));
                    self.delete(&old).await;
                }
                Way::DeleteFirst => {
                    took.0 = takeover.await;
                    self.delete(&old).await;
                    (took.1, _) = tokio::join!(crown, repoint(&mut other));
                }
                Way::Early => {
                    (took.0, took.1) = tokio::join!(takeover, crown);
                    tokio::join!(self.dethrone(&old), repoint(&mut other));
                    self.delete(&old).await;
                }
                Way::Shielded => {
                    took.0 = takeover.await;
                    repoint(&mut other).await;
                    tokio::time::sleep(Duration::from_secs(3)).await;
                    if let Some(third) = &third {
                        self.shield(third, false).await;
                    }
                    self.delete(&old).await;
                }
                Way::Late => {
                    took.0 = takeover.await;
                    // What the operator does when nobody tells it anything.
                    tokio::time::sleep(Duration::from_secs(3)).await;
                    self.delete(&old).await;
                }
            }
        }
        if way == Way::Paused {
            self.scale_operator(1).await;
        }
        let old_uid = text(&old, "/metadata/uid");
        while self
            .pods()
            .await
            .iter()
            .any(|pod| text(pod, "/metadata/uid") == old_uid)
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let master = self.whole(count).await;
        let whole = begun.elapsed();
        let log = self.operators_log(since).await;
        let said = |what: &str| log.lines().filter(|line| line.contains(what)).count();
        let of = |pod: &Value| {
            let name = text(pod, "/metadata/name");
            let line = |line: &&str| {
                line.contains("configuring pod as replica of")
                    && line.contains(&format!("\"name\": \"{name}\""))
            };
            log.lines().filter(line).count()
        };
        let partial = match &third {
            Some(third) if text(third, "/metadata/name") != master => {
                let info = self
                    .engine(third)
                    .await
                    .call(&["INFO", "replication"])
                    .await;
                info.unwrap_or_default().contains("psync_successes:1")
            }
            _ => false,
        };
        Promoted {
            target: text(&target, "/metadata/name"),
            master,
            takeover: took.0,
            labelled: took.1,
            whole,
            elections: said("running SLAVE OF NO ONE command"),
            meddled: of(&target) + third.as_ref().map_or(0, of),
            partial,
            log,
        }
    }

    /// The master, once all is as it should be.
    async fn whole(&self, count: usize) -> String {
        let begun = Instant::now();
        let mut seen = 0;
        loop {
            match self.is_whole(count).await {
                Ok(master) => {
                    // Twice in a row: what is on its way has arrived.
                    seen += 1;
                    if seen == 2 {
                        return master;
                    }
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
                Err(why) => {
                    seen = 0;
                    assert!(begun.elapsed() < PATIENCE, "never whole again: {why}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    async fn is_whole(&self, count: usize) -> Result<String, String> {
        let pods = self.pods().await;
        let ready = |pod: &Value| {
            let conditions = pod["status"]["conditions"].as_array();
            let is = |one: &Value| one["type"] == "Ready" && one["status"] == "True";
            pod["metadata"]["deletionTimestamp"].is_null()
                && conditions.is_some_and(|all| all.iter().any(is))
        };
        let role = |pod: &Value| text(pod, "/metadata/labels/role");
        let masters: Vec<&Value> = pods.iter().filter(|pod| role(pod) == "master").collect();
        let replicas = pods.iter().filter(|pod| role(pod) == "replica").count();
        let [master] = masters.as_slice() else {
            return Err(format!("{} masters by label", masters.len()));
        };
        if replicas + 1 != count || !pods.iter().all(ready) {
            return Err(format!("{replicas} replicas, {} pods", pods.len()));
        }
        let mut engine = self.engine(master).await;
        let info = engine.call(&["INFO", "replication"]).await;
        let info = info.map_err(|error| error.to_string())?;
        if !info.contains("role:master") || info.matches("state=online").count() + 1 != count {
            return Err(info);
        }
        Ok(text(master, "/metadata/name"))
    }

    async fn pods(&self) -> Vec<Value> {
        let path = format!(
            "/api/v1/namespaces/{}/pods?labelSelector=app%3D{}",
            self.namespace, self.name
        );
        let list = self.ask("GET", &path, "", &json!({})).await;
        list["items"].as_array().cloned().unwrap_or_default()
    }

    async fn engine(&self, pod: &Value) -> Engine {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let name = text(pod, "/metadata/name");
        let begun = Instant::now();
        loop {
            if let Ok(mut forward) = pods.portforward(&name, &[9999]).await {
                return Wire::new(Box::new(forward.take_stream(9999).unwrap()));
            }
            assert!(begun.elapsed() < PATIENCE, "no way to {name}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Label and annotation of a new master, in one patch.
    async fn crown(&self, pod: &Value, ip: &str) {
        let patch = json!({"metadata": {"labels": {"role": "master", "master-ip": null}, "annotations": {ANNOTATION: ip}}});
        self.patch(pod, &patch).await;
    }

    /// Marks a pod as about to be disrupted, or no more: the operator does not elect it then.
    async fn shield(&self, pod: &Value, on: bool) {
        let status = if on { "True" } else { "False" };
        let condition = json!({"type": "DisruptionTarget", "status": status, "reason": "Shielded"});
        let path = format!("{}/status", self.path(pod));
        let patch = json!({"status": {"conditions": [condition]}});
        self.ask(
            "PATCH",
            &path,
            "application/strategic-merge-patch+json",
            &patch,
        )
        .await;
    }

    async fn dethrone(&self, pod: &Value) {
        let patch = json!({"metadata": {"labels": {"role": null}}});
        self.patch(pod, &patch).await;
    }

    /// What the operator would note of a replica of that address.
    async fn follows(&self, pod: &Value, ip: &str) {
        let patch =
            json!({"metadata": {"labels": {"master-ip": ip}, "annotations": {ANNOTATION: ip}}});
        self.patch(pod, &patch).await;
    }

    async fn patch(&self, pod: &Value, patch: &Value) {
        let mut patch = patch.clone();
        // Nobody else's pod of that name.
        patch["metadata"]["uid"] = pod["metadata"]["uid"].clone();
        self.ask(
            "PATCH",
            &self.path(pod),
            "application/merge-patch+json",
            &patch,
        )
        .await;
    }

    async fn delete(&self, pod: &Value) {
        let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": pod["metadata"]["uid"]}});
        self.ask("DELETE", &self.path(pod), "application/json", &options)
            .await;
    }

    fn path(&self, pod: &Value) -> String {
        format!(
            "/api/v1/namespaces/{}/pods/{}",
            self.namespace,
            text(pod, "/metadata/name")
        )
    }

    /// Scales the operator; down, returns when none of its pods is left.
    async fn scale_operator(&self, replicas: u32) {
        let patch = json!({"spec": {"replicas": replicas}});
        self.ask("PATCH", OPERATOR, "application/merge-patch+json", &patch)
            .await;
        while replicas == 0 && !self.operators().await.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn operators(&self) -> Vec<String> {
        let path = "/api/v1/namespaces/dragonfly-operator-system/pods?labelSelector=control-plane%3Dcontroller-manager";
        let list = self.ask("GET", path, "", &json!({})).await;
        let pods = list["items"].as_array().cloned().unwrap_or_default();
        pods.iter().map(|pod| text(pod, "/metadata/name")).collect()
    }

    /// What operators that run have said of this instance since then.
    async fn operators_log(&self, since: jiff::Timestamp) -> String {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), "dragonfly-operator-system");
        let mut all = String::new();
        for name in self.operators().await {
            let params = kube::api::LogParams {
                since_time: Some(since),
                container: Some("manager".to_owned()),
                ..Default::default()
            };
            all.push_str(&pods.logs(&name, &params).await.unwrap_or_default());
        }
        let own = format!("\"namespace\": \"{}\"", self.namespace);
        let lines = all.lines().filter(|line| line.contains(&own));
        lines.map(|line| format!("{line}\n")).collect()
    }

    async fn ask(&self, method: &str, path: &str, kind: &str, body: &Value) -> Value {
        self.request(method, path, kind, body)
            .await
            .unwrap_or_else(|refusal| panic!("{method} {path}: {refusal:?}"))
    }

    async fn request(&self, method: &str, path: &str, kind: &str, body: &Value) -> Answer {
        let body = match method {
            "GET" => Vec::new(),
            _ => serde_json::to_vec(body).unwrap(),
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Content-Type", kind);
        let answer = self.client.request::<Value>(request.body(body).unwrap());
        answer.await.map_err(|error| match error {
            kube::Error::Api(status) => Refusal {
                code: status.code,
                text: format!("{status:?}"),
            },
            other => Refusal {
                code: 0,
                text: other.to_string(),
            },
        })
    }
}

/// A client whose connections send at once. The library's own hold the body of a patch back until its head is
/// acknowledged, which takes the other side up to 40 ms.
fn prompt(config: &kube::Config) -> Client {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(std::env::var_os("DARNER_DELAYED").is_none());
    let https = config.rustls_https_connector_with_connector(http).unwrap();
    let pool = hyper_util::client::legacy::Client::builder(TokioExecutor::new());
    let service = MapErr::new(
        pool.build::<_, kube::client::Body>(https),
        tower::BoxError::from,
    );
    let namespace = config.default_namespace.clone();
    let base = config.base_uri_layer();
    match config.auth_layer().unwrap() {
        Some(auth) => Client::new(base.layer(auth.layer(service)), namespace),
        None => Client::new(base.layer(service), namespace),
    }
}

fn text(value: &Value, pointer: &str) -> String {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_default().to_owned()
}
