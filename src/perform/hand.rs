//! One step carried out: a request with its precondition, a command to an engine, a wait. Never twice what is to be done once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use kube::Client;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::ledger::Ledger;
use super::lines::Lines;
use super::look::{self, asked};
use crate::actions::anew::{self, Filling};
use crate::actions::plan::MOMENT;
use crate::actions::plan::merges_lists;
use crate::actions::{Does, Goal, Look, Objects, Progress, Reading, Rules, Step};
use crate::checks::Limits;
use crate::connect::client::Door;
use crate::connect::fault::Refusal;
use crate::connect::latch::{Change, Latch, Pass};
use crate::connect::request::{self, JSON, MERGE, Order, STRATEGIC};
use crate::connect::resp::{Reply, plain};
use crate::domain::engine::{Question, Role};
use crate::domain::text::one_line;
use crate::domain::{ContextId, Fault, FaultKind, NodeId, Probe, World};
use crate::msg::run::StepState;
use crate::wire;

/// What all runs of a process stand on.
#[derive(Debug)]
pub struct Ground {
    /// The way into each context.
    pub doors: BTreeMap<ContextId, Arc<Door>>,
    /// Bounds from the settings.
    pub limits: Limits,
    /// What the settings say about acting.
    pub rules: Rules,
    /// Where everything is written down; `None`: there is no place for it.
    pub ledger: Option<Ledger>,
    /// The user of this machine.
    pub os_user: String,
    /// This machine.
    pub host: String,
}

/// How often what is waited for is looked at.
const LOOKED: Duration = Duration::from_millis(100);
/// How soon what lost a race, or was not answered, is done again.
const AGAIN: Duration = Duration::from_millis(100);
/// How long it is read what came of a command that was not answered, beyond the time that the server was given.
const FOUND_OUT: Duration = Duration::from_secs(20);

/// What carries the steps of one run out.
pub(super) struct Hand {
    pub client: Client,
    pub door: Arc<Door>,
    pub lines: Lines,
    pub limits: Limits,
    pub rules: Rules,
    /// The name of the run.
    run: String,
    known: Mutex<Knowledge>,
    /// What was put in for what a plan names before it is there: the same for the whole run.
    filled: Mutex<BTreeMap<String, String>>,
    /// The run has come to its end: what it paused goes on, whatever the latch says by now.
    pub ends: std::sync::atomic::AtomicBool,
}

/// What was read so far.
pub(super) struct Knowledge {
    pub world: World,
    pub objects: Objects,
}

