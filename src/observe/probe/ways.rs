//! Other ways to an engine where port-forwards are not permitted: its `/metrics` through the API server's proxy to the
//! pod, and, where the settings say so, `INFO` by a command run in the pod. What neither tells stays unknown, and why.

use std::time::Instant;

use super::{ADMIN_PORT, Node, Round, is_in_view};
use crate::connect::fault::{Asked, Refusal};
use crate::connect::{exec, request};
use crate::domain::engine::{
    Clients, Health, Keyspace, Memory, Metrics, Question, ReplicaLine, Replication, Role, Server,
    Side, Stats, Way,
};
use crate::domain::{Fact, Fault, FaultKind, Probe};
use crate::wire;

/// The operator's name for the container (v1.1 to v1.6).
const CONTAINER: &str = "dragonfly";
/// What is remembered of the other ways to one engine.
#[derive(Default)]
pub(super) struct Detour {
    /// The server has no `/healthz` (before v1.38).
    no_health: bool,
    /// When a command was last run in the pod, and how that ended: it holds until the next is due.
    ran: Option<(Instant, Result<(), Fault>)>,
    /// The image has no `redis-cli`.
    no_client: bool,
}

impl Node {
    /// Asks by the ways that are left, after port-forwards were refused with that fault.
    pub(super) async fn detour(
        &mut self,
        client: &kube::Client,
        denied: Fault,
        rest: std::time::Duration,
    ) -> Round {
        let page = self.ask_page(client).await;
        let ran = if self.desk.pace.exec {
            self.ask_by_command(client).await
        } else {
            Ok(false)
        };
        let hint = format!(
            "{}; for /metrics alone --verb=get --resource=pods/proxy is enough",
            denied.hint
        );
        let by_command = matches!(ran, Ok(true));
        match &page {
            Ok(metrics) => {
                if !by_command {
                    self.leave_open(metrics, &denied.clone().with_hint(hint));
                }
                Round::Page
            }
            Err(_) if by_command => Round::Page,
            Err(fault) => {
                let namespace = &self.id.namespace;
                let mut message = joined(&denied.message, "/metrics", fault, namespace);
                if let Err(fault) = &ran {
                    message = joined(&message, "exec", fault, namespace);
                }
                let told = Fault::new(FaultKind::Forbidden, message)
                    .with_detail(format!("{}\n{}", denied.detail, fault.detail))
                    .with_hint(hint);
                self.tell_silent(None, told);
                Round::Forbidden(rest)
            }
        }
    }

    /// Reads `/metrics`, and `/healthz` where there is one.
    async fn ask_page(&mut self, client: &kube::Client) -> Result<Metrics, Fault> {
        let body = self.page(client, "metrics").await.map_err(|r| r.fault);
        let read = body.and_then(|body| {
            wire::metrics(&String::from_utf8_lossy(&body))
                .map_err(|problem| Fault::new(FaultKind::Protocol, problem.to_string()))
        });
        self.tell_way(Way::PodProxy, read.as_ref().err());
        let metrics = read?;
        self.answer(Probe::Metrics(Box::new(metrics.clone())));
        for probe in retold(&metrics) {
            self.answer(probe);
        }
        if !self.detour.no_health {
            match self.page(client, "healthz").await {
                Ok(_) => self.answer(Probe::Health(Health::Active)),
                Err(refusal) => match refusal.code {
                    // The pod's own answer; the API server's has a body of Kubernetes'.
                    Some(503) if refusal.fault.kind == FaultKind::Protocol => {
                        self.answer(Probe::Health(Health::Busy));
                    }
                    Some(404) => self.detour.no_health = true,
                    // What matters is on the other page.
                    _ => {}
                },
            }
        }
        Ok(metrics)
    }

