//! What acting does to the state of the console: opening forms, unlocking contexts, following runs.

use jiff::Timestamp;

use super::act::{self, Came, Form, Menu, RunView, Unlock};
use super::over::Over;
use super::perform::open;
use super::state::State;
use crate::actions::{About, Action, ObjectId, Resource, Target};
use crate::domain::{ContextId, text};
use crate::msg::run::{Outcome, Past};
use crate::msg::{Effect, News, RunId, Word};
use crate::screens::parts::runs::{Phase, Run};
use crate::settings::problem::suggestion;
use crate::settings::{Key, KeyPress, Tone};
use crate::widgets::{Piece, Segment};

/// The instance that is shown or selected.
fn target(state: &State) -> Option<Target> {
    let about = state.history.here().about.clone();
    let selected = || state.desk().and_then(|desk| desk.screen.selected());
    about.or_else(selected).map(Target::Instance)
}

/// The context of the selection; else the only one that is open.
fn context(state: &State) -> Option<ContextId> {
    if let Some(target) = target(state) {
        return Some(target.context().clone());
    }
    let mut contexts = state.world.contexts();
    match (contexts.next(), contexts.next()) {
        (Some(only), None) => Some(only.id.clone()),
        _ => None,
    }
}

/// The operator's Deployment in a context.
fn operator(state: &State, context: &ContextId) -> Option<Target> {
    let known = state.world.context(context)?;
    let mut operators = known.operators.iter();
    let one = operators.next().filter(|_| operators.next().is_none())?;
    let meta = &one.value.meta;
    let object = ObjectId::new(context, Resource::DEPLOYMENT, &meta.namespace, &meta.name);
    Some(Target::Object(object))
}

fn target_of(state: &State, action: &Action) -> Option<Target> {
    match action.about {
        About::Instance => target(state),
        About::Operator => operator(state, &context(state)?),
        // These are named on the command line.
        About::Workload | About::Flux | About::Claim => None,
    }
}

/// Opens the plan of an action on the selection, or the form that asks what it needs.
pub(super) fn act(state: &mut State, id: &str, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(action) = Action::of(id) else {
        let near = suggestion(id, crate::actions::ALL.iter().map(|action| action.id));
        state.notices.problem(
            format!("there is no action `{}`; {near}", text::one_line(id)),
            now,
        );
        return;
    };
    let Some(target) = target_of(state, action) else {
        state.notices.tell(
            format!("nothing is selected that {} is about", action.id),
            now,
        );
        return;
    };
    begin(state, action, target, now, effects);
}

fn begin(
    state: &mut State,
    action: &'static Action,
    target: Target,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) {
    if let Some(run) = state.runs.about(&target) {
        let view = RunView::new(run.order.run.clone());
        open(state, Over::Run(view));
        return;
    }
    if let Err(why) = act::available(state, action, &target, now) {
        state.notices.tell(format!("{}: {why}", action.title), now);
        return;
    }
    if !state.unlocked.contains_key(target.context()) {
        state.notices.tell(
            format!(
                "{} is locked: W unlocks it for a time; until then this is only a plan",
                target.context()
            ),
            now,
        );
    }
    let pod = state
        .desk()
        .and_then(|desk| desk.screen.selected_pod(&state.see(desk, now)));
    let form = Form::of(state, action, target, pod.as_deref(), now);
    if form.is_needless()
        && let Ok(order) = form.order(now)
    {
        start(state, order, now, effects);
        return;
    }
    open(state, Over::Form(form));
}

fn start(
    state: &mut State,
    mut order: crate::msg::Order,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) {
    // What an earlier run of the same left undone is finished by this one.
    let place = order.target.address();
    let earlier = state
        .runs
        .past
        .iter()
        // The first of them: what it had begun is what is finished.
        .find(|past| past.unfinished && past.place == place && is_the_same(past, &order));
    if let Some(past) = earlier {
        order.args.set("resume", past.run.clone());
    }
    let view = RunView::new(order.run.clone());
    state.runs.ask(order.clone(), now);
    effects.push(Effect::Begin(Box::new(order)));
    open(state, Over::Run(view));
}

/// It was asked for in the same way: only then is it this that was begun.
fn is_the_same(past: &Past, order: &crate::msg::Order) -> bool {
    let (action, args) = &past.asked;
    let mut args = args.iter().filter(|(name, _)| name != "resume");
    action == order.action && args.all(|(name, value)| order.args.get(name) == Some(value))
}

/// Lists what can be done with the selection.
pub(super) fn list(state: &mut State, now: Timestamp) {
    let operator = context(state).and_then(|context| operator(state, &context));
    match target(state).or_else(|| operator.clone()) {
        Some(target) => {
            let menu = Menu::of(state, target, operator, now);
            open(state, Over::Actions(menu));
        }
        None => state.notices.tell("nothing is selected", now),
    }
}

/// Unlocks the context of the selection, after its name was typed; locks it again at once.
pub(super) fn unlock(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(context) = context(state) else {
        state.notices.tell(
            "select an instance of the context that is to be unlocked",
            now,
        );
        return;
    };
    if let Some(why) = state.rules.closed(context.as_str()) {
        state
            .notices
            .tell(format!("{context} stays locked: {why}"), now);
        return;
    }
    if state.unlocked.remove(&context).is_some() {
        state.bar_is_old = true;
        state.notices.tell(format!("{context} is locked"), now);
        effects.push(Effect::Lock(context));
        return;
    }
    open(state, Over::Unlock(Unlock::new(context)));
}

