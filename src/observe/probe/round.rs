//! What is asked of an engine in one round, over as many connections as that takes, and which questions are left out because
//! they hung.

use std::time::{Duration, Instant};

use super::{NoWay, Node, Round, Suspect, is_in_view, is_listed};
use crate::connect::resp::{Ended, Heard};
use crate::domain::engine::{Question, Role};
use crate::domain::{Fault, FaultKind};

/// Connections that one round may use up.
const CONNECTIONS: usize = 4;
/// How much longer one waits for an engine that may only be slow.
const PATIENCE: u32 = 4;
/// In one of so many rounds in which an engine is mute, that patience is had with it.
const PATIENT_ROUNDS: u32 = 6;
/// A question that hangs is asked again after the pause between two rounds in view, then after twice as long, and so on up
/// to this.
const LONGEST_DOUBT: Duration = Duration::from_secs(30);
/// Rounds in the background after which what hardly ever changes is asked again: five minutes.
const SELDOM: u32 = 30;

impl Node {
    /// What to ask in this round: the standing questions in each; those for an instance in view, and CLIENT LIST of a
    /// replica, no more often than an engine in the background is asked at all.
    pub(super) fn questions(&mut self) -> Vec<Question> {
        let now = Instant::now();
        let every = self.desk.pace.probe_background.mul_f64(0.9);
        let is_due = |last: Option<Instant>| last.is_none_or(|last| now - last >= every);
        let mut questions = Question::STANDING.to_vec();
        let in_view = is_in_view(&self.focus.borrow(), &self.id, &self.target);
        if in_view && is_due(self.asked_in_view) {
            questions.extend(Question::IN_VIEW);
            (self.asked_in_view, self.asked_list) = (Some(now), Some(now));
            self.asked_seldom = Some(now);
        } else if !in_view && self.rounds == 0 {
            // A whole fleet that is opened is asked for its clocks, but not for its settings at once.
            match self.desk.pace.settings_first {
                true => {
                    questions.extend(Question::SELDOM);
                    self.asked_seldom = Some(now);
                }
                false => questions.push(Question::Time),
            }
        } else if !in_view
            && self
                .asked_seldom
                .is_none_or(|last| now - last >= every * SELDOM)
        {
            questions.extend(Question::SELDOM);
            self.asked_seldom = Some(now);
        }
        self.rounds = self.rounds.saturating_add(1);
        let is_listed = is_listed(&self.focus.borrow(), &self.id, &self.target);
        let wants_list = self.role == Some(Role::Replica) || is_listed || self.is_in_trouble();
        if !in_view && wants_list && is_due(self.asked_list) {
            questions.push(Question::ClientList);
            self.asked_list = Some(now);
        }
        questions
    }

    /// A node of its instance is in trouble: its own CLIENT LIST may tell why, as that of a master does whose takeover is
    /// held up.
    pub(super) fn is_in_trouble(&self) -> bool {
        let (namespace, instance) = (&self.id.namespace, &self.target.instance);
        self.desk.roster.borrow().is_troubled(namespace, instance)
    }

    /// CLIENT LIST was never asked and is called for, by what this round told: it is not left to a later one.
    pub(super) fn wants_list(&self) -> bool {
        self.asked_list.is_none()
            && match self.role {
                Some(Role::Replica) => self.is_cut,
                Some(Role::Master) => self.is_in_trouble(),
                _ => false,
            }
    }

    /// One round: all questions, or few with more patience where it is known to answer late.
    pub(super) async fn round(&mut self, client: &kube::Client) -> Round {
        if std::mem::take(&mut self.slow) {
            return match self.patiently(client).await {
                true => Round::Heard,
                false => {
                    self.tell_silent(None, mute_engine(self.desk.pace.probe_deadline * PATIENCE));
                    Round::Silent
                }
            };
        }
        self.mute = self.mute.saturating_add(1);
        let round = self.whole_round(client).await;
        if !matches!(round, Round::Silent) || !std::mem::take(&mut self.timed_out) {
            self.mute = 0;
            return round;
        }
        // Frozen or slow? Only more patience tells, and that is not asked of every round.
        match self.mute % PATIENT_ROUNDS == 1 && self.patiently(client).await {
            true => Round::Heard,
            false => round,
        }
    }

