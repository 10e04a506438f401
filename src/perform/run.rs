//! One order from its first reading to its last line: the ten steps of the protocol, in their order, in the console and
//! headless alike.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, sleep};

use super::hand::{Ground, Hand};
use super::ledger::{Ledger, Page, ended, intended, millis};
use super::lock::{Held, Lock, PURPOSE, RENEWED, holder};
use super::review::{self, Who};
use super::tell;
use crate::actions::{
    Action, Does, Gate, Look, Plan, Progress, Reading, Scene, Stand, Step, Target,
};
use crate::connect::latch::Latched;
use crate::domain::{Fault, World, text};
use crate::msg::run::{Ending, Outcome, StepState};
use crate::msg::{News, Order, Word};

/// How far apart two samples of what moves are.
const SAMPLES_APART: Duration = Duration::from_millis(300);
/// How often what may pass is looked at again before it blocks.
const LOOKS: u32 = 5;
/// How long a plan waits for a word.
const WAITS: Duration = Duration::from_secs(600);

/// Carries an order out. `words` are told to it, `news` by it; the last news is always [`News::Ended`].
pub async fn carry_out(
    ground: Arc<Ground>,
    world: World,
    order: Order,
    words: mpsc::UnboundedReceiver<Word>,
    news: impl Fn(News) + Send + Sync,
) {
    let ending = Run {
        ground: &ground,
        order: &order,
        words: Mutex::new(words),
        news: &news,
        stop: AtomicBool::new(false),
    }
    .whole(world)
    .await;
    news(News::Ended(ending));
}

struct Run<'a, N> {
    ground: &'a Ground,
    order: &'a Order,
    words: Mutex<mpsc::UnboundedReceiver<Word>>,
    news: &'a N,
    /// It is to stop before the next step.
    stop: AtomicBool,
}

/// What was approved.
struct Approval {
    plan: Arc<Plan>,
    gates: Vec<Gate>,
    typed: String,
    reason: String,
}

