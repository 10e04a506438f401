//! The one function that changes what is on the screen.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::perform::{copied_words, grant_wish, intend, perform};
use super::state::{State, Told};
use super::{asking, keys, over, topbar};
use crate::checks::{self, Severity};
use crate::domain::{Fact, Touched};
use crate::msg::command::Motion;
use crate::msg::{Command, Effect, Mouse, Msg, Outcome};
use crate::screens::parts::{Counts, state_sign};
use crate::screens::{Clock, See};

/// Takes in one message that happened at `now`, and says what must be done outside.
pub fn update(state: &mut State, msg: Msg, now: Timestamp) -> Vec<Effect> {
    let mut effects = Vec::new();
    match msg {
        Msg::Key(key) => {
            // Whoever presses keys has chosen where to be.
            state.wish = None;
            keys::press(state, key, now, &mut effects);
        }
        Msg::Paste(text) => over::paste(state, &text),
        Msg::Mouse(mouse) => on_mouse(state, mouse, now, &mut effects),
        // Everything is laid out when it is drawn.
        Msg::Resize(..) => state.dirty = true,
        Msg::Facts(facts) => take_in(state, facts, now),
        Msg::Tick => tick(state, now),
        Msg::FocusGained => state.has_focus = true,
        Msg::FocusLost => state.has_focus = false,
        Msg::Outcome(outcome) => on_outcome(state, outcome, now),
        Msg::Run(run, news) => super::acting::hear(state, &run, *news, now),
        Msg::Remembered(past) => {
            state.runs.past = past;
            state.dirty = true;
            super::acting::remind(state, now);
        }
        Msg::Problem(problem) => {
            state.notices.problem(problem, now);
            state.dirty = true;
        }
        Msg::Signal(_) => effects.push(Effect::Quit),
    }
    settle(state, now, &mut effects);
    effects
}

/// Facts go into the world, and only what they touched is judged again.
fn take_in(state: &mut State, facts: Vec<Fact>, now: Timestamp) {
    let mut touched = Touched::default();
    for fact in facts {
        if let Fact::Compared { instance, outcome } = &fact {
            match outcome {
                Ok(made) => {
                    let told = format!("{instance} is compared: {}", made.answer());
                    state.notices.tell(told, now);
                }
                Err(fault) => {
                    let told = format!("{instance} could not be compared: {fault}");
                    state.notices.problem(told, now);
                }
            }
            state.dirty = true;
        }
        touched.merge(state.world.apply(fact, now));
    }
    if !touched.is_empty() {
        judge(state, touched, now);
    }
    asking::look(state, now);
    grant_wish(state, now);
}

fn tick(state: &mut State, now: Timestamp) {
    if state.notices.expire(now) {
        state.dirty = true;
    }
    asking::look(state, now);
    super::acting::lock_again(state, now);
    let due = [state.board.next_due(), state.standing.next_due()];
    if due.into_iter().flatten().any(|at| at <= now) {
        judge(state, Touched::default(), now);
    }
    let outdated = state.clock.next().is_some_and(|at| at <= now);
    if outdated {
        // What is drawn next notes anew when it goes out of date; until then nobody needs to be woken again for it.
        state.clock.clear();
    }
    let hinted = state.pending.as_ref().is_some_and(|p| p.is_hinted(now));
    state.dirty |= outdated || hinted;
}

fn judge(state: &mut State, touched: Touched, now: Timestamp) {
    let judged = state
        .board
        .update(&state.world, &touched, &state.limits, now);
    if judged {
        // That evidence is younger, or a figure in a sentence another, is no news; another finding is.
        let findings: BTreeSet<Told> = state
            .board
            .attention(&state.world)
            .into_iter()
            .map(|finding| {
                let subject = finding.subject.clone();
                (finding.severity, subject, finding.check, finding.state)
            })
            .collect();
        let critical = |found: &BTreeSet<Told>| -> BTreeSet<Told> {
            let all = found.iter().filter(|told| told.0 == Severity::Critical);
            all.cloned().collect()
        };
        state.ring |=
            !state.has_focus && is_worse(&critical(&findings), &critical(&state.findings));
        state.news |= findings != state.findings;
        state.findings = findings;
    }
    let answered = state
        .standing
        .update(&state.world, &touched, &state.limits, now);
    state.news |= touched.news;
    // Every screen hears of it; those that are not shown look when they are opened.
    state.bar_is_old |= judged || !touched.links.is_empty() || !touched.operators.is_empty();
    state.bar_is_old |= touched.shown;
    for desk in &mut state.desks {
        desk.fresh.hear(&touched, judged || answered);
    }
}

/// A critical finding of a check about a subject for which that check had none before.
fn is_worse(now: &BTreeSet<Told>, before: &BTreeSet<Told>) -> bool {
    now.iter().any(|(_, subject, check, _)| {
        !before
            .iter()
            .any(|(_, old, by, _)| old == subject && by == check)
    })
}

