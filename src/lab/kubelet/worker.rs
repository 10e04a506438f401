//! The life of one pod: a machine, an address, containers that start, become ready, end and start again, and the end.

mod place;
mod start;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{FutureExt, select_all};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Shared;
use super::process::Process;
use super::schedule::application;
use super::state::{Ended, Now, PodState};
use crate::lab::controllers::claims_of;
use crate::lab::engine::Engine;
use crate::lab::json::{items, set, text};
use crate::lab::pods;
use crate::lab::resources::{CLAIMS, PODS};
use crate::lab::store::{Delete, Expect, Object, Writer};

/// Between two looks at an image that comes slowly.
const PULLS: Duration = Duration::from_millis(250);
/// Until the kubelet notices that a going pod's containers have ended: a real one looks at them about once a second.
const NOTICES: Duration = Duration::from_millis(300);
/// From the last status of a going pod until its object is let go: the sandbox and the volumes are taken down first.
const LETS_GO: Duration = Duration::from_millis(500);

/// What a worker is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Its deletion was asked for, with this many seconds of grace.
    Stop(u64),
    /// The object is gone: end everything at once.
    Gone,
    /// Somebody changed the pod's conditions.
    Look,
    /// Start what waits to be started again.
    Retry,
}

/// What falls due.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Due {
    /// A container is to be started (again).
    Start(String),
    /// A container's readiness is to be asked.
    Ready(String),
    /// A container that does not answer is asked again.
    Silent(String, u32),
    /// A container is asked whether it still loads, by a probe that has had enough of it.
    Load(String),
}

/// One pod's worker.
pub(super) struct Worker {
    shared: Arc<Shared>,
    namespace: String,
    name: String,
    uid: String,
    words: mpsc::UnboundedReceiver<Word>,
    state: Option<PodState>,
    node: String,
    running: BTreeMap<String, Arc<Process>>,
    due: Vec<(Instant, Due)>,
    /// Ends of each container so far that counted for the back-off.
    crashes: BTreeMap<String, u32>,
    /// How long its image took to come, until that is told.
    pulled: Option<Duration>,
    /// Whether its readiness probe fails by a scenario's will.
    unready: bool,
}

impl Worker {
    pub(super) fn new(
        shared: Arc<Shared>,
        pod: &Object,
        words: mpsc::UnboundedReceiver<Word>,
    ) -> Self {
        Self {
            shared,
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            uid: pod.uid.clone(),
            words,
            state: None,
            node: String::new(),
            running: BTreeMap::new(),
            due: Vec::new(),
            crashes: BTreeMap::new(),
            pulled: None,
            unready: false,
        }
    }

    /// Takes over a pod whose containers already run, or wait to be started again.
    pub(super) fn adopt(
        &mut self,
        node: &str,
        state: PodState,
        running: BTreeMap<String, Arc<Process>>,
    ) {
        for container in &state.containers {
            self.crashes
                .insert(container.name.clone(), container.restarts);
            if matches!(container.now, Now::Waiting(..)) {
                self.due
                    .push((Instant::now(), Due::Start(container.name.clone())));
            }
        }
        self.node = node.to_owned();
        self.state = Some(state);
        self.running = running;
    }

    /// Lives until the pod is gone.
    pub(super) async fn live(mut self) {
        let mut word = match self.rise().await {
            Ok(()) => self.run().await,
            Err(word) => word,
        };
        if let Word::Stop(_) = word {
            // A kubelet that nobody reaches does not hear of it.
            word = self.heard(word).await;
        }
        self.fall(word).await;
        if let Some(state) = &self.state {
            self.shared.addresses.free(&state.ip);
        }
        self.shared.forget(&self.namespace, &self.name, &self.uid);
    }

    // Up.

