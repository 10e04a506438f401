#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod api;
mod credentials;
mod data_ports;
mod engines;
mod lines;
mod on_demand;
mod watches;
mod ways;

use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::timeout;

use self::api::Api;
use super::*;
use crate::connect::kubeconfig::{self, Surroundings};
use crate::domain::Kind;
use crate::domain::World;
use crate::domain::world::ContextWorld;

/// Quick enough for tests; every order of size between the times is kept.
pub fn quick() -> Pace {
    let ms = Duration::from_millis;
    Pace {
        heartbeat: ms(50),
        heartbeat_deadline: ms(1_000),
        request_deadline: ms(2_000),
        connect_deadline: ms(2_000),
        plugin_deadline: ms(5_000),
        retry_least: ms(20),
        retry_most: ms(100),
        watch: Duration::from_secs(2),
        probe_focused: ms(50),
        probe_background: ms(200),
        probe_deadline: ms(400),
        probes_in_flight: 4,
        on_demand: ms(60),
        follows: true,
        on_demand_kept: ms(300),
        data_port: None,
        data_port_background: ms(600),
        settings_first: false,
        exec: false,
        exec_focused: ms(50),
        exec_background: ms(200),
    }
}

/// An entry for a server, through a kubeconfig file as users have it. `user` is YAML.
pub fn entry(name: &str, server: &str, user: &str) -> Entry {
    entry_in(name, server, user, "")
}

/// The same with a namespace.
pub fn entry_in(name: &str, server: &str, user: &str, namespace: &str) -> Entry {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config");
    let text = format!(
        "clusters: [{{name: c, cluster: {{server: '{server}'}}}}]\nusers:\n- name: u\n  user: {user}\ncontexts: [{{name: '{name}', context: {{cluster: c, user: u, namespace: '{namespace}'}}}}]\n"
    );
    std::fs::write(&file, text).unwrap();
    let (found, problems) = kubeconfig::load(Some(&file), &Surroundings::default());
    assert_eq!(problems, []);
    found.context(name).unwrap().clone()
}

/// A context that is being followed, and the world that its facts make.
pub struct Followed {
    id: ContextId,
    pub world: World,
    /// Every fact so far.
    pub facts: Vec<Fact>,
    inbox: Inbox,
    task: BoxFuture<'static, ()>,
    pub focus: watch::Sender<Focus>,
}

impl Followed {
    pub fn plan(plan: ContextPlan) -> Self {
        let (outlet, inbox) = inbox();
        let focus = watch::Sender::new(Focus::default());
        outlet.send(plan.opened());
        Self {
            id: plan.id.clone(),
            world: World::default(),
            facts: Vec::new(),
            inbox,
            task: Box::pin(follow(plan, outlet, focus.subscribe())),
            focus,
        }
    }

    pub fn api(api: &Api) -> Self {
        Self::plan(ContextPlan::paced(entry("c", &api.url, "{}"), quick()))
    }

    pub fn context(&self) -> &ContextWorld {
        self.world.context(&self.id).unwrap()
    }

    pub fn dragonflies(&self) -> Vec<String> {
        self.context()
            .instances()
            .map(|id| id.to_string())
            .collect()
    }

    /// Follows until the world is so.
    pub async fn until(&mut self, what: &str, holds: impl Fn(&ContextWorld) -> bool) {
        let mut buf = Vec::new();
        let wait = async {
            loop {
                if self.world.context(&self.id).is_some_and(&holds) {
                    return;
                }
                tokio::select! {
                    () = &mut self.task => panic!("the context ended"),
                    _ = self.inbox.recv_many(&mut buf, 1) => {
                        for fact in buf.drain(..) {
                            self.facts.push(fact.clone());
                            self.world.apply(fact, jiff::Timestamp::now());
                        }
                    }
                }
            }
        };
        if timeout(Duration::from_secs(30), wait).await.is_err() {
            panic!(
                "never came to be: {what}; link {:?}; sources {:#?}",
                self.context().link,
                self.context().sources
            );
        }
    }

    /// Follows while something else is awaited.
    pub async fn during<T>(&mut self, other: impl Future<Output = T>) -> T {
        tokio::pin!(other);
        let mut buf = Vec::new();
        loop {
            tokio::select! {
                () = &mut self.task => panic!("the context ended"),
                _ = self.inbox.recv_many(&mut buf, 1) => {
                    for fact in buf.drain(..) {
                        self.facts.push(fact.clone());
                        self.world.apply(fact, jiff::Timestamp::now());
                    }
                }
                value = &mut other => return value,
            }
        }
    }
}

#[test]
fn a_context_can_be_a_task() {
    fn is_task<T: Send + 'static>(_: &T) {}
    let plan = ContextPlan::new(entry("c", "http://127.0.0.1:1", "{}"));
    let (outlet, _inbox) = inbox();
    let focus = watch::Sender::new(Focus::default());
    is_task(&follow(plan, outlet, focus.subscribe()));
}