/// Lets the screen take over what is new, and tells the machine room what follows from where the reader is.
fn settle(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    let due = state.figures_due.is_some_and(|at| at <= now);
    if due {
        state.figures_due = None;
    }
    // A frame that is drawn anyway shows everything as it is now.
    let at_once = std::mem::take(&mut state.news) || state.dirty || due;
    let frozen = state.frozen.is_some();
    keep_answers(state, now);
    if let Some(desk) = state.desk_mut()
        && !desk.fresh.is_empty()
        && (!frozen || desk.fresh.everything || desk.fresh.sieved)
    {
        if at_once || desk.fresh.everything || desk.fresh.sieved {
            let fresh = std::mem::take(&mut desk.fresh);
            let everything = fresh.everything;
            let changed = state.with_screen(now, |screen, see| screen.refresh(see, &fresh));
            state.dirty |= everything || changed.unwrap_or(false);
        } else {
            state.show_at_next_tick(now);
        }
    }
    if state.bar_is_old {
        if at_once {
            state.bar_is_old = false;
            rename(state, now, effects);
        } else {
            state.show_at_next_tick(now);
        }
    }
    if std::mem::take(&mut state.ring) {
        effects.push(Effect::Bell);
    }
    let about = state.history.here().about.clone();
    if about != state.watched {
        state.watched.clone_from(&about);
        effects.push(Effect::Watch(about));
    }
    let wants = state
        .with_screen(now, |screen, see| screen.wants(see))
        .unwrap_or_default();
    let revision = state.standing.revision();
    let judged = state.desk().is_some_and(|desk| desk.screen.judges());
    if wants != state.wanted || revision != state.needed || judged != state.sent.judged {
        state.needed = revision;
        // Once begun, for the rest of the session: what flaps is followed though another screen is shown.
        let mut needs = state.standing.needs(&state.world);
        needs.wants.extend(wants.iter().cloned());
        needs.judged = judged;
        state.wanted = wants;
        if needs != state.sent {
            state.sent.clone_from(&needs);
            effects.push(Effect::Want(needs));
        }
    }
}

/// Begins to keep the answers of all checks when a screen is shown that shows them. Nothing of it costs anything before.
fn keep_answers(state: &mut State, now: Timestamp) {
    let judges = state.desk().is_some_and(|desk| desk.screen.judges());
    if !judges || state.standing.is_kept() {
        return;
    }
    state.standing.begin(&state.world, &state.limits, now);
    if let Some(picture) = &mut state.frozen {
        picture
            .standing
            .begin(&picture.world, &state.limits, picture.at);
    }
    if let Some(desk) = state.desk_mut() {
        desk.fresh.judged = true;
    }
}

/// Sees whether the top line and the window's name read differently.
fn rename(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    // What is only compared asks for no tick.
    let clock = Clock::default();
    let bar = state.desk().map(|desk| {
        let see = See {
            clock: &clock,
            ..state.see(desk, now)
        };
        topbar::segments(state, &see, now)
    });
    if bar.as_ref().is_some_and(|bar| *bar != state.bar) {
        state.bar = bar.unwrap_or_default();
        state.dirty = true;
    }
    let title = state.title();
    if title != state.titled {
        state.titled.clone_from(&title);
        effects.push(Effect::SetTitle(title));
    }
}

fn on_outcome(state: &mut State, outcome: Outcome, now: Timestamp) {
    state.dirty = true;
    match outcome {
        Outcome::Copied { what } => state.notices.tell(copied_words(&what), now),
        // The shell has named the window meanwhile.
        Outcome::Resumed => {
            state.titled.clear();
            state.bar_is_old = true;
        }
        Outcome::Failed { what, why } => {
            state.notices.problem(format!("{what} failed: {why}"), now);
        }
    }
}

fn on_mouse(state: &mut State, mouse: Mouse, now: Timestamp, effects: &mut Vec<Effect>) {
    if !state.mouse {
        return;
    }
    match mouse {
        Mouse::WheelDown => perform(state, &Command::Move(Motion::Down), now, effects),
        Mouse::WheelUp => perform(state, &Command::Move(Motion::Up), now, effects),
        Mouse::Click { column, row } => {
            state.dirty = true;
            if state.over.is_empty() {
                let intents = state.with_screen(now, |screen, see| screen.click(column, row, see));
                intend(state, intents.unwrap_or_default(), now, effects);
            }
        }
    }
}

impl State {
    /// The name of the terminal window, what one wants to read on a tab: the worst state, and how many are ill.
    fn title(&self) -> String {
        let counts = self.counts();
        let mut title = match counts {
            Counts { all: 0, .. } => "darner".to_owned(),
            Counts { ill: 0, .. } => format!("darner: {}", news(counts)),
            _ => {
                let worst = self.states().filter(|state| state.is_ill()).max();
                let worst = worst.unwrap_or(checks::State::Degraded);
                let sign = self.glyphs.get(state_sign(worst));
                format!("darner: {sign} {}, {}", worst.word(), news(counts))
            }
        };
        // What is not seen is not well.
        let dark = self
            .shown_world()
            .shown_contexts()
            .filter(|c| c.heard.is_some() && !c.is_live());
        let dark: Vec<&str> = dark.map(|context| context.id.as_str()).collect();
        if !dark.is_empty() {
            title.push_str(&format!(", {} not watched", dark.join(", ")));
        }
        title
    }

    /// Instances that are shown, and how they are.
    pub(super) fn counts(&self) -> Counts {
        Counts::of(self.states())
    }

    fn states(&self) -> impl Iterator<Item = checks::State> + '_ {
        let board = self.shown_board();
        self.shown_world().instances().map(|id| {
            let judged = board.instance(&id);
            judged.map_or(checks::State::Unknown, |j| j.state)
        })
    }
}

/// The news in a few words: `3 well`, `1 of 3 ill`, `3 instances: 1 unknown`.
pub(super) fn news(counts: Counts) -> String {
    let Counts {
        all,
        ill,
        unknown,
        syncing,
    } = counts;
    match (ill, unknown, syncing) {
        (0, 0, 0) => format!("{all} well"),
        (1.., 0, _) => format!("{ill} of {all} ill"),
        (1.., ..) => format!("{ill} of {all} ill, {unknown} unknown"),
        (0, 1.., _) => format!("{unknown} of {all} unknown"),
        (0, 0, 1..) => format!("{syncing} of {all} syncing"),
    }
}