    async fn rise(&mut self) -> Result<(), Word> {
        if self.state.is_some() {
            return Ok(());
        }
        let pod = self.place().await?;
        self.reached().await?;
        if self.shared.is_attached() && pods::deleting(&pod) {
            // A kubelet that was started again while the pod was going finds nothing of it that runs.
            return Err(Word::Stop(0));
        }
        let now = self.shared.store.now();
        let host = self.shared.host(&self.node);
        let mut state = PodState::creating(&pod, &host, "", now);
        state.recall(&pod, now);
        self.state = Some(state);
        self.write();
        if let Some(claim) = claims_of(&pod).first() {
            self.pause(Duration::from_millis(1500)).await?;
            let volume = self
                .shared
                .store
                .get(CLAIMS, &self.namespace, claim)
                .map(|claim| claim.value());
            let volume = volume
                .map(|claim| text(&claim, "/spec/volumeName").to_owned())
                .unwrap_or_default();
            let sentence = format!("AttachVolume.Attach succeeded for volume \"{volume}\"");
            self.shared
                .attacher
                .normal(&pod, "SuccessfulAttachVolume", &sentence);
        }
        self.pause(Duration::from_millis(800)).await?;
        let ip = self.shared.addresses.take(&self.node);
        if let Some(state) = &mut self.state {
            state.ip = ip.to_string();
        }
        self.shared
            .addressed(&self.namespace, &self.name, &self.uid, &ip.to_string());
        self.pull(&pod).await?;
        let names: Vec<String> = items(&pod, "/spec/containers")
            .iter()
            .map(|one| text(one, "/name").to_owned())
            .collect();
        for name in names {
            self.start(&name).await;
        }
        self.write();
        Ok(())
    }

    /// Waits for the image, where a scenario lets it come slowly; no longer than it does.
    async fn pull(&mut self, pod: &Value) -> Result<(), Word> {
        let app = application(pod).to_owned();
        let takes = |worker: &Self| worker.shared.tricks.pull_takes(&worker.namespace, &app);
        if takes(self).is_none() {
            return Ok(());
        }
        self.write();
        if let Some(container) = items(pod, "/spec/containers").first() {
            let field = format!("spec.containers{{{}}}", text(container, "/name"));
            let sentence = format!("Pulling image \"{}\"", text(container, "/image"));
            let events = self.shared.events.on(&self.node);
            events.now(pod, "Normal", "Pulling", &sentence, &field);
        }
        let mut passed = Duration::ZERO;
        while takes(self).is_some_and(|takes| passed < takes) {
            self.pause(PULLS).await?;
            passed += PULLS;
        }
        self.pulled = Some(passed);
        Ok(())
    }

    // Run.

    async fn run(&mut self) -> Word {
        loop {
            let next = self.due.iter().map(|(at, _)| *at).min();
            let wait = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let happened = tokio::select! {
                word = self.words.recv() => match word {
                    Some(Word::Look) => {
                        self.heed();
                        None
                    }
                    Some(Word::Retry) => {
                        self.retry();
                        None
                    }
                    other => return other.unwrap_or(Word::Gone),
                },
                ended = any_end(&self.running) => Some(ended),
                silent = any_silence(&self.running, &self.due) => {
                    // The kubelet notices at its next probe.
                    self.later(Duration::from_secs(5), Due::Silent(silent, 1));
                    None
                }
                () = wait => None,
            };
            if let Some((name, code)) = happened {
                self.ended(&name, code);
            }
            let now = Instant::now();
            let (due, left) = std::mem::take(&mut self.due)
                .into_iter()
                .partition(|(at, _)| *at <= now);
            self.due = left;
            let due: Vec<(Instant, Due)> = due;
            for (_, due) in due {
                match due {
                    Due::Start(name) => self.start(&name).await,
                    Due::Ready(name) => self.probe(&name),
                    Due::Silent(name, times) => self.silent(&name, times),
                    Due::Load(name) => self.loads(&name),
                }
            }
            self.write();
        }
    }

    /// Waits until the machine can be reached: before, its kubelet has not heard of the pod.
    async fn reached(&mut self) -> Result<(), Word> {
        let shared = Arc::clone(&self.shared);
        let node = self.node.clone();
        loop {
            tokio::select! {
                biased;
                () = shared.tricks.found(&node) => return Ok(()),
                word = self.words.recv() => match word {
                    Some(Word::Look | Word::Retry) => {}
                    other => return Err(other.unwrap_or(Word::Gone)),
                },
            }
        }
    }

