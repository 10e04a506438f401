//! What the operator says to an engine: RESP to `POD_IP:9999`, no password, ten seconds of patience.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Operator;
use super::owned::ADMIN_PORT;
use crate::lab::json::text;
use crate::lab::redis::{Client, Reply, field};
use serde_json::Value;

/// Dial, read and write timeouts since v1.5.0.
const PATIENCE: Duration = Duration::from_secs(10);

/// The connections of one look at an instance: one per pod.
pub(super) struct Voices<'a> {
    operator: &'a Operator,
    open: BTreeMap<String, Client>,
}

impl<'a> Voices<'a> {
    pub(super) fn new(operator: &'a Operator) -> Self {
        Self {
            operator,
            open: BTreeMap::new(),
        }
    }

    /// Sends a command to a pod. An error reply is an error too.
    pub(super) async fn call(&mut self, pod: &Value, args: &[&str]) -> Result<Reply, String> {
        let ip = text(pod, "/status/podIP").to_owned();
        let patience = self
            .operator
            .shared
            .scaled(PATIENCE)
            .max(Duration::from_secs(1));
        let place = format!("{ip}:{ADMIN_PORT}");
        let client = match self.open.remove(&ip) {
            Some(client) => client,
            None => {
                let from = self.operator.pod.as_ref();
                let dialled = match self.operator.shared.lets_through(from, pod, ADMIN_PORT) {
                    true => self.operator.shared.dial_address(&ip, ADMIN_PORT).await,
                    false => Err(self.operator.shared.nobody_answers().await),
                };
                let stream = dialled.map_err(|error| match error.kind() {
                    std::io::ErrorKind::TimedOut => format!("dial tcp {place}: {error}"),
                    _ => format!("dial tcp {place}: connect: {error}"),
                })?;
                let mut client = Client::new(stream, patience);
                let named = client
                    .call(&["CLIENT", "SETNAME", "dragonfly-operator"])
                    .await;
                named.map_err(|error| format!("read tcp {place}: {error}"))?;
                client
            }
        };
        let client = self.open.entry(ip.clone()).or_insert(client);
        match client.call(args).await {
            Ok(Reply::Error(text)) => Err(text),
            Ok(reply) => Ok(reply),
            Err(error) => {
                self.open.remove(&ip);
                Err(format!("read tcp {place}: {error}"))
            }
        }
    }

    /// One section of INFO.
    pub(super) async fn info(&mut self, pod: &Value, section: &str) -> Result<String, String> {
        self.call(pod, &["INFO", section])
            .await
            .map(|reply| reply.text())
    }

    /// Whether the engine calls itself a master.
    pub(super) async fn is_master(&mut self, pod: &Value) -> Result<bool, String> {
        let info = self.info(pod, "replication").await?;
        Ok(field(&info, "role") == Some("master"))
    }

    /// Whether its replication is stable; a master passes, because missing fields count as fine.
    pub(super) async fn is_stable(&mut self, pod: &Value) -> Result<bool, String> {
        let replication = self.info(pod, "replication").await?;
        let persistence = self.info(pod, "persistence").await?;
        Ok(field(&replication, "master_sync_in_progress") != Some("1")
            && field(&replication, "master_link_status").is_none_or(|status| status == "up")
            && field(&replication, "master_last_io_seconds_ago") != Some("-1")
            && field(&persistence, "loading").is_none_or(|loading| loading == "0"))
    }

    /// Makes a pod a replica; refusals that pass are asked again.
    pub(super) async fn follow(&mut self, pod: &Value, master: &str) -> Result<(), String> {
        let port = ADMIN_PORT.to_string();
        let mut tries = 0;
        loop {
            match self.call(pod, &["SLAVEOF", master, &port]).await {
                Ok(_) => return Ok(()),
                Err(error) if error.contains("replication cancelled") && tries < 3 => {
                    tries += 1;
                    tokio::time::sleep(self.operator.shared.scaled(Duration::from_millis(500)))
                        .await;
                }
                Err(error) => return Err(format!("error running SLAVE OF command: {error}")),
            }
        }
    }

    /// Sends the clients of a former master away, all but loopback, replication and the operator itself.
    pub(super) async fn kill_clients(&mut self, pod: &Value) -> Result<(), String> {
        let list = self.call(pod, &["CLIENT", "LIST"]).await?.text();
        for line in list.lines() {
            let get = |key: &str| {
                line.split_whitespace()
                    .find_map(|part| part.strip_prefix(key)?.strip_prefix('='))
            };
            let (Some(address), name) = (get("addr"), get("name").unwrap_or_default()) else {
                continue;
            };
            let spared = address.starts_with("127.0.0.1")
                || name.starts_with("repl_")
                || name == "dragonfly-operator";
            if !spared {
                // It may have left by itself.
                let _ = self.call(pod, &["CLIENT", "KILL", "ADDR", address]).await;
            }
        }
        Ok(())
    }
}
