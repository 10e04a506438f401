//! What an engine said, or that it did not, put in as facts.

use std::time::{Duration, Instant};

use super::Node;
use crate::connect::resp::{Reply, plain};
use crate::domain::engine::{LinkState, Probe, Question, Side, Unanswered, Way};
use crate::domain::{Fact, Fault, FaultKind};
use crate::wire::{self, Undecodable};

impl Node {
    /// Tells the others of its instance whether it is in trouble, when that is news.
    pub(super) fn tell_trouble(&self) {
        let (namespace, pod) = (&self.id.namespace, &self.id.pod);
        self.desk
            .roster
            .send_if_modified(|roster| roster.trouble(namespace, pod, self.troubled));
    }

    /// What has come of a round is judged together.
    pub(super) fn announce(&mut self) {
        if std::mem::take(&mut self.told) {
            self.desk.outlet.announce();
        }
    }

    /// Puts in what a reply says, for [`Self::announce`] to follow.
    pub(super) fn tell(&mut self, question: Question, reply: &Reply, took: Duration) {
        match wire::answer(question, &plain(reply), took) {
            Ok(probe) => {
                self.note_role(&probe);
                self.told = true;
                self.desk.outlet.put(Fact::Probed {
                    node: self.id.clone(),
                    uid: self.target.uid.clone(),
                    probe,
                });
            }
            Err(problem) => {
                let kind = match problem {
                    Undecodable::Refused { .. } => FaultKind::Refused,
                    _ => FaultKind::Protocol,
                };
                self.tell_silent(Some(question), Fault::new(kind, problem.to_string()));
            }
        }
    }

    /// Tells how a way went, when that is news.
    pub(super) fn tell_way(&mut self, way: Way, fault: Option<&Fault>) {
        let told = fault.map(|fault| fault.kind);
        if self.ways.insert(way, told) != Some(told) {
            self.desk.outlet.send(Fact::Tried {
                node: self.id.clone(),
                uid: self.target.uid.clone(),
                way,
                fault: fault.cloned(),
            });
        }
    }

    /// When it took another role, the others of its instance are asked at once: two that both act as master must not be
    /// told ten seconds late, nor the old one's last word be held against the new one for as long.
    pub(super) fn note_role(&mut self, probe: &Probe) {
        if let Probe::Replication(replication) = probe {
            self.is_cut = match &replication.side {
                Side::Replica(follower) => !follower.link_up,
                Side::Master { .. } => false,
            };
            let moves = match &replication.side {
                Side::Replica(follower) => !follower.claims_sync(),
                Side::Master { replicas, .. } => {
                    replicas.iter().any(|line| line.state != LinkState::Online)
                }
            };
            self.moves = moves.then(|| self.moves.unwrap_or_else(Instant::now));
        }
        let Some(role) = (match probe {
            Probe::Replication(replication) => Some(replication.role()),
            Probe::Role(reply) => Some(reply.role()),
            _ => None,
        }) else {
            return;
        };
        if self.role.replace(role).is_some_and(|before| before != role) {
            let (namespace, instance) = (&self.id.namespace, &self.target.instance);
            self.desk
                .roster
                .send_modify(|roster| roster.stir(namespace, instance));
        }
    }

    pub(super) fn tell_silent(&mut self, question: Option<Question>, fault: Fault) {
        // What one may not ask says nothing of the engine.
        self.troubled |=
            question.is_none_or(Question::is_standing) && fault.kind != FaultKind::Forbidden;
        self.desk.outlet.send(Fact::Silent {
            node: self.id.clone(),
            uid: self.target.uid.clone(),
            unanswered: Unanswered { question, fault },
        });
    }
}