/// Contexts whose time is over are locked again. The latch of each has long done so by itself.
pub(super) fn lock_again(state: &mut State, now: Timestamp) {
    let over: Vec<ContextId> = state
        .unlocked
        .iter()
        .filter(|(_, until)| **until <= now)
        .map(|(context, _)| context.clone())
        .collect();
    for context in over {
        state.unlocked.remove(&context);
        state.bar_is_old = true;
        state.dirty = true;
        state
            .notices
            .tell(format!("{context} is locked again"), now);
    }
}

/// Shows the run in flight, else the last one.
pub(super) fn show_run(state: &mut State, now: Timestamp) {
    let in_flight = state.runs.in_flight().next();
    match in_flight.or_else(|| state.runs.all().next()) {
        Some(run) => {
            let view = RunView::new(run.order.run.clone());
            open(state, Over::Run(view));
        }
        None => state
            .notices
            .tell("nothing was done in this session yet", now),
    }
}

/// A run told something. Who does not look at it is told how it ended.
pub(super) fn hear(state: &mut State, run: &RunId, news: News, now: Timestamp) {
    let ended = match &news {
        News::Ended(ending) => Some((ending.outcome, ending.sentence.clone())),
        _ => None,
    };
    state.runs.hear(run, news, now);
    state.dirty = true;
    state.bar_is_old = true;
    let looked_at = matches!(state.over.last(), Some(Over::Run(view)) if view.run() == run);
    if let Some((outcome, sentence)) = ended.filter(|_| !looked_at) {
        let told = format!("{}: {sentence}", outcome.word());
        match outcome {
            Outcome::Verified | Outcome::Dry | Outcome::Refused => state.notices.tell(told, now),
            Outcome::Failed | Outcome::Stopped | Outcome::Unknown => {
                state.notices.problem(told, now);
            }
        }
    }
}

/// What earlier runs left undone is said once, at the start.
pub(super) fn remind(state: &mut State, now: Timestamp) {
    let open: Vec<String> = state
        .runs
        .past
        .iter()
        .filter(|past| past.unfinished)
        .map(|past| {
            format!(
                "unfinished: {} ({}); the same action on {} finishes it",
                past.sentence, past.who, past.place
            )
        })
        .collect();
    for told in open {
        state.notices.problem(told, now);
    }
}

/// Whether ctrl-c leaves at once: with a run in flight it asks first.
pub(super) fn may_leave(state: &mut State) -> bool {
    if state.runs_in_flight() == 0 || matches!(state.over.last(), Some(Over::AskInFlight)) {
        return true;
    }
    open(state, Over::AskInFlight);
    state.dirty = true;
    false
}

/// Gives a key to what is on top, if it is about acting; tells whether it took it.
pub(super) fn press(
    state: &mut State,
    key: KeyPress,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) -> Option<bool> {
    let escapes = key == KeyPress::plain(Key::Esc);
    let mut over = match state.over.last() {
        Some(Over::Actions(_) | Over::Form(_) | Over::Unlock(_) | Over::Run(_)) => {
            state.over.pop()?
        }
        Some(Over::AskInFlight) => {
            if escapes || key.typed() == Some('n') {
                state.over.pop();
            }
            return Some(true);
        }
        _ => return None,
    };
    let came = match &mut over {
        Over::Actions(_) | Over::Form(_) | Over::Unlock(_) if escapes => Came::Closes,
        Over::Actions(menu) => {
            let operator = context(state).and_then(|context| operator(state, &context));
            menu.press(key, operator)
        }
        Over::Form(form) => form.press(key, now),
        Over::Unlock(line) => line.press(key),
        Over::Run(view) => {
            let run = state.runs.get(view.run()).cloned();
            match run {
                None => Came::Closes,
                Some(run) if escapes => view.escape(Some(&run)),
                Some(run) => view.press(key, state, &run),
            }
        }
        _ => Came::Stays,
    };
    match came {
        Came::Stays => state.over.push(over),
        Came::Closes => {}
        Came::Opens(action, target) => begin(state, action, target, now, effects),
        Came::Begins(order) => start(state, *order, now, effects),
        Came::Says(run, word) => {
            say(state, run, word, effects);
            state.over.push(over);
        }
        Came::Leaves(run, word) => say(state, run, word, effects),
        Came::Unlocks(context) => {
            effects.extend(act::unlock(state, context.clone(), now));
            state.bar_is_old = true;
            state.notices.tell(format!("{context} is unlocked"), now);
        }
        Came::Tells(told) => {
            state.notices.tell(told, now);
            state.over.push(over);
        }
    }
    Some(true)
}

fn say(state: &mut State, run: RunId, word: Word, effects: &mut Vec<Effect>) {
    if word == Word::Stop {
        state.runs.stop(&run);
    }
    effects.push(Effect::Say(run, Box::new(word)));
}

/// The keys of a run, by where it is.
pub(super) fn run_keys(state: &State, run: &RunId, arrows: &str) -> Vec<Segment> {
    let of = |key: &str, hint: &str| {
        Segment::new(vec![
            Piece::new(key, Tone::Key),
            Piece::muted(format!(" {hint}")),
        ])
    };
    let phase = state
        .runs
        .get(run)
        .map_or(Phase::Ended, |run: &Run| run.phase);
    match phase {
        Phase::Reads => vec![of("esc", "call it off")],
        Phase::Waits => vec![
            of("tab", "next"),
            of("enter", "confirm what is typed"),
            of(arrows, "scroll"),
            of("esc", "call it off"),
        ],
        Phase::Runs | Phase::Verifies => vec![
            of("S", "stop before the next step"),
            of("v", "commands"),
            of(arrows, "scroll"),
            of("esc", "leave it running"),
        ],
        Phase::Ended => vec![
            of("v", "commands"),
            of(arrows, "scroll"),
            of("esc", "close"),
        ],
    }
}