    /// The word of a deletion, when it reaches the machine; or that the object is gone meanwhile.
    async fn heard(&mut self, mut word: Word) -> Word {
        let shared = Arc::clone(&self.shared);
        let node = self.node.clone();
        loop {
            tokio::select! {
                biased;
                () = shared.tricks.found(&node) => return word,
                next = self.words.recv() => match next {
                    Some(Word::Stop(grace)) => word = Word::Stop(grace),
                    Some(Word::Look | Word::Retry) => {}
                    Some(Word::Gone) | None => return Word::Gone,
                },
            }
        }
    }

    /// Forgets the back-off of what waits.
    fn retry(&mut self) {
        for (at, due) in &mut self.due {
            if matches!(due, Due::Start(_)) {
                *at = Instant::now();
            }
        }
        self.crashes.clear();
    }

    /// Sees whether a scenario lets the readiness probe fail, or pass again.
    fn heed(&mut self) {
        let unready = self.shared.tricks.is_unready(&self.namespace, &self.name);
        if std::mem::replace(&mut self.unready, unready) == unready {
            return;
        }
        let names: Vec<String> = self.running.keys().cloned().collect();
        for name in names {
            if !unready {
                self.probe(&name);
                continue;
            }
            let Some(pod) = self.pod() else { return };
            let field = format!("spec.containers{{{name}}}");
            let events = self.shared.events.on(&self.node);
            let sentence = "Readiness probe failed: ";
            events.now(&pod, "Warning", "Unhealthy", sentence, &field);
            if let Some(state) = &mut self.state {
                state.with(&name, |one| one.ready = false);
            }
        }
    }

    /// Asks a container for its readiness.
    fn probe(&mut self, name: &str) {
        if self.unready {
            return;
        }
        let Some(process) = self.running.get(name) else {
            return;
        };
        let lost = self.shared.tricks.is_lost(&self.node);
        if lost || process.frozen() && !self.shared.tricks.is_spared(&self.namespace, &self.name) {
            self.later(Duration::from_secs(10), Due::Ready(name.to_owned()));
            return;
        }
        if let Some(state) = &mut self.state {
            state.with(name, |one| one.ready = true);
        }
    }

    /// A container that did not answer a probe.
    fn silent(&mut self, name: &str, times: u32) {
        let Some(process) = self.running.get(name).cloned() else {
            return;
        };
        // A process on a machine that is off the network is stopped for all others; its own kubelet finds nothing wrong.
        if self.shared.tricks.is_spared(&self.namespace, &self.name)
            || self.shared.tricks.is_lost(&self.node)
        {
            self.later(Duration::from_secs(10), Due::Silent(name.to_owned(), times));
            return;
        }
        if !process.frozen() {
            self.probe(name);
            return;
        }
        let Some(pod) = self.pod() else { return };
        let field = format!("spec.containers{{{name}}}");
        let events = self.shared.events.on(&self.node);
        let text =
            "command timed out: \"/bin/sh /usr/local/bin/healthcheck.sh\" timed out after 5s";
        events.now(
            &pod,
            "Warning",
            "Unhealthy",
            &format!("Readiness probe failed: {text}"),
            &field,
        );
        events.now(
            &pod,
            "Warning",
            "Unhealthy",
            &format!("Liveness probe failed: {text}"),
            &field,
        );
        if times < 3 {
            self.later(
                Duration::from_secs(10),
                Due::Silent(name.to_owned(), times + 1),
            );
            return;
        }
        if let Some(state) = &mut self.state {
            state.with(name, |one| one.ready = false);
        }
        let sentence = format!("Container {name} failed liveness probe, will be restarted");
        events.now(&pod, "Normal", "Killing", &sentence, &field);
        // A stopped process does not see SIGTERM; after its grace it is killed.
        process.kill();
    }

    /// A server that loads while its liveness probe takes that for a failure.
    fn loads(&mut self, name: &str) {
        let Some(process) = self.running.get(name).cloned() else {
            return;
        };
        if !process.engine().is_some_and(Engine::is_loading) {
            return;
        }
        let Some(pod) = self.pod() else { return };
        let field = format!("spec.containers{{{name}}}");
        let events = self.shared.events.on(&self.node);
        let sentence = "Liveness probe failed: LOADING Dragonfly is loading the dataset in memory";
        events.now(&pod, "Warning", "Unhealthy", sentence, &field);
        let sentence = format!("Container {name} failed liveness probe, will be restarted");
        events.now(&pod, "Normal", "Killing", &sentence, &field);
        process.terminate();
    }