impl<N: Fn(News) + Send + Sync> Run<'_, N> {
    async fn whole(&self, world: World) -> Ending {
        (self.news)(News::Reads);
        let Some(action) = Action::of(self.order.action) else {
            return refused(format!("there is no action {}", self.order.action));
        };
        let context = self.order.target.context().clone();
        let Some(door) = self.ground.doors.get(&context) else {
            return refused(format!("{context} is not open"));
        };
        if let Some(why) = self.ground.rules.closed(context.as_str()) {
            door.latch().close(&why);
        }
        let client = match door.client().await {
            Ok(client) => client,
            Err(fault) => return refused(format!("there is no way to {context}: {fault}")),
        };
        let run = self.order.run.as_str();
        let hand = Hand::new(client, door.clone(), self.ground, world, run);
        let who = Who {
            user: review::name(&hand.client).await,
            os_user: self.ground.os_user.clone(),
            host: self.ground.host.clone(),
        };
        let (plan, gates) = match self.plan(&hand, action, &self.order.accepted).await {
            Ok(planned) => planned,
            Err(ending) => return ending,
        };
        let (gates, lock) = self.prepare(&hand, &who, &plan, gates).await;
        let approved = self.confirm(&hand, action, plan, gates, lock).await;
        let (approval, mut lock) = match approved {
            Ok(approved) => approved,
            Err((ending, lock)) => {
                if let Some(lock) = lock {
                    let _ = lock.give_back(&hand.client, hand.latch()).await;
                }
                return ending;
            }
        };
        let begun = Instant::now();
        let mut ending = self.execute(&hand, &who, &approval, &mut lock).await;
        ending.took = begun.elapsed();
        self.record(&hand, &who, &approval.plan, &mut ending).await;
        // What is unknown may still be going on: nobody else is to begin before the lock has run out by itself.
        if ending.outcome != Outcome::Unknown
            && let Err(refusal) = lock.give_back(&hand.client, hand.latch()).await
        {
            ending.left.push(format!(
                "the lock {} is not given back ({}): it runs out by itself",
                approval.plan.target.lock(),
                refusal.fault.message
            ));
        }
        ending
    }

    /// Reads what the action must know, in two samples, and plans.
    async fn plan(
        &self,
        hand: &Hand,
        action: &Action,
        accepted: &BTreeSet<String>,
    ) -> Result<(Plan, Vec<Gate>), Ending> {
        let mut looks = match &self.order.target {
            Target::Instance(id) => vec![Look::Instance(id.clone())],
            Target::Object(object) => vec![Look::Object(object.clone())],
        };
        let mut faults = hand.look(&looks, false).await;
        let more = self.with_scene(hand, accepted, |scene| (action.reads)(scene));
        faults.extend(hand.look(&more, false).await);
        looks.extend(more);
        // What moves is seen in two samples, and what may pass is given a little time to.
        for round in 0..LOOKS {
            if matches!(self.order.target, Target::Object(_)) {
                break;
            }
            if round > 0 {
                let gates = self.with_scene(hand, accepted, |scene| action.gates(scene));
                let may_pass = |gate: &Gate| gate.passing && gate.stand == Stand::Block;
                if !gates.iter().any(may_pass) {
                    break;
                }
            }
            sleep(SAMPLES_APART).await;
            faults = hand.look(&looks, false).await;
        }
        let (mut gates, plan) = self.with_scene(hand, accepted, |scene| {
            (action.gates(scene), (action.plan)(scene))
        });
        gates.push(reading(&faults));
        match plan {
            Ok(plan) => Ok((plan, gates)),
            Err(why) => {
                let blocks: Vec<&str> = gates
                    .iter()
                    .filter(|gate| gate.stand == Stand::Block)
                    .map(|gate| gate.evidence.as_str())
                    .collect();
                Err(refused(match blocks.as_slice() {
                    [] => why,
                    some => some.join("; "),
                }))
            }
        }
    }

    fn with_scene<T>(
        &self,
        hand: &Hand,
        accepted: &BTreeSet<String>,
        act: impl FnOnce(&Scene<'_>) -> T,
    ) -> T {
        let known = hand.known();
        let reading = Reading {
            world: &known.world,
            objects: &known.objects,
            now: Timestamp::now(),
        };
        act(&Scene::new(
            reading,
            &hand.limits,
            &hand.rules,
            &self.order.target,
            &self.order.args,
            accepted,
        ))
    }

    /// Gate, lock and dry run: what only the API server and this machine can tell.
    async fn prepare(
        &self,
        hand: &Hand,
        who: &Who,
        plan: &Plan,
        mut gates: Vec<Gate>,
    ) -> (Vec<Gate>, Option<Lock>) {
        gates.push(self.ledger_gate());
        gates.push(review::gate(&hand.client, plan).await);
        let open = match hand.latch().stands(Timestamp::now()) {
            Latched::Open(_) => true,
            Latched::Locked if self.order.dry => false,
            Latched::Locked => {
                let context = plan.target.context();
                gates.push(Gate::block("unlocked", format!("{context} is locked")));
                false
            }
            Latched::Closed(why) => {
                if !gates.iter().any(|gate| gate.id == "read-only") {
                    gates.push(Gate::block("read-only", why));
                }
                false
            }
        };
        let stops = gates.iter().any(|gate| gate.stand == Stand::Block);
        let lock = match open && !stops && !self.order.dry {
            true => match self.lock(hand, who, plan).await {
                Ok(lock) => {
                    gates.push(Gate::pass(
                        "lock",
                        format!("{} is ours", plan.target.lock()),
                    ));
                    Some(lock)
                }
                Err(why) => {
                    gates.push(Gate::block("lock", why));
                    None
                }
            },
            false => {
                match holder(&hand.client, &plan.target).await {
                    Ok(None) => {}
                    Ok(Some(by)) => gates.push(Gate::warn("lock", format!("held by {by}"))),
                    Err(fault) => gates.push(Gate::block("lock", fault.message)),
                }
                None
            }
        };
        gates.push(dry_run(hand, plan).await);
        (gates, lock)
    }

    fn ledger_gate(&self) -> Gate {
        const ID: &str = "ledger";
        let Some(ledger) = &self.ground.ledger else {
            return Gate::block(
                ID,
                "there is no folder for the ledger, and without it nothing runs",
            );
        };
        let path = ledger.path().display();
        match ledger.check() {
            Ok(()) => Gate::pass(ID, format!("{path} can be written")),
            Err(error) => Gate::block(
                ID,
                format!(
                    "the ledger {path} cannot be written ({error}), and without it nothing runs"
                ),
            ),
        }
    }

    async fn lock(&self, hand: &Hand, who: &Who, plan: &Plan) -> Result<Lock, String> {
        let holder = format!("{} pid {}", who.words(), std::process::id());
        let taken = Lock::take(
            &hand.client,
            hand.latch(),
            &plan.target,
            &holder,
            &plan.sentence,
            self.order.run.as_str(),
            |words| tracing::info!(PURPOSE, words, "the lock is held"),
        )
        .await;
        taken.map_err(|held| match held {
            Held::By(who) => format!("held by {who}"),
            Held::Fault(fault) => format!("the lock could not be taken: {fault}"),
        })
    }

    /// Shows the plan and waits for a word; what is approved is planned again on what is read then, and shown again where it
    /// differs.
    async fn confirm(
        &self,
        hand: &Hand,
        action: &Action,
        plan: Plan,
        gates: Vec<Gate>,
        mut lock: Option<Lock>,
    ) -> Result<(Approval, Lock), (Ending, Option<Lock>)> {
        let mut shown = Arc::new(plan);
        let mut gates = gates;
        let mut difference = Vec::new();
        let since = Instant::now();
        loop {
            (self.news)(News::Planned {
                plan: shown.clone(),
                gates: gates.clone().into(),
                difference: std::mem::take(&mut difference),
            });
            let blocks = words_of(&gates, |gate| gate.stand == Stand::Block);
            if !blocks.is_empty() {
                return Err((refused(blocks.join("; ")), lock));
            }
            if self.order.dry {
                let sentence = format!("{}: nothing was changed", shown.sentence);
                return Err((ending(Outcome::Dry, sentence), lock));
            }
            let word = match self.word(hand, &mut lock, since).await {
                Ok(word) => word,
                Err(why) => return Err((refused(why), lock)),
            };
            let Word::Approve {
                plan: approved,
                typed,
                reason,
                accepted,
            } = word
            else {
                return Err((refused("it was called off".to_owned()), lock));
            };
            let asks = words_of(&gates, |gate| gate.stops(&accepted));
            if !asks.is_empty() {
                let why = format!("not accepted: {}", asks.join("; "));
                return Err((refused(why), lock));
            }
            let (now, fresh) = match self.plan(hand, action, &accepted).await {
                Ok(planned) => planned,
                Err(ending) => return Err((ending, lock)),
            };
            let blocks = words_of(&fresh, |gate| gate.stops(&accepted));
            if !blocks.is_empty() {
                return Err((refused(blocks.join("; ")), lock));
            }
            difference = approved.difference(&now);
            if difference.is_empty() {
                let Some(lock) = lock.filter(Lock::is_good) else {
                    return Err((refused("the lock was lost".to_owned()), None));
                };
                return Ok((
                    Approval {
                        plan: Arc::new(now),
                        gates: fresh,
                        typed,
                        reason,
                    },
                    lock,
                ));
            }
            let others = gates
                .iter()
                .filter(|gate| !fresh.iter().any(|g| g.id == gate.id));
            let kept: Vec<Gate> = others.cloned().collect();
            gates = fresh.into_iter().chain(kept).collect();
            shown = Arc::new(now);
        }
    }

    /// The next word, while the lock is kept.
    async fn word(
        &self,
        hand: &Hand,
        lock: &mut Option<Lock>,
        since: Instant,
    ) -> Result<Word, String> {
        let mut words = self.words.lock().await;
        loop {
            tokio::select! {
                word = words.recv() => return word.ok_or_else(|| "nobody is there to approve it".to_owned()),
                () = sleep(RENEWED) => {
                    if since.elapsed() >= WAITS {
                        return Err("nobody approved it within 10 minutes".to_owned());
                    }
                    if let Some(lock) = lock {
                        keep(hand, lock).await?;
                    }
                }
            }
        }
    }

    /// Writes down what is meant, carries the steps out, and waits for what proves it.
    async fn execute(
        &self,
        hand: &Hand,
        who: &Who,
        approval: &Approval,
        lock: &mut Lock,
    ) -> Ending {
        let plan = &approval.plan;
        let Some(ledger) = &self.ground.ledger else {
            return refused("there is no ledger".to_owned());
        };
        let run = &self.order.run;
        let page = intended(
            plan,
            &approval.gates,
            who,
            &approval.typed,
            &approval.reason,
        );
        if let Err(error) = ledger.write(run, page, true) {
            return refused(format!(
                "the ledger cannot be written ({error}), and without it nothing runs"
            ));
        }
        (self.news)(News::Began);
        let lost = AtomicBool::new(false);
        let ended = AtomicBool::new(false);
        let steps = async {
            let ending = self.steps(hand, plan, ledger, &lost).await;
            ended.store(true, Ordering::Relaxed);
            ending
        };
        let keeps = async {
            while !ended.load(Ordering::Relaxed) {
                sleep(Duration::from_millis(200)).await;
                if lock.renewed.elapsed() < RENEWED || lost.load(Ordering::Relaxed) {
                    continue;
                }
                if let Err(why) = keep(hand, lock).await {
                    tracing::warn!(why, "the lock is lost");
                    lost.store(true, Ordering::Relaxed);
                }
            }
        };
        let listens = async {
            // Where each step waits for a word, that listens itself.
            if self.order.by_step {
                std::future::pending::<()>().await;
            }
            let mut words = self.words.lock().await;
            while let Some(word) = words.recv().await {
                if word == Word::Stop {
                    self.stop.store(true, Ordering::Relaxed);
                }
            }
            std::future::pending::<()>().await;
        };
        let both = async { tokio::join!(steps, keeps).0 };
        tokio::select! {
            ending = both => ending,
            () = listens => refused("it was left alone".to_owned()),
        }
    }

    async fn steps(&self, hand: &Hand, plan: &Plan, ledger: &Ledger, lost: &AtomicBool) -> Ending {
        let mut reached = 0;
        let mut bad: Option<(Outcome, String)> = None;
        let groups = groups(&plan.steps);
        for group in groups {
            // What follows close behind belongs to what was done.
            let behind = reached > 0 && group.first().is_some_and(|(_, step)| step.behind);
            if !behind && lost.load(Ordering::Relaxed) {
                bad = Some((
                    Outcome::Failed,
                    "the lock was lost: somebody else may have begun".to_owned(),
                ));
                break;
            }
            let first = group.first().map_or(0, |(place, _)| *place);
            let stops = !behind && (self.stop.load(Ordering::Relaxed) || !self.let_on(first).await);
            if stops {
                bad = Some((
                    Outcome::Stopped,
                    format!("stopped before step {}", first + 1),
                ));
                break;
            }
            reached = first + group.len();
            let done = join_all(
                group
                    .iter()
                    .map(|(place, step)| self.step(hand, ledger, *place, step)),
            )
            .await;
            for ((place, step), state) in group.iter().zip(done) {
                let told = |why: &str| format!("step {} ({}): {why}", place + 1, step.words);
                let worse = match &state {
                    StepState::Failed(why) if !step.optional => Some((Outcome::Failed, told(why))),
                    StepState::Unknown(why) if !step.optional => {
                        Some((Outcome::Unknown, told(why)))
                    }
                    _ => None,
                };
                if bad.is_none() || matches!(worse, Some((Outcome::Unknown, _))) {
                    bad = worse.or(bad);
                }
            }
            if bad.is_some() {
                break;
            }
        }
        // What cannot be told may still be going on: nothing but reading from here.
        if !matches!(bad, Some((Outcome::Unknown, _))) {
            self.at_the_end(hand, plan, ledger, reached, &mut bad).await;
        }
        self.proven(hand, plan, reached, bad).await
    }

    async fn at_the_end(
        &self,
        hand: &Hand,
        plan: &Plan,
        ledger: &Ledger,
        reached: usize,
        bad: &mut Option<(Outcome, String)>,
    ) {
        hand.ends.store(true, Ordering::Relaxed);
        for (at, (after, step)) in plan.at_the_end.iter().enumerate() {
            if *after >= reached {
                continue;
            }
            let place = plan.steps.len() + at;
            let state = self.step(hand, ledger, place, step).await;
            if let StepState::Failed(why) | StepState::Unknown(why) = state
                && !step.optional
            {
                let told = format!("step {} ({}): {why}", place + 1, step.words);
                bad.get_or_insert((Outcome::Failed, told));
            }
        }
    }

    /// Waits for what proves it, and says how it ended.
    async fn proven(
        &self,
        hand: &Hand,
        plan: &Plan,
        reached: usize,
        bad: Option<(Outcome, String)>,
    ) -> Ending {
        let begun = Instant::now();
        let mut proof: Vec<(String, Progress)>;
        loop {
            proof = hand.judged(&plan.goals, false).await;
            (self.news)(News::Verifies(proof.clone()));
            let holds = proof.iter().all(|(_, progress)| progress.holds());
            if holds || bad.is_some() || begun.elapsed() >= plan.patience {
                break;
            }
            sleep(Duration::from_millis(100)).await;
        }
        let holds = proof.iter().all(|(_, progress)| progress.holds());
        let untold = proof.iter().any(|(_, p)| matches!(p, Progress::Untold(_)));
        let open: Vec<&str> = proof
            .iter()
            .filter(|(_, progress)| !progress.holds())
            .map(|(_, progress)| progress.words())
            .collect();
        let (outcome, sentence) = match bad {
            Some((outcome, why)) => (outcome, why),
            None if holds => (
                Outcome::Verified,
                format!("{}: done and proven", plan.sentence),
            ),
            None => {
                let outcome = if untold {
                    Outcome::Unknown
                } else {
                    Outcome::Failed
                };
                let after = plan.patience.as_secs();
                (
                    outcome,
                    format!(
                        "every step is done, and after {after}s: {}",
                        open.join("; ")
                    ),
                )
            }
        };
        let mut ending = Ending {
            proof,
            ..ending(outcome, sentence)
        };
        if outcome != Outcome::Verified {
            let last = plan
                .steps
                .get(..reached.min(plan.steps.len()))
                .unwrap_or_default();
            // What a step leaves is mended by those after it: the last that was begun tells what stands.
            let mut leaves = last
                .iter()
                .map(|step| &step.leaves)
                .filter(|words| !words.is_empty());
            ending.left.extend(leaves.next_back().cloned());
            let open = ending
                .proof
                .iter()
                .filter(|(_, progress)| !progress.holds());
            let open: Vec<String> = open
                .map(|(goal, progress)| format!("not proven: {goal}: {}", progress.words()))
                .collect();
            ending.left.extend(open);
        }
        ending
    }

    /// Waits for a word where each step does. `false`: it is to stop.
    async fn let_on(&self, place: usize) -> bool {
        if !self.order.by_step {
            return true;
        }
        (self.news)(News::Step {
            place,
            state: StepState::Held,
        });
        let mut words = self.words.lock().await;
        loop {
            match words.recv().await {
                Some(Word::Next) => return true,
                Some(Word::Stop) | None => return false,
                Some(Word::Approve { .. }) => {}
            }
        }
    }

    async fn step(&self, hand: &Hand, ledger: &Ledger, place: usize, step: &Step) -> StepState {
        let run = &self.order.run;
        let tell = |state: StepState| (self.news)(News::Step { place, state });
        let written = ledger.write(
            run,
            Page::Begun {
                place,
                words: step.words.clone(),
            },
            // It is in the hands of the system before the step begins, so that it outlives us; the disk need not be waited for.
            false,
        );
        // What has begun is ended all the same: that the ledger is full by now must not leave the operator paused.
        if let Err(error) = written
            && !hand.ends.load(Ordering::Relaxed)
            && step.does.changes()
        {
            let state =
                StepState::Failed(format!("the ledger cannot be written any more ({error})"));
            tell(state.clone());
            return state;
        }
        tell(StepState::Runs(Vec::new()));
        let waits = |words: Vec<String>| tell(StepState::Runs(words));
        let stops = || self.stop.load(Ordering::Relaxed);
        let begun = Instant::now();
        let state = hand.carry(step, &waits, &stops).await;
        let (word, answer) = match &state {
            StepState::Done(answer, _) => ("done", answer.clone()),
            StepState::Skipped(why) => ("skipped", why.clone()),
            StepState::Failed(why) => ("failed", why.clone()),
            StepState::Unknown(why) => ("unknown", why.clone()),
            StepState::Held | StepState::Runs(_) => ("begun", String::new()),
        };
        let page = Page::Step {
            place,
            state: word.to_owned(),
            answer,
            took_ms: millis(begun.elapsed()),
        };
        if let Err(error) = ledger.write(run, page, false) {
            tracing::error!(%error, "the ledger cannot be written");
        }
        tell(state.clone());
        state
    }

    /// The last line of the ledger, and the word to colleagues.
    async fn record(&self, hand: &Hand, who: &Who, plan: &Plan, ending: &mut Ending) {
        if ending.outcome == Outcome::Refused {
            return;
        }
        if let Some(ledger) = &self.ground.ledger
            && let Err(error) = ledger.write(&self.order.run, ended(ending), true)
        {
            ending
                .left
                .push(format!("the end is not in the ledger: {error}"));
        }
        let outcome = ending.outcome.word();
        let note = format!(
            "{} by {}: {outcome}. {}",
            plan.sentence,
            who.words(),
            ending.sentence
        );
        let warns = ending.outcome != Outcome::Verified;
        let reason = format!("Darner{}", text::capital(outcome));
        let told = tell::event(
            &hand.client,
            hand.latch(),
            plan,
            &self.order.run,
            &reason,
            warns,
            &note,
        )
        .await;
        if let Err(why) = told {
            tracing::info!(why, "no Event was written");
        }
        let words = format!(
            "{} by {} at {}: {outcome}",
            plan.sentence,
            who.words(),
            Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ")
        );
        let noted = tell::annotate(&hand.client, hand.latch(), &plan.target, &words).await;
        if let Err(why) = noted {
            tracing::info!(why, "no annotation was written");
        }
    }
}

