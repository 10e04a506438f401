//! What a container runs: a server, the operator, a program that crashes, or one that does nothing.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::flags::{self, Refused};
use super::process::{Process, Simple};
use super::{Crash, Shared};
use crate::lab::controllers::claims_of;
use crate::lab::engine::Engine;
use crate::lab::json::text;
use crate::lab::operator;
use crate::lab::resources::SECRETS;

impl Shared {
    /// Starts what a container runs, as if it had been running for `age`.
    pub(super) async fn program(
        self: &Arc<Self>,
        pod: &Value,
        container: &Value,
        ip: &str,
        restarts: u32,
        age: Duration,
    ) -> Result<Process, Refused> {
        let (namespace, name) = (
            text(pod, "/metadata/namespace"),
            text(pod, "/metadata/name"),
        );
        let (image, container_name) = (text(container, "/image"), text(container, "/name"));
        let crash = self
            .crashes()
            .iter()
            .find(|crash| {
                crash.namespace == namespace
                    && name.starts_with(&crash.pod)
                    && crash.container == container_name
            })
            .cloned();
        if let Some(crash) = crash {
            return Ok(Process::Simple(self.crashing(&crash)));
        }
        let secret = |secret: &str, key: &str| self.secret(namespace, secret, key);
        if flags::is_server(image) {
            let address = ip.parse().map_err(|_| Refused {
                reason: "CreateContainerError",
                message: format!("pod {name} has no address"),
            })?;
            let mut spec = flags::engine_spec(name, container, address, secret)?;
            spec.tls = flags::tls_secret(pod, container)
                .and_then(|name| Some((secret(&name, "tls.crt")?, secret(&name, "tls.key")?)));
            spec.seed = self.seed.number(&["engine", text(pod, "/metadata/uid")]);
            spec.restarts = restarts;
            spec.listens = self.attached.is_some();
            spec.at_address = self.attached.is_some();
            spec.age = age;
            if let Some(claim) = claims_of(pod)
                .into_iter()
                .find(|claim| claim.starts_with("df-"))
            {
                let volumes = self.volumes.lock().unwrap_or_else(PoisonError::into_inner);
                spec.snapshot = volumes.get(&(namespace.to_owned(), claim)).cloned();
            }
            if spec.snapshot.is_some() {
                spec.load_takes = self.tricks.load_takes(namespace, name);
            }
            let engine = Engine::start(spec, self.network.clone(), self.clock.clone()).await;
            let engine = engine.map_err(|error| Refused {
                reason: "RunContainerError",
                message: format!(
                    "failed to create containerd task: the lab has no port for it at {ip}: {error}"
                ),
            })?;
            return Ok(Process::Engine(engine, self.clock.clone()));
        }
        // A missing Secret keeps any container from starting.
        flags::environment(container, secret)?;
        let simple = Simple::new(&self.store, &self.tasks);
        let simulated = self
            .attached
            .as_ref()
            .is_none_or(|attached| attached.operator);
        if simulated && flags::is_operator(image) {
            operator::start(Arc::clone(self), pod, restarts, &simple);
        } else {
            simple.journal.write(format!("{container_name} started"));
        }
        // Programs that do not catch SIGTERM leave with 143.
        let code = if flags::is_operator(image) { 0 } else { 143 };
        Ok(Process::Simple(simple.leaves_with(code)))
    }

    fn crashing(&self, crash: &Crash) -> Simple {
        let simple = Simple::new(&self.store, &self.tasks);
        let (journal, exit, after) = (
            simple.journal.clone(),
            simple.exit(),
            self.scaled(Duration::from_millis(700)),
        );
        let crash = crash.clone();
        simple.tasks().spawn(async move {
            for line in crash.lines {
                journal.write(line);
            }
            tokio::time::sleep(after).await;
            exit.send_replace(Some(crash.code));
        });
        simple
    }

    pub(super) fn secret(&self, namespace: &str, secret: &str, key: &str) -> Option<String> {
        let secret = self.store.get(SECRETS, namespace, secret).ok()?.value();
        if let Some(plain) = secret.pointer("/stringData").and_then(|map| map.get(key)) {
            return plain.as_str().map(str::to_owned);
        }
        let encoded = secret
            .pointer("/data")
            .and_then(|map| map.get(key))?
            .as_str()?;
        String::from_utf8(crate::lab::base64::decode(encoded)?).ok()
    }
}