    /// A process has ended by itself.
    fn ended(&mut self, name: &str, code: i32) {
        self.running.remove(name);
        self.shared
            .ended(&self.namespace, &self.name, &self.uid, name);
        self.due
            .retain(|(_, due)| !matches!(due, Due::Ready(of) | Due::Silent(of, _) | Due::Load(of) if of == name));
        let reason = self
            .shared
            .end_reason((&self.namespace, &self.name), name, code);
        let now = self.shared.store.now();
        let Some(state) = &mut self.state else { return };
        let mut ran = jiff::SignedDuration::ZERO;
        state.with(name, |one| {
            let started = match one.now {
                Now::Running(since) => since,
                _ => now,
            };
            ran = now.duration_since(started);
            let end = Ended::new(code, started, now).called(reason);
            one.last = Some(end.clone());
            one.now = Now::Ended(end);
            one.ready = false;
        });
        self.write();
        let times = self.crashes.entry(name.to_owned()).or_insert(0);
        if ran > jiff::SignedDuration::from_mins(10) {
            *times = 0;
        }
        *times += 1;
        if *times == 1 {
            self.later(Duration::from_millis(600), Due::Start(name.to_owned()));
            return;
        }
        let delay = back_off(*times - 1);
        let Some(pod) = self.pod() else { return };
        let of = format!(
            "container {name} in pod {}_{}({})",
            self.name, self.namespace, self.uid
        );
        let field = format!("spec.containers{{{name}}}");
        let sentence = format!("Back-off restarting failed {of}");
        self.shared
            .events
            .on(&self.node)
            .now(&pod, "Warning", "BackOff", &sentence, &field);
        if let Some(state) = &mut self.state {
            let shown = format!(
                "back-off {} restarting failed container={name} pod={}_{}({})",
                spelled(delay),
                self.name,
                self.namespace,
                self.uid
            );
            state.with(name, |one| {
                one.now = Now::Waiting("CrashLoopBackOff", shown)
            });
        }
        self.later(delay / self.shared.haste(), Due::Start(name.to_owned()));
    }

    // Down.

    async fn fall(&mut self, mut word: Word) {
        if let (Word::Stop(grace), Some(pod)) = (word, self.pod()) {
            for name in self.running.keys() {
                let field = format!("spec.containers{{{name}}}");
                let sentence = format!("Stopping container {name}");
                self.shared
                    .events
                    .on(&self.node)
                    .now(&pod, "Normal", "Killing", &sentence, &field);
            }
            for process in self.running.values() {
                process.terminate();
            }
            let there = self.wait_for_end(Duration::from_secs(grace)).await;
            if !there || !self.linger(NOTICES).await {
                word = Word::Gone;
            }
        }
        for process in self.running.values() {
            process.kill();
        }
        let now = self.shared.store.now();
        for (name, process) in std::mem::take(&mut self.running) {
            let code = process.exited().await;
            self.shared
                .ended(&self.namespace, &self.name, &self.uid, &name);
            if let Some(state) = &mut self.state {
                state.with(&name, |one| {
                    let started = match one.now {
                        Now::Running(since) => since,
                        _ => now,
                    };
                    one.now = Now::Ended(Ended::new(code, started, now));
                    one.ready = false;
                });
            }
        }
        if word == Word::Gone {
            return;
        }
        self.write();
        if !self.linger(LETS_GO).await {
            return;
        }
        let expect = Expect {
            uid: Some(self.uid.clone()),
            revision: None,
        };
        // Somebody may have forced it out before us.
        let _ = self.shared.store.delete(
            PODS,
            &self.namespace,
            &self.name,
            &Delete {
                expect,
                ..Delete::now()
            },
        );
    }

    /// Waits until all processes have ended or the grace is over; false when somebody removed the object meanwhile.
    async fn wait_for_end(&mut self, grace: Duration) -> bool {
        let mut until = Instant::now() + self.shared.scaled(grace);
        while self.running.values().any(|process| !process.has_ended()) {
            tokio::select! {
                _ = all_ended(&self.running) => return true,
                () = tokio::time::sleep_until(until) => return true,
                word = self.words.recv() => match word {
                    Some(Word::Stop(grace)) => {
                        until = until.min(Instant::now() + self.shared.scaled(Duration::from_secs(grace)));
                    }
                    Some(Word::Look | Word::Retry) => {}
                    Some(Word::Gone) | None => return false,
                },
            }
        }
        true
    }