/// Renews the lock. A server that does not answer is asked again for as long as the lock is good.
async fn keep(hand: &Hand, lock: &mut Lock) -> Result<(), String> {
    match lock.renew(&hand.client, hand.latch()).await {
        Ok(()) => Ok(()),
        Err(refusal) if matches!(refusal.code, Some(404 | 409)) => {
            Err("somebody else took the lock".to_owned())
        }
        Err(_) if lock.is_good() => Ok(()),
        Err(refusal) => Err(format!(
            "the lock could not be renewed: {}",
            refusal.fault.message
        )),
    }
}

/// Steps that are carried out at the same moment, with their places.
fn groups(steps: &[Step]) -> Vec<Vec<(usize, &Step)>> {
    let mut groups: Vec<Vec<(usize, &Step)>> = Vec::new();
    for (place, step) in steps.iter().enumerate() {
        match groups.last_mut() {
            Some(group) if step.together => group.push((place, step)),
            _ => groups.push(vec![(place, step)]),
        }
    }
    groups
}

/// That everything could be read.
fn reading(faults: &[Fault]) -> Gate {
    const ID: &str = "read";
    match faults {
        [] => Gate::pass(ID, "everything that it relies on was read just now"),
        [fault, ..] => Gate::warn(ID, format!("not everything could be read: {fault}")),
    }
}

