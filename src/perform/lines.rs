//! Connections to the admin ports of engines, kept for as long as a run lasts: a takeover must not wait for one to be opened.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::sync::Mutex;

use crate::actions::gates::ADMIN_PORT;
use crate::connect::forward;
use crate::connect::resp::{Ended, Engine, Heard, plain};
use crate::domain::engine::{Question, Unanswered};
use crate::domain::{Fact, Fault, FaultKind, NodeId};
use crate::wire::{self, Undecodable};

/// How long the way to an engine may take to open.
const OPENS: Duration = Duration::from_secs(5);
/// How long an engine may take for each answer.
const ANSWERS: Duration = Duration::from_secs(2);

/// What is asked in each look: what gates and goals are judged by.
const QUESTIONS: &[Question] = &[
    Question::Ping,
    Question::Role,
    Question::Replication,
    Question::Persistence,
    Question::Server,
    Question::Memory,
    Question::Keyspace,
    Question::Offsets,
    Question::ClientList,
    Question::Config,
];
/// What is asked while one waits for a role to change.
const ROLES: &[Question] = &[Question::Replication];

/// Connections by node.
#[derive(Default)]
pub(super) struct Lines(Mutex<BTreeMap<NodeId, Arc<Line>>>);

/// The connection to one pod's engine.
pub(super) struct Line {
    uid: Arc<str>,
    engine: Mutex<Option<Engine>>,
}

impl Lines {
    /// The line to the pod of that uid; what led to another of its name is given up.
    pub(super) async fn to(&self, node: &NodeId, uid: &Arc<str>) -> Arc<Line> {
        let mut lines = self.0.lock().await;
        let fresh = || {
            Arc::new(Line {
                uid: uid.clone(),
                engine: Mutex::new(None),
            })
        };
        let line = lines.entry(node.clone()).or_insert_with(fresh);
        if line.uid != *uid {
            *line = fresh();
        }
        line.clone()
    }

    /// Asks an engine all that gates are judged by, or only its replication.
    pub(super) async fn ask(
        &self,
        client: &Client,
        node: &NodeId,
        uid: &Arc<str>,
        briefly: bool,
    ) -> Vec<Fact> {
        let line = self.to(node, uid).await;
        let mut facts = Vec::new();
        let silent = |question: Option<Question>, fault: Fault| Fact::Silent {
            node: node.clone(),
            uid: uid.clone(),
            unanswered: Unanswered { question, fault },
        };
        let mut pending: Vec<Question> = if briefly { ROLES } else { QUESTIONS }.to_vec();
        // A question that hangs costs its connection: what comes after it is asked over another, twice at the most.
        for _ in 0..3 {
            let mut held = line.engine.lock().await;
            let was_open = held.is_some();
            let mut engine = match held.take() {
                Some(engine) => engine,
                None => match open(client, node).await {
                    Ok(engine) => engine,
                    Err(fault) => {
                        facts.push(silent(None, fault));
                        return facts;
                    }
                },
            };
            let commands: Vec<&str> = pending.iter().map(|q| q.command()).collect();
            let mut answered = 0;
            let ended = engine
                .ask(&commands, ANSWERS, |heard| {
                    let Heard::Reply(place, reply, took) = heard else {
                        return;
                    };
                    answered += 1;
                    let Some(question) = pending.get(place).copied() else {
                        return;
                    };
                    facts.push(match wire::answer(question, &plain(&reply), took) {
                        Ok(probe) => Fact::Probed {
                            node: node.clone(),
                            uid: uid.clone(),
                            probe,
                        },
                        Err(problem) => {
                            let kind = match problem {
                                Undecodable::Refused { .. } => FaultKind::Refused,
                                _ => FaultKind::Protocol,
                            };
                            silent(Some(question), Fault::new(kind, problem.to_string()))
                        }
                    });
                })
                .await;
            let (place, fault, late) = match ended {
                Ended::Answered => {
                    *held = Some(engine);
                    return facts;
                }
                Ended::Late(place, fault) => (place, fault, true),
                Ended::Broken(place, fault) => (place, fault, false),
            };
            // One that had been idle may have died of it.
            let died_idle = was_open && !late && answered == 0;
            pending.drain(..place.min(pending.len()));
            if !died_idle {
                if answered == 0 && place == 0 && pending.len() == commands.len() {
                    facts.push(silent(None, fault));
                    return facts;
                }
                if !pending.is_empty() {
                    facts.push(silent(Some(pending.remove(0)), fault));
                }
            }
            if pending.is_empty() {
                return facts;
            }
        }
        facts
    }
}

impl Line {
    /// Takes the connection, opening one if there is none.
    ///
    /// # Errors
    /// Why there is no way.
    pub(super) async fn take(&self, client: &Client, node: &NodeId) -> Result<Engine, Fault> {
        match self.engine.lock().await.take() {
            Some(engine) => Ok(engine),
            None => open(client, node).await,
        }
    }

    /// Gives it back, once every question is answered.
    pub(super) async fn give_back(&self, engine: Engine) {
        *self.engine.lock().await = Some(engine);
    }
}

async fn open(client: &Client, node: &NodeId) -> Result<Engine, Fault> {
    let way = forward::forward(client, &node.namespace, &node.pod, ADMIN_PORT, OPENS)
        .await
        .map_err(|refusal| refusal.fault)?;
    Engine::over(way.stream, Some(way.tether), OPENS).await
}