    /// Lets time pass while the pod is taken down; false when somebody removed the object meanwhile.
    async fn linger(&mut self, time: Duration) -> bool {
        let until = Instant::now() + self.shared.scaled(time);
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return true,
                word = self.words.recv() => match word {
                    Some(Word::Stop(_) | Word::Look | Word::Retry) => {}
                    Some(Word::Gone) | None => return false,
                },
            }
        }
    }

    // Small things.

    fn pod(&self) -> Option<Value> {
        let pod = self
            .shared
            .store
            .get(PODS, &self.namespace, &self.name)
            .ok()?;
        (pod.uid == self.uid).then(|| pod.value())
    }

    fn change(&self, manager: &str, change: impl FnOnce(&mut Value)) -> Option<Value> {
        let writer = Writer {
            manager,
            subresource: "status",
            applied: None,
            dry_run: false,
        };
        let expect = Expect {
            uid: Some(self.uid.clone()),
            revision: None,
        };
        let changed = self.shared.store.try_update(
            PODS,
            &self.namespace,
            &self.name,
            writer,
            &expect,
            |pod| {
                change(pod);
                Ok(())
            },
        );
        changed.ok().map(|pod| pod.value())
    }

    /// Writes the status, where it differs.
    fn write(&self) {
        let Some(state) = &self.state else { return };
        if self.shared.tricks.is_lost(&self.node) {
            return;
        }
        let now = self.shared.store.now();
        self.change("kubelet", |pod| {
            let status = state.status(pod, now, self.shared.seed);
            set(pod, &["status"], status);
        });
    }

    fn later(&mut self, after: Duration, due: Due) {
        self.due
            .push((Instant::now() + self.shared.scaled(after), due));
    }

    async fn pause(&mut self, time: Duration) -> Result<(), Word> {
        let until = Instant::now() + self.shared.scaled(time);
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return Ok(()),
                word = self.words.recv() => match word {
                    Some(Word::Look | Word::Retry) => {}
                    other => return Err(other.unwrap_or(Word::Gone)),
                },
            }
        }
    }
}

/// The first container to end, with its exit status.
async fn any_end(running: &BTreeMap<String, Arc<Process>>) -> (String, i32) {
    if running.is_empty() {
        return std::future::pending().await;
    }
    let ends = running
        .iter()
        .map(|(name, process)| async move { (name.clone(), process.exited().await) }.boxed());
    select_all(ends).await.0
}

async fn all_ended(running: &BTreeMap<String, Arc<Process>>) {
    for process in running.values() {
        process.exited().await;
    }
}

/// The first container to fall silent that is not yet known to be.
async fn any_silence(running: &BTreeMap<String, Arc<Process>>, due: &[(Instant, Due)]) -> String {
    let known = |name: &str| {
        due.iter()
            .any(|(_, due)| matches!(due, Due::Silent(of, _) | Due::Ready(of) if of == name))
    };
    let mut waits = Vec::new();
    for (name, process) in running.iter().filter(|(name, _)| !known(name)) {
        waits.push(
            async move {
                process.froze().await;
                name.clone()
            }
            .boxed(),
        );
    }
    if waits.is_empty() {
        return std::future::pending().await;
    }
    select_all(waits).await.0
}

/// 10 s, doubled with every failure, at most 5 min.
fn back_off(times: u32) -> Duration {
    let doubled = 10_u64.saturating_mul(1 << times.saturating_sub(1).min(10));
    Duration::from_secs(doubled.min(300))
}

/// As Go prints it: `10s`, `1m20s`, `5m0s`.
fn spelled(time: Duration) -> String {
    match (time.as_secs() / 60, time.as_secs() % 60) {
        (0, seconds) => format!("{seconds}s"),
        (minutes, seconds) => format!("{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_off_doubles_to_five_minutes() {
        let shown: Vec<String> = (1..8).map(|times| spelled(back_off(times))).collect();
        assert_eq!(
            shown,
            ["10s", "20s", "40s", "1m20s", "2m40s", "5m0s", "5m0s"]
        );
    }
}