    /// Asks whether it lives and what it is, with more patience than for a whole round. Tells whether it answered.
    pub(super) async fn patiently(&mut self, client: &kube::Client) -> bool {
        let mut engine = match self.engine.take() {
            Some(engine) => engine,
            None => match self.open(client).await {
                Ok(engine) => engine,
                Err(_) => return false,
            },
        };
        let usual = self.desk.pace.probe_deadline;
        let mut late = None;
        // One after the other: replies to what is sent at once may come together, when the last of them is ready.
        for question in [Question::Ping, Question::Replication] {
            let ended = engine
                .ask(&[question.command()], usual * PATIENCE, |heard| {
                    if let Heard::Reply(_, reply, took) = heard {
                        late.get_or_insert(took >= usual);
                        self.suspects.remove(&question);
                        self.tell(question, &reply, took);
                    }
                })
                .await;
            self.announce();
            if !matches!(ended, Ended::Answered) {
                self.slow = late == Some(true);
                return late.is_some();
            }
        }
        self.engine = Some(engine);
        self.slow = late == Some(true);
        true
    }

    /// Every question of the round once, over as many connections as that takes, up to a bound.
    pub(super) async fn whole_round(&mut self, client: &kube::Client) -> Round {
        let now = Instant::now();
        let (suspects, mut pending): (Vec<Question>, Vec<Question>) = self
            .questions()
            .into_iter()
            .partition(|q| self.suspects.contains_key(q));
        for question in suspects {
            match self.suspects.get(&question) {
                // Not asked now, and not answered either.
                Some(suspect) if suspect.next > now => self.troubled |= question.is_standing(),
                _ => pending.push(question),
            }
        }
        let mut heard = false;
        let mut mute = 0;
        for _ in 0..CONNECTIONS {
            let was_open = self.engine.is_some();
            let mut engine = match self.engine.take() {
                Some(engine) => engine,
                None => match self.open(client).await {
                    Ok(engine) => engine,
                    Err(NoWay::Forbidden(fault, rest)) => {
                        return self.detour(client, fault, rest).await;
                    }
                    Err(NoWay::Silent) => return Round::Silent,
                    Err(NoWay::Away) => return Round::Away,
                },
            };
            let commands: Vec<&str> = pending.iter().map(|q| q.command()).collect();
            let budget = self.desk.pace.probe_deadline;
            let mut answered = 0;
            let ended = engine
                .ask(&commands, budget, |heard| match heard {
                    Heard::Reply(place, reply, took) => {
                        answered += 1;
                        if let Some(question) = pending.get(place) {
                            self.suspects.remove(question);
                            self.tell(*question, &reply, took);
                        }
                    }
                    Heard::Pause => self.announce(),
                })
                .await;
            self.announce();
            let (place, fault, late) = match ended {
                Ended::Answered => {
                    self.engine = Some(engine);
                    return Round::Heard;
                }
                Ended::Late(place, fault) => (place, fault, true),
                Ended::Broken(place, fault) => (place, fault, false),
            };
            drop(engine);
            // A connection that had been idle may have died of it: that says nothing of the engine, nor of the question.
            let died_idle = was_open && !late && answered == 0;
            // A question at fault: it hung, drew nonsense, or closed a fresh connection where others had answers.
            let at_fault =
                late || fault.kind == FaultKind::Protocol || (answered == 0 && heard && !died_idle);
            pending.drain(..place.min(pending.len()));
            if at_fault && !pending.is_empty() {
                let question = pending.remove(0);
                self.suspect(question);
                self.tell_silent(Some(question), fault.clone());
            }
            heard |= answered > 0;
            if pending.is_empty() {
                break;
            }
            mute += usize::from(answered == 0 && !died_idle);
            if mute >= 2 && !heard {
                self.tell_silent(None, if late { mute_engine(budget) } else { fault });
                self.timed_out = late;
                break;
            }
        }
        if heard {
            return Round::Heard;
        }
        // A mute engine is given time as a whole.
        self.doubt_no_more();
        Round::Silent
    }

    /// Notes that a question hung, and when it is asked again.
    pub(super) fn suspect(&mut self, question: Question) {
        let now = Instant::now();
        let first = self.desk.pace.probe_focused;
        let suspect = self.suspects.entry(question).or_insert(Suspect {
            times: 0,
            next: now,
        });
        // The first time it may have been bad luck: the next round asks it too.
        let times = 2_u32.saturating_pow(suspect.times).saturating_sub(1);
        let pause = first.saturating_mul(times);
        suspect.times = suspect.times.saturating_add(1);
        suspect.next = now + pause.min(LONGEST_DOUBT);
    }

    /// Something has changed: every question is asked in the next round.
    pub(super) fn doubt_no_more(&mut self) {
        let now = Instant::now();
        for suspect in self.suspects.values_mut() {
            suspect.next = now;
        }
    }
}

/// Whether its port takes connections is not known: a port-forward opens before the port is dialled, and tells of that only
/// when it fails.
fn mute_engine(budget: Duration) -> Fault {
    Fault::new(
        FaultKind::Timeout,
        format!(
            "a port-forward to it opens, and nothing is answered within {}",
            crate::connect::fault::seconds(budget)
        ),
    )
    .with_hint(
        "the process is frozen or its machine is overloaded: look at the pod and its machine",
    )
}