    async fn page(&mut self, client: &kube::Client, page: &str) -> Result<Vec<u8>, Refusal> {
        let (namespace, pod) = (self.id.namespace.clone(), self.id.pod.clone());
        if let Some((fault, _)) = self.denied(Way::PodProxy) {
            return Err(fault.into());
        }
        let asked = Asked {
            verb: "get",
            resource: "pods/proxy",
            group: "",
            namespace: Some(&namespace),
        };
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}:{ADMIN_PORT}/proxy/{page}");
        let deadline = self.desk.pace.connect_deadline;
        let got = request::page(client, &path, &asked, deadline).await;
        let got = got.map_err(|mut refusal| {
            // The request crosses the pod network, which a port-forward does not.
            let blocked = matches!(refusal.code, Some(502..=504)) || refusal.fault.kind == FaultKind::Timeout;
            if blocked && refusal.fault.hint.is_empty() {
                refusal.fault = refusal.fault.with_hint(
                    "a NetworkPolicy may keep the API server from port 9999: the operator's own admits only itself and peers",
                );
            }
            refusal
        });
        match &got {
            Ok(_) => self.shared.denials.lift(&namespace, Way::PodProxy),
            Err(refusal) if refusal.fault.kind == FaultKind::Forbidden => {
                let (denials, pace) = (&self.shared.denials, &self.desk.pace);
                let nudges = self.nudges();
                denials.note(&namespace, Way::PodProxy, &refusal.fault, pace, nudges);
            }
            Err(_) => {}
        }
        got
    }

    /// Runs `redis-cli INFO ALL` in the pod, when that is due. Tells whether what was so learned holds.
    async fn ask_by_command(&mut self, client: &kube::Client) -> Result<bool, Fault> {
        let pace = self.desk.pace;
        let in_view = is_in_view(&self.focus.borrow(), &self.id, &self.target);
        let every = if in_view {
            pace.exec_focused
        } else {
            pace.exec_background
        };
        if self.detour.no_client {
            return Err(Fault::new(
                FaultKind::NotFound,
                "the image has no redis-cli",
            ));
        }
        if let Some((ran, ended)) = &self.detour.ran
            && ran.elapsed() < every.mul_f64(0.9)
        {
            return ended.clone().map(|()| true);
        }
        let (namespace, pod) = (self.id.namespace.clone(), self.id.pod.clone());
        if let Some((fault, _)) = self.denied(Way::Exec) {
            return Err(fault);
        }
        let began = Instant::now();
        let deadline = pace.connect_deadline + pace.probe_deadline;
        let ran = exec::run(client, &namespace, &pod, CONTAINER, exec::INFO, deadline).await;
        let ran = ran.map_err(|refusal| refusal.fault).and_then(|out| {
            wire::sections(&String::from_utf8_lossy(&out))
                .map_err(|problem| Fault::new(FaultKind::Protocol, problem.to_string()))
        });
        self.detour.ran = Some((began, ran.as_ref().map(|_| ()).map_err(Fault::clone)));
        self.tell_way(Way::Exec, ran.as_ref().err());
        match ran {
            Ok(sections) => {
                self.shared.denials.lift(&namespace, Way::Exec);
                for probe in sections.probes() {
                    self.answer(probe);
                }
                Ok(true)
            }
            Err(fault) => {
                match fault.kind {
                    FaultKind::Forbidden => {
                        let (denials, nudges) = (&self.shared.denials, self.nudges());
                        denials.note(&namespace, Way::Exec, &fault, &pace, nudges);
                    }
                    FaultKind::NotFound => self.detour.no_client = true,
                    _ => {}
                }
                Err(fault)
            }
        }
    }

    /// Says of every standing question that a page does not answer that it is not answered.
    fn leave_open(&mut self, metrics: &Metrics, denied: &Fault) {
        let mut open = vec![Question::Ping, Question::Role, Question::Persistence];
        if metrics.role != Some(Role::Master) {
            // Whom it follows, and whether that is its master's data, is on no page.
            open.push(Question::Replication);
        }
        for question in open {
            let fault = Fault {
                message: format!("/metrics does not tell, and we {}", denied.message),
                ..denied.clone()
            };
            self.tell_silent(Some(question), fault);
        }
    }

    fn answer(&self, probe: Probe) {
        self.desk.outlet.send(Fact::Probed {
            node: self.id.clone(),
            uid: self.target.uid.clone(),
            probe,
        });
    }
}

/// One refusal after another in a sentence: `may not port-forward (…) in namespace a, nor read pages of pods (…)`.
fn joined(before: &str, what: &str, fault: &Fault, namespace: &str) -> String {
    let place = format!(" in namespace {namespace}");
    match fault.message.strip_prefix("may not ") {
        Some(rest) => format!(
            "{before}, nor {}",
            rest.strip_suffix(&place).unwrap_or(rest)
        ),
        None => format!("{before}; {what}: {}", fault.message),
    }
}

/// What a page tells that INFO tells in the same words. A replica's link is not among it: a page does not say whom it
/// follows.
fn retold(metrics: &Metrics) -> Vec<Probe> {
    let m = metrics;
    let mut probes = vec![
        Probe::Server(Server {
            version: m.version.clone(),
            uptime: m.uptime,
            ..Server::default()
        }),
        Probe::Clients(Clients {
            connected: m
                .clients
                .map(|n| n.saturating_add(m.other_clients.unwrap_or(0))),
            max: m.max_clients,
            blocked: m.blocked_clients,
            send_delay_ms: m.send_delay_ms,
            ..Clients::default()
        }),
        Probe::Memory(Memory {
            used: m.used,
            peak: m.peak,
            rss: m.rss,
            max: m.max,
            ..Memory::default()
        }),
        Probe::Stats(Stats {
            commands: m.commands,
            oom_rejections: m.oom_errors,
            evicted: m.evicted,
            expired: m.expired,
            hits: m.hits,
            misses: m.misses,
            received: m.received,
            sent: m.sent,
            ..Stats::default()
        }),
        Probe::Keyspace(Keyspace {
            // The family is absent on an empty server.
            keys: m.keys.unwrap_or(0),
            expiring: m.expiring,
            databases: Vec::new(),
        }),
    ];
    if m.role == Some(Role::Master) {
        let lines: Vec<ReplicaLine> = m
            .replicas
            .iter()
            .map(|line| ReplicaLine {
                ip: line.ip.clone(),
                port: line.port,
                state: line.state.clone(),
                lag: line.lag,
            })
            .collect();
        probes.push(Probe::Replication(Replication {
            replid: None,
            side: Side::Master {
                connected: u64::try_from(lines.len()).unwrap_or(u64::MAX),
                replicas: lines,
            },
        }));
    }
    probes
}