impl Hand {
    pub(super) fn new(
        client: Client,
        door: Arc<Door>,
        ground: &Ground,
        world: World,
        run: &str,
    ) -> Self {
        Self {
            run: run.to_owned(),
            filled: Mutex::default(),
            client,
            door,
            lines: Lines::default(),
            limits: ground.limits.clone(),
            rules: ground.rules.clone(),
            known: Mutex::new(Knowledge {
                world,
                objects: Objects::new(),
            }),
            ends: false.into(),
        }
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Knowledge> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn latch(&self) -> &Latch {
        self.door.latch()
    }

    /// Reads all of it again; what could not be read is told.
    pub(super) async fn look(&self, looks: &[Look], briefly: bool) -> Vec<Fault> {
        // What is asked depends on little of the world, and nothing may wait while it is held.
        let world = self.known().world.clone();
        let seen = look::look(&self.client, &self.lines, &world, looks, briefly).await;
        let now = Timestamp::now();
        let mut known = self.known();
        for fact in seen.facts {
            known.world.apply(fact, now);
        }
        known.objects.extend(seen.objects);
        seen.faults
    }

    /// A step with what it names before it is there: pods are read once more for it, and stay the same from then on.
    async fn filled(&self, step: &Step) -> Result<Step, String> {
        let words = anew::words(step);
        if words.is_empty() {
            return Ok(step.clone());
        }
        let is_new = |word: &str| !self.put_in().contains_key(word);
        let new: Vec<Look> = words
            .iter()
            .filter(|(word, _)| is_new(word))
            .filter_map(|(_, node)| node.clone().map(Look::Node))
            .collect();
        if let Some(fault) = self.look(&new, true).await.first() {
            return Err(fault.message.clone());
        }
        let now = Timestamp::now();
        let filled = self.fill(now, false, |filling| filling.step(step))?;
        // Whatever of a pod is put in first says which pod is meant: all else of it is of the same one.
        let nodes = words
            .iter()
            .filter_map(|(word, node)| Some((word, node.as_ref()?)));
        for (word, node) in nodes.filter(|(word, _)| is_new(word)) {
            let known = self.known();
            let context = known.world.context(&node.context);
            let pod = context.and_then(|context| context.pods.get(&node.namespace, &node.pod));
            let Some(pod) = pod else { continue };
            let address = anew::address(&node.pod);
            if *word != address {
                self.put_in()
                    .insert(word.clone(), pod.value.meta.uid.to_string());
            }
            if let Some(ip) = &pod.value.ip {
                self.put_in().entry(address).or_insert_with(|| ip.clone());
            }
        }
        Ok(filled)
    }

    fn put_in(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.filled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fill<T>(&self, now: Timestamp, early: bool, fill: impl FnOnce(&Filling<'_>) -> T) -> T {
        let before = self.put_in().clone();
        let known = self.known();
        fill(&Filling {
            world: &known.world,
            now,
            run: &self.run,
            before: &before,
            early,
        })
    }

    /// How goals stand, by what was read last.
    pub(super) fn judge(&self, goals: &[Goal]) -> Vec<(String, Progress)> {
        let now = Timestamp::now();
        let filled = self.fill(now, false, |filling| {
            goals
                .iter()
                .map(|goal| filling.goal(goal))
                .collect::<Vec<_>>()
        });
        let known = self.known();
        let reading = Reading {
            world: &known.world,
            objects: &known.objects,
            now,
        };
        goals
            .iter()
            .zip(filled)
            .map(|(goal, filled)| {
                let progress = match filled {
                    Ok(filled) => filled.judge(&reading),
                    Err(why) => Progress::NotYet(why),
                };
                (goal.words(), progress)
            })
            .collect()
    }

    /// Whether a rollout that is waited for has left its master alone, by what was read last.
    fn leaves_alone(&self, goals: &[Goal]) -> Option<bool> {
        let known = self.known();
        let reading = Reading {
            world: &known.world,
            objects: &known.objects,
            now: Timestamp::now(),
        };
        goals.iter().find_map(|goal| goal.leaves_alone(&reading))
    }

    /// Why one of these goals will never hold, by what was read last.
    fn lost(&self, goals: &[Goal]) -> Option<String> {
        let known = self.known();
        let reading = Reading {
            world: &known.world,
            objects: &known.objects,
            now: Timestamp::now(),
        };
        goals.iter().find_map(|goal| goal.lost(&reading))
    }

    /// Reads what goals need, and tells how they stand. What cannot be read is not told.
    pub(super) async fn judged(&self, goals: &[Goal], briefly: bool) -> Vec<(String, Progress)> {
        let mut looks: Vec<Look> = goals.iter().flat_map(Goal::looks).collect();
        looks.sort();
        looks.dedup();
        let briefly = briefly && goals.iter().all(Goal::is_of_role);
        let faults = self.look(&looks, briefly).await;
        let mut judged = self.judge(goals);
        if let Some(fault) = faults.first() {
            // What was read before is not what is so now.
            for (_, progress) in &mut judged {
                *progress = Progress::Untold(fault.message.clone());
            }
        }
        judged
    }

    fn pass(&self, change: Change) -> Result<Pass, Fault> {
        let latch = self.latch();
        let pass = match self.ends.load(std::sync::atomic::Ordering::Relaxed) {
            true => latch.pass_to_end(change),
            false => latch.pass(change, Timestamp::now()),
        };
        pass.map_err(|why| Fault::new(FaultKind::Refused, why))
    }

    /// Carries a step out. `waits` is told what a wait is for, whenever that changes; `stops` tells that it is to stop.
    pub(super) async fn carry(
        &self,
        step: &Step,
        waits: &(dyn Fn(Vec<String>) + Send + Sync),
        stops: &(dyn Fn() -> bool + Send + Sync),
    ) -> StepState {
        let begun = Instant::now();
        let step = &match self.filled(step).await {
            Ok(step) => step,
            Err(why) => return StepState::Failed(format!("{why}: nothing was done")),
        };
        if !step.unless.is_empty() {
            let judged = self.judged(&step.unless, true).await;
            if judged.iter().all(|(_, progress)| progress.holds()) {
                let words: Vec<&str> = judged.iter().map(|(_, p)| p.words()).collect();
                return StepState::Skipped(words.join("; "));
            }
        }
        let done = |answer: String| StepState::Done(answer, begun.elapsed());
        match &step.does {
            Does::Await(goals) => self.wait(step, goals, waits, stops).await,
            Does::Command { .. } => match self.command(step).await {
                Ok(answer) => done(answer),
                Err(state) => state,
            },
            Does::DropClients { node, uid, spare } => {
                match self
                    .drop_clients(node, uid, spare, step.deadline, stops)
                    .await
                {
                    Ok(answer) => done(answer),
                    Err(state) => state,
                }
            }
            Does::Run { .. } => match self.run_in_pod(step).await {
                Ok(answer) => done(answer),
                Err(state) => state,
            },
            Does::Patch { .. } | Does::Delete { .. } | Does::Evict { .. } => {
                match self.request(step).await {
                    Ok(answer) => done(answer),
                    Err(state) => state,
                }
            }
        }
    }

    /// Waits until goals hold.
    async fn wait(
        &self,
        step: &Step,
        goals: &[Goal],
        waits: &(dyn Fn(Vec<String>) + Send + Sync),
        stops: &(dyn Fn() -> bool + Send + Sync),
    ) -> StepState {
        let begun = Instant::now();
        let mut told: Vec<String> = Vec::new();
        let (mut was_alone, mut moments) = (false, 0);
        loop {
            let judged = self.judged(goals, false).await;
            // How often a rollout left the master alone is known only to who watches all of it.
            let alone = self.leaves_alone(goals);
            moments += u32::from(alone == Some(true) && !was_alone);
            was_alone = alone == Some(true);
            let counted = alone.map(|_| format!("moments without a replica in sync: {moments}"));
            let mut open: Vec<String> = judged
                .iter()
                .filter(|(_, progress)| !progress.holds())
                .map(|(_, progress)| progress.words().to_owned())
                .collect();
            if open.is_empty() {
                let words = judged.iter().map(|(_, p)| p.words().to_owned());
                let words: Vec<String> = words.chain(counted).collect();
                return StepState::Done(words.join("; "), begun.elapsed());
            }
            if let Some(why) = self.lost(goals) {
                return StepState::Failed(why);
            }
            open.extend(counted);
            if begun.elapsed() >= step.deadline {
                return StepState::Failed(format!(
                    "not within {}s: {}",
                    step.deadline.as_secs(),
                    open.join("; ")
                ));
            }
            if stops() {
                return StepState::Failed(format!("stopped while waiting: {}", open.join("; ")));
            }
            if open != told {
                waits(open.clone());
                told = open;
            }
            sleep(LOOKED).await;
        }
    }

    /// Sends a command to an engine, once. When no answer comes, it is read what came of it.
    async fn command(&self, step: &Step) -> Result<String, StepState> {
        let Does::Command {
            node,
            uid,
            words,
            expects,
            reply,
            told_by,
            refuted_by,
        } = &step.does
        else {
            return Err(StepState::Failed("it is no command".to_owned()));
        };
        let failed = |why: String| StepState::Failed(why);
        let line = self.lines.to(node, uid).await;
        let mut engine = line
            .take(&self.client, node)
            .await
            .map_err(|fault| failed(format!("there is no way to {}: {fault}", node.pod)))?;
        if let Some(role) = expects {
            let said = self.role(&mut engine).await.map_err(failed)?;
            if said != *role {
                return Err(failed(format!(
                    "{} says role:{} just before, and was to say role:{}: nothing was sent",
                    node.pod,
                    said.word(),
                    role.word()
                )));
            }
        }
        let pass = self
            .pass(Change::Command(words.clone()))
            .map_err(|fault| failed(format!("{}: nothing was sent", fault.message)))?;
        match engine.order(words, &pass, step.deadline).await {
            Ok(Reply::Error(text)) => {
                line.give_back(engine).await;
                Err(failed(format!("refused: {}", one_line(&text))))
            }
            Ok(answer) => {
                line.give_back(engine).await;
                let text = match plain(&answer) {
                    wire::Reply::Text(bytes) => one_line(&String::from_utf8_lossy(&bytes)),
                    wire::Reply::Number(number) => number.to_string(),
                    wire::Reply::Nil => "nothing".to_owned(),
                    wire::Reply::Error(text) => one_line(&text),
                    wire::Reply::List(items) => format!("{} items", items.len()),
                };
                let wanted = reply.as_deref().unwrap_or("OK");
                match text.starts_with(wanted) {
                    true => Ok(text),
                    false => Err(failed(format!(
                        "answered {text}, where {wanted} was to come"
                    ))),
                }
            }
            Err(fault) if fault.kind == FaultKind::Refused => {
                Err(failed(format!("{}: nothing was sent", fault.message)))
            }
            Err(fault) => self.found_out(node, &fault, told_by, refuted_by).await,
        }
    }

    /// From here on only what is read tells whether a command was carried out.
    async fn found_out(
        &self,
        node: &NodeId,
        fault: &Fault,
        told_by: &[Goal],
        refuted_by: &[Goal],
    ) -> Result<String, StepState> {
        let begun = Instant::now();
        let unanswered = format!("{} did not answer ({fault})", node.pod);
        let mut refuted = 0;
        let mut last = String::new();
        let holds = |judged: &[(String, Progress)]| {
            !judged.is_empty() && judged.iter().all(|(_, progress)| progress.holds())
        };
        while begun.elapsed() < FOUND_OUT && !(told_by.is_empty() && refuted_by.is_empty()) {
            let told = self.judged(told_by, true).await;
            if holds(&told) {
                let words: Vec<&str> = told.iter().map(|(_, p)| p.words()).collect();
                return Ok(format!(
                    "{unanswered}, and it was done: {}",
                    words.join("; ")
                ));
            }
            last = told
                .iter()
                .map(|(_, p)| p.words().to_owned())
                .collect::<Vec<_>>()
                .join("; ");
            // It may still be on its way: only what stays so tells that it was not.
            let against = self.judged(refuted_by, true).await;
            refuted = if holds(&against) { refuted + 1 } else { 0 };
            if refuted >= 10 {
                return Err(StepState::Failed(format!(
                    "{unanswered}, and it was not done: {last}"
                )));
            }
            sleep(Duration::from_secs(1)).await;
        }
        let last = if last.is_empty() {
            last
        } else {
            format!(": {last}")
        };
        Err(StepState::Unknown(format!(
            "{unanswered}, and whether it was done cannot be told{last}"
        )))
    }

    /// The role that an engine says it has.
    async fn role(&self, engine: &mut crate::connect::resp::Engine) -> Result<Role, String> {
        let question = Question::Role;
        let command = vec![question.command().as_bytes().to_vec()];
        let replies = engine
            .call_all(&[command], Duration::from_secs(2))
            .await
            .map_err(|fault| format!("its role is not told ({fault}): nothing was sent"))?;
        let reply = replies.first().map(plain).unwrap_or(wire::Reply::Nil);
        match wire::answer(question, &reply, Duration::ZERO) {
            Ok(Probe::Role(reply)) => Ok(reply.role()),
            Ok(_) => Err("its role is not told: nothing was sent".to_owned()),
            Err(problem) => Err(format!("{problem}: nothing was sent")),
        }
    }

    /// Ends the connections of a node's clients one by one, each by its address as the node listed it just before.
    async fn drop_clients(
        &self,
        node: &NodeId,
        uid: &Arc<str>,
        spare: &[String],
        deadline: Duration,
        stops: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<String, StepState> {
        let begun = Instant::now();
        let failed = |why: String| StepState::Failed(why);
        let line = self.lines.to(node, uid).await;
        let mut engine = line
            .take(&self.client, node)
            .await
            .map_err(|fault| failed(format!("there is no way to {}: {fault}", node.pod)))?;
        let list = vec![b"CLIENT".to_vec(), b"LIST".to_vec()];
        let replies = engine
            .call_all(&[list], deadline)
            .await
            .map_err(|fault| failed(format!("{} does not list its clients: {fault}", node.pod)))?;
        let text = match replies.first().map(plain) {
            Some(wire::Reply::Text(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
            Some(wire::Reply::Error(text)) => {
                return Err(failed(format!(
                    "{} does not list its clients: {}",
                    node.pod,
                    one_line(&text)
                )));
            }
            _ => return Err(failed(format!("{} does not list its clients", node.pod))),
        };
        let clients = wire::connections(&text);
        let doomed = clients.iter().filter(|one| {
            !one.replicates && crate::actions::proof::droppable(&one.ip, one.port, spare)
        });
        let (mut dropped, mut gone) = (0, 0);
        for one in doomed {
            let so_far = || format!("{dropped} connections ended, {gone} were gone by themselves");
            if stops() || begun.elapsed() >= deadline {
                return Err(failed(format!("{}: it stopped there", so_far())));
            }
            let words: Vec<String> = ["CLIENT", "KILL", "ADDR", &one.addr]
                .map(str::to_owned)
                .to_vec();
            let pass = self
                .pass(Change::Command(words.clone()))
                .map_err(|fault| failed(format!("{}: {}", so_far(), fault.message)))?;
            let answer = engine
                .order(&words, &pass, deadline)
                .await
                .map_err(|fault| StepState::Unknown(format!("{}: {fault}", so_far())))?;
            match answer {
                Reply::Error(text) if text.contains("No such client") => gone += 1,
                Reply::Error(text) => {
                    return Err(failed(format!(
                        "{}: {} is refused: {}",
                        so_far(),
                        one.addr,
                        one_line(&text)
                    )));
                }
                answer => match plain(&answer) {
                    wire::Reply::Number(0) => gone += 1,
                    _ => dropped += 1,
                },
            }
        }
        line.give_back(engine).await;
        Ok(match gone {
            0 => format!("{dropped} connections ended"),
            gone => format!("{dropped} connections ended, {gone} were gone by themselves"),
        })
    }

    /// Runs a command in a container.
    async fn run_in_pod(&self, step: &Step) -> Result<String, StepState> {
        let Does::Run {
            node,
            container,
            words,
            ..
        } = &step.does
        else {
            return Err(StepState::Failed("it is no command".to_owned()));
        };
        let pass = |path: &str| self.pass(Change::Run(path.to_owned()));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ran = crate::connect::exec::order(
            &self.client,
            &node.namespace,
            &node.pod,
            container,
            &words,
            &pass,
            step.deadline,
        )
        .await;
        match ran {
            Ok(out) => Ok(one_line(&String::from_utf8_lossy(&out))),
            Err(refusal) if refusal.fault.kind == FaultKind::Timeout => {
                Err(StepState::Unknown(refusal.fault.message))
            }
            Err(refusal) => Err(StepState::Failed(refusal.fault.to_string())),
        }
    }

    /// Asks the API server for a change; again where it may be repeated and was not answered, or lost a race.
    async fn request(&self, step: &Step) -> Result<String, StepState> {
        let Some(wanted) = Wanted::of(&step.does) else {
            return Err(StepState::Failed("it is no request".to_owned()));
        };
        let begun = Instant::now();
        let mut unanswered = false;
        loop {
            let left = step.deadline.saturating_sub(begun.elapsed());
            let pass = self
                .pass(Change::Request(wanted.method.clone(), wanted.path.clone()))
                .map_err(|fault| StepState::Failed(fault.message))?;
            let tried = request::change(&self.client, &wanted.order(), &pass, left).await;
            let refusal = match tried {
                Ok(_) => return Ok(wanted.done.to_owned()),
                Err(refusal) => refusal,
            };
            // What is deleted already is deleted; what has another uid is not what was meant.
            if wanted.method == Method::DELETE && refusal.code == Some(404) {
                return Ok("it was gone already".to_owned());
            }
            let lost_race = refusal.code == Some(409) && !wanted.is_another(&refusal);
            let silent = refusal.code.is_none_or(|code| code >= 500 || code == 429);
            unanswered |= refusal.code.is_none() && refusal.fault.kind != FaultKind::Refused;
            let again = step.repeatable && (lost_race || silent);
            if !again || begun.elapsed() + AGAIN >= step.deadline {
                let words = refusal.fault.to_string();
                return Err(match unanswered && refusal.code.is_none() {
                    true => StepState::Unknown(words),
                    false => StepState::Failed(words),
                });
            }
            sleep(AGAIN).await;
        }
    }

    /// What the API server says that a step would come to.
    pub(super) async fn dry(&self, step: &Step) -> Result<(), Refusal> {
        // What is not there yet is tried on what is.
        let Ok(step) = self.fill(Timestamp::now(), true, |filling| filling.step(step)) else {
            return Ok(());
        };
        let Some(wanted) = Wanted::of(&step.does) else {
            return Ok(());
        };
        request::dry_run(&self.client, &wanted.order(), look::PATIENCE)
            .await
            .map(drop)
    }
}

/// A step as a request.
struct Wanted<'a> {
    method: Method,
    path: String,
    body: Vec<u8>,
    media: &'static str,
    asked: crate::connect::fault::Asked<'a>,
    done: &'static str,
}

impl<'a> Wanted<'a> {
    fn of(does: &'a Does) -> Option<Self> {
        Some(match does {
            Does::Patch {
                object,
                part,
                uid,
                patch,
            } => {
                let mut patch = at_this_moment(patch.clone());
                if let (Some(uid), Some(patch)) = (uid, patch.as_object_mut()) {
                    // A uid cannot be changed, so that a patch that names another is refused.
                    let metadata = patch.entry("metadata").or_insert_with(|| json!({}));
                    if let Some(metadata) = metadata.as_object_mut() {
                        metadata.insert("uid".to_owned(), json!(&**uid));
                    }
                }
                let path = match *part {
                    "" => object.path(),
                    part => format!("{}/{part}", object.path()),
                };
                Self {
                    method: Method::PATCH,
                    path: format!("{path}?fieldManager=darner"),
                    body: patch.to_string().into_bytes(),
                    media: match merges_lists(object, &patch) {
                        true => STRATEGIC,
                        false => MERGE,
                    },
                    asked: asked(object, "patch"),
                    done: "patched",
                }
            }
            Does::Delete {
                object,
                uid,
                grace,
                orphans,
            } => {
                let mut options = json!({
                    "apiVersion": "v1",
                    "kind": "DeleteOptions",
                    "preconditions": {"uid": &**uid},
                });
                if let Some(map) = options.as_object_mut() {
                    if let Some(grace) = grace {
                        map.insert("gracePeriodSeconds".to_owned(), json!(grace));
                    }
                    if *orphans {
                        map.insert("propagationPolicy".to_owned(), json!("Orphan"));
                    }
                }
                Self {
                    method: Method::DELETE,
                    path: object.path(),
                    body: options.to_string().into_bytes(),
                    media: JSON,
                    asked: asked(object, "delete"),
                    done: "deletion asked for",
                }
            }
            Does::Evict { object, uid } => Self {
                method: Method::POST,
                path: format!("{}/eviction", object.path()),
                body: json!({
                    "apiVersion": "policy/v1",
                    "kind": "Eviction",
                    "metadata": {"name": &*object.name, "namespace": &*object.namespace},
                    "deleteOptions": {"preconditions": {"uid": &**uid}},
                })
                .to_string()
                .into_bytes(),
                media: JSON,
                asked: asked(object, "create"),
                done: "evicted",
            },
            Does::Command { .. } | Does::DropClients { .. } | Does::Run { .. } | Does::Await(_) => {
                return None;
            }
        })
    }

    fn order(&self) -> Order<'_> {
        Order {
            method: self.method.clone(),
            path: &self.path,
            body: Some((self.body.clone(), self.media)),
            asked: self.asked,
        }
    }

    /// The object is another one than was meant: no race, and never done again.
    fn is_another(&self, refusal: &Refusal) -> bool {
        let said = format!("{} {}", refusal.fault.message, refusal.fault.detail);
        said.to_lowercase().contains("uid")
    }
}

/// A patch with the moment put where it names it: one and the same in all of it.
fn at_this_moment(patch: serde_json::Value) -> serde_json::Value {
    fn put(value: serde_json::Value, now: &str) -> serde_json::Value {
        use serde_json::Value;
        match value {
            Value::String(text) if text == MOMENT => Value::String(now.to_owned()),
            Value::Array(list) => list.into_iter().map(|one| put(one, now)).collect(),
            Value::Object(map) => map
                .into_iter()
                .map(|(key, one)| (key, put(one, now)))
                .collect(),
            other => other,
        }
    }
    put(patch, &Timestamp::now().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moment_is_one_and_the_same_in_all_of_a_patch() {
        let patch =
            json!({"a": MOMENT, "b": [{"c": MOMENT}], "d": "now {now}", "e": null, "f": true});
        let put = at_this_moment(patch);
        let at = put.pointer("/a").cloned().unwrap_or_default();
        assert!(
            at.as_str()
                .is_some_and(|at| at.parse::<Timestamp>().is_ok()),
            "{at}"
        );
        assert_eq!(
            put,
            json!({"a": at, "b": [{"c": at}], "d": "now {now}", "e": null, "f": true})
        );
    }
}