async fn dry_run(hand: &Hand, plan: &Plan) -> Gate {
    const ID: &str = "dry-run";
    let steps: Vec<&Step> = plan
        .all_steps()
        .filter(|step| {
            !matches!(
                step.does,
                Does::Command { .. } | Does::DropClients { .. } | Does::Run { .. } | Does::Await(_)
            )
        })
        .collect();
    let tried = join_all(steps.iter().map(|step| hand.dry(step))).await;
    let mut refused = Vec::new();
    for (step, tried) in steps.iter().zip(tried) {
        if let Err(refusal) = tried {
            refused.push(format!("{}: {}", step.words, refusal.fault));
        }
    }
    match refused.as_slice() {
        [] => Gate::pass(
            ID,
            format!("the API server would take all {} changes", steps.len()),
        ),
        some => Gate::block(ID, text::one_line(&some.join("; "))),
    }
}

fn words_of(gates: &[Gate], is: impl Fn(&Gate) -> bool) -> Vec<String> {
    gates
        .iter()
        .filter(|gate| is(gate))
        .map(|gate| format!("{} ({})", gate.evidence, gate.id))
        .collect()
}

fn ending(outcome: Outcome, sentence: String) -> Ending {
    Ending {
        outcome,
        sentence,
        left: Vec::new(),
        proof: Vec::new(),
        took: Duration::ZERO,
    }
}

fn refused(why: String) -> Ending {
    ending(Outcome::Refused, why)
}
