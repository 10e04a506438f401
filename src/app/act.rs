//! Acting in the console: the list of what can be done, the form that asks how, the line that unlocks a context, and the view
//! of a run. No key here changes anything by itself: a run waits until what its risk asks for was typed.

use std::collections::BTreeSet;

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::reader;
use super::state::State;
use crate::actions::equals::equals;
use crate::actions::{
    About, Action, Args, Candidate, Objects, Plan, Progress, Reading, Risk, Scene, Stand, Target,
};
use crate::domain::{ContextId, text};
use crate::msg::command::Motion;
use crate::msg::run::{Outcome, StepState};
use crate::msg::{Effect, Order, RunId, Word};
use crate::screens::See;
use crate::screens::parts::moved;
use crate::screens::parts::runs::{Phase, Run};
use crate::settings::{Glyph, Key, KeyPress, Tone};
use crate::widgets::{LineInput, Look, Piece, Popup, Window, draw};

/// What can be done with a selection, each with why not.
#[derive(Debug)]
pub(super) struct Menu {
    target: Target,
    rows: Vec<(&'static Action, Result<(), String>)>,
    selected: usize,
    window: Window,
}

/// How an action is asked for: what it is done to, and what it needs to know.
#[derive(Debug)]
pub(super) struct Form {
    action: &'static Action,
    target: Target,
    /// Pods to choose among, where it needs one.
    candidates: Vec<Candidate>,
    chosen: usize,
    fields: Vec<(&'static crate::actions::ArgDoc, LineInput)>,
    /// Which has the keyboard: the pods first, then each field.
    focus: usize,
    window: Window,
}

/// The line that unlocks a context.
#[derive(Debug)]
pub(super) struct Unlock {
    context: ContextId,
    line: LineInput,
}

/// A run that is looked at.
#[derive(Debug)]
pub(super) struct RunView {
    run: RunId,
    typed: LineInput,
    reason: LineInput,
    accepted: BTreeSet<String>,
    focus: Focus,
    /// The commands that steps equal are shown.
    commands: bool,
    window: Window,
}

/// What of a plan has the keyboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Focus {
    Cancel,
    Gate(usize),
    Typed,
    Reason,
}

/// What a key in one of these comes to.
pub(super) enum Came {
    /// Nothing more.
    Stays,
    /// It is closed.
    Closes,
    /// The form of an action is opened.
    Opens(&'static Action, Target),
    /// A run is begun, and looked at.
    Begins(Box<Order>),
    /// A run is told something.
    Says(RunId, Word),
    /// The same, and it is closed.
    Leaves(RunId, Word),
    /// A context is unlocked.
    Unlocks(ContextId),
    /// The reader is told something.
    Tells(String),
}

fn with_scene<T>(
    state: &State,
    target: &Target,
    args: &Args,
    now: Timestamp,
    act: impl FnOnce(&Scene<'_>) -> T,
) -> T {
    let (objects, accepted) = (Objects::new(), BTreeSet::new());
    let reading = Reading {
        world: &state.world,
        objects: &objects,
        now,
    };
    act(&Scene::new(
        reading,
        &state.limits,
        &state.rules,
        target,
        args,
        &accepted,
    ))
}

/// Why an action cannot be done now; by what is known, so that nothing is waited for.
pub(super) fn available(
    state: &State,
    action: &Action,
    target: &Target,
    now: Timestamp,
) -> Result<(), String> {
    let context = target.context().as_str();
    if let Some(why) = state.rules.closed(context) {
        return Err(why);
    }
    if let Some(rail) = state
        .rules
        .guardrail(action, target)
        .filter(|rail| rail.deny)
    {
        return Err(format!("a guardrail denies it: {}", rail.reason));
    }
    if state.frozen.is_some() {
        return Err("the picture is frozen".to_owned());
    }
    if let Some(run) = state.runs.about(target) {
        return Err(format!("{} is {}", run.order.run, run.phase.word()));
    }
    with_scene(state, target, &Args::default(), now, |scene| {
        (action.available)(scene)
    })
}

impl Menu {
    /// Of a target.
    pub fn of(state: &State, target: Target, operator: Option<Target>, now: Timestamp) -> Self {
        let about = |action: &Action| match action.about {
            About::Instance => matches!(target, Target::Instance(_)),
            About::Operator => operator.is_some(),
            About::Workload | About::Flux | About::Claim => false,
        };
        let rows = crate::actions::ALL
            .iter()
            .copied()
            .filter(|action| about(action))
            .map(|action| {
                let target = match action.about {
                    About::Operator => operator.as_ref().unwrap_or(&target),
                    _ => &target,
                };
                (action, available(state, action, target, now))
            })
            .collect();
        Self {
            target,
            rows,
            selected: 0,
            window: Window::default(),
        }
    }

    pub fn scroll(&mut self, motion: Motion) {
        self.selected = moved(self.selected, motion, self.window.page(), self.rows.len());
    }

    pub fn press(&mut self, key: KeyPress, operator: Option<Target>) -> Came {
        match key.key {
            Key::Enter => {}
            _ => {
                if let Some(motion) = motion(key) {
                    self.scroll(motion);
                }
                return Came::Stays;
            }
        }
        match self.rows.get(self.selected) {
            None => Came::Closes,
            Some((_, Err(why))) => Came::Tells(why.clone()),
            Some((action, Ok(()))) => {
                let target = match action.about {
                    About::Operator => operator.unwrap_or_else(|| self.target.clone()),
                    _ => self.target.clone(),
                };
                Came::Opens(action, target)
            }
        }
    }

    pub fn view(&self, look: &Look<'_>, area: Rect, buf: &mut Buffer) {
        let wide = usize::from(reader::widest(area));
        let titles = self
            .rows
            .iter()
            .map(|(action, _)| draw::width(action.title));
        let titles = titles.max().unwrap_or(0);
        let lines: Vec<Vec<Piece>> = self
            .rows
            .iter()
            .enumerate()
            .map(|(at, (action, judged))| {
                let mark = match at == self.selected {
                    true => look.glyph(Glyph::Marker),
                    false => " ",
                };
                let (tone, told) = match judged {
                    Ok(()) => (
                        Tone::Text,
                        Piece::new(action.risk.word(), risk_tone(action.risk)),
                    ),
                    Err(why) => (
                        Tone::Disabled,
                        Piece::new(format!("not now: {why}"), Tone::Disabled),
                    ),
                };
                let title = format!("{:<titles$}  ", action.title);
                let room = wide.saturating_sub(titles + 5);
                let told = Piece {
                    text: draw::fit(&told.text, room, look.glyph(Glyph::Ellipsis)).into_owned(),
                    ..told
                };
                vec![
                    Piece::new(format!("{mark} "), Tone::Accent),
                    Piece::new(title, tone),
                    told,
                ]
            })
            .collect();
        let title = format!("What can be done with {}", self.target);
        let lines = match lines.is_empty() {
            true => vec![vec![Piece::muted("nothing can be done with this")]],
            false => lines,
        };
        let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
        let height = height.min(area.height.saturating_sub(4));
        let widest = lines
            .iter()
            .map(|line| draw::line_width(line))
            .max()
            .unwrap_or(0);
        let width = widest.max(draw::width(&title) + 2);
        let width = u16::try_from(width)
            .unwrap_or(u16::MAX)
            .min(reader::widest(area));
        let popup = Popup::new(title, width, height);
        let inner = popup.render(look, area, buf);
        let shown = self
            .window
            .follow(Some(self.selected), lines.len(), usize::from(inner.height));
        draw::lines(lines.get(shown).unwrap_or_default(), look, inner, buf);
    }
}

fn risk_tone(risk: Risk) -> Tone {
    match risk {
        Risk::Read | Risk::Reversible => Tone::Muted,
        Risk::Disruptive => Tone::Degraded,
        Risk::LosesData => Tone::Danger,
    }
}

fn motion(key: KeyPress) -> Option<Motion> {
    match key.key {
        Key::Up => Some(Motion::Up),
        Key::Down => Some(Motion::Down),
        Key::PageUp => Some(Motion::PageUp),
        Key::PageDown => Some(Motion::PageDown),
        Key::Char('k') if !key.ctrl && !key.alt => Some(Motion::Up),
        Key::Char('j') if !key.ctrl && !key.alt => Some(Motion::Down),
        _ => None,
    }
}

impl Form {
    /// Of an action on a target; `None` when there is nothing to be asked.
    pub fn of(
        state: &State,
        action: &'static Action,
        target: Target,
        pod: Option<&str>,
        now: Timestamp,
    ) -> Self {
        let candidates = with_scene(state, &target, &Args::default(), now, |scene| {
            (action.candidates)(scene)
        });
        // The one that is selected, else the first that can be chosen.
        let selected = candidates
            .iter()
            .position(|one| Some(one.pod.as_str()) == pod);
        let fit = candidates.iter().position(|one| one.judged.is_ok());
        let is_fit = |at: &usize| candidates.get(*at).is_some_and(|one| one.judged.is_ok());
        let chosen = selected.filter(is_fit).or(fit).or(selected).unwrap_or(0);
        let fields = action
            .args
            .iter()
            .filter(|arg| candidates.is_empty() || !is_pod(arg))
            .map(|arg| {
                let text = match is_pod(arg) {
                    true => pod.or(arg.default).unwrap_or_default(),
                    false => arg.default.unwrap_or_default(),
                };
                (arg, LineInput::with_text(text))
            })
            .collect();
        Self {
            action,
            target,
            candidates,
            chosen,
            fields,
            focus: 0,
            window: Window::default(),
        }
    }

    /// It needs no answer: everything has a default, and no pod is to be chosen.
    pub fn is_needless(&self) -> bool {
        self.candidates.is_empty()
            && self
                .fields
                .iter()
                .all(|(arg, line)| !arg.required || !line.is_empty())
    }

    /// What is asked for, by what is filled in.
    ///
    /// # Errors
    /// What is missing, as a sentence.
    pub fn order(&self, now: Timestamp) -> Result<Order, String> {
        let mut args = Args::default();
        if let Some(one) = self.candidates.get(self.chosen)
            && let Some(arg) = self.action.args.iter().find(|arg| is_pod(arg))
        {
            if let Err(why) = &one.judged {
                return Err(why.clone());
            }
            args.set(arg.name, one.pod.clone());
        }
        for (arg, line) in &self.fields {
            let typed = line.text().trim();
            match (arg.value, typed) {
                (_, "") if arg.required => {
                    return Err(format!("{} is missing: {}", arg.name, arg.doc));
                }
                (_, "") => {}
                ("", "n" | "no" | "false") => {}
                ("", _) => args.set(arg.name, "true"),
                (_, typed) => args.set(arg.name, typed),
            }
        }
        Ok(Order {
            run: RunId::of(
                self.action.id,
                &self.target,
                now,
                now.subsec_nanosecond().unsigned_abs() >> 8,
            ),
            action: self.action.id,
            target: self.target.clone(),
            args,
            accepted: BTreeSet::new(),
            dry: false,
            by_step: false,
        })
    }

    fn rows(&self) -> usize {
        self.fields.len() + usize::from(!self.candidates.is_empty())
    }

    fn field(&mut self) -> Option<&mut LineInput> {
        let at = self
            .focus
            .checked_sub(usize::from(!self.candidates.is_empty()))?;
        self.fields.get_mut(at).map(|(_, line)| line)
    }

    pub fn paste(&mut self, text: &str) {
        if let Some(line) = self.field() {
            line.paste(text);
        }
    }

    pub fn press(&mut self, key: KeyPress, now: Timestamp) -> Came {
        let in_list = self.focus == 0 && !self.candidates.is_empty();
        match key.key {
            Key::Enter => {
                return match self.order(now) {
                    Ok(order) => Came::Begins(Box::new(order)),
                    Err(why) => Came::Tells(why),
                };
            }
            Key::Tab if self.rows() > 0 => {
                let step = if key.shift { self.rows() - 1 } else { 1 };
                self.focus = (self.focus + step) % self.rows();
            }
            _ if in_list => {
                if let Some(motion) = motion(key) {
                    self.chosen = moved(self.chosen, motion, 5, self.candidates.len());
                }
            }
            Key::Up => self.focus = self.focus.saturating_sub(1),
            Key::Down => self.focus = (self.focus + 1).min(self.rows().saturating_sub(1)),
            _ => {
                if let Some(line) = self.field() {
                    line.press(key);
                }
            }
        }
        Came::Stays
    }

    pub fn view(&self, look: &Look<'_>, area: Rect, buf: &mut Buffer) {
        let columns = usize::from(reader::columns(area));
        let mut lines: Vec<Vec<Piece>> = Vec::new();
        let doc = format!("{}.", text::capital(self.action.doc));
        lines.extend(
            draw::wrap(&doc, columns)
                .into_iter()
                .map(|line| vec![Piece::muted(line)]),
        );
        lines.push(Vec::new());
        let mut focused = 0;
        let in_list = self.focus == 0 && !self.candidates.is_empty();
        for (at, one) in self.candidates.iter().enumerate() {
            let is = at == self.chosen;
            let mark = if is { look.glyph(Glyph::Marker) } else { " " };
            let tone = match (&one.judged, is && in_list) {
                (Err(_), _) => Tone::Disabled,
                (Ok(_), true) => Tone::Strong,
                (Ok(_), false) => Tone::Text,
            };
            if is {
                focused = lines.len();
            }
            lines.push(vec![
                Piece::new(format!("{mark} "), Tone::Accent),
                Piece::new(one.pod.clone(), tone),
                Piece::muted(format!("  {}", one.figures)),
            ]);
            let (words, tone) = match &one.judged {
                Ok(words) => (words, Tone::Healthy),
                Err(words) => (words, Tone::Disabled),
            };
            for line in draw::wrap(words, columns.saturating_sub(4)) {
                lines.push(vec![Piece::text("    "), Piece::new(line, tone)]);
            }
        }
        for (at, (arg, line)) in self.fields.iter().enumerate() {
            let is = self.focus == at + usize::from(!self.candidates.is_empty());
            if is {
                focused = lines.len();
            }
            let tone = if is { Tone::Accent } else { Tone::Text };
            let mut pieces = vec![
                Piece::new(format!("{:<10} ", arg.name), tone),
                Piece::new(line.text().to_owned(), Tone::Strong),
            ];
            if is {
                pieces.push(Piece::new("_", Tone::Accent));
            }
            pieces.push(Piece::muted(format!("   {}", arg.doc)));
            lines.extend(draw::wrap_pieces(&pieces, columns, 11));
        }
        let title = format!("{} of {}", self.action.title, self.target);
        self.window.follow(
            Some(focused),
            lines.len(),
            usize::from(area.height.saturating_sub(6)),
        );
        reader::view(title, &lines, &self.window, look, area, buf);
    }
}

/// An argument that names a pod.
fn is_pod(arg: &crate::actions::ArgDoc) -> bool {
    arg.value == "POD"
}

impl Unlock {
    pub fn new(context: ContextId) -> Self {
        Self {
            context,
            line: LineInput::new(),
        }
    }

    pub fn paste(&mut self, text: &str) {
        self.line.paste(text);
    }

    pub fn press(&mut self, key: KeyPress) -> Came {
        if key.key != Key::Enter {
            self.line.press(key);
            return Came::Stays;
        }
        match self.line.text() {
            "" => Came::Closes,
            typed if typed == self.context.as_str() => Came::Unlocks(self.context.clone()),
            typed => Came::Tells(format!(
                "{} is not {}: it stays locked",
                text::one_line(typed),
                self.context
            )),
        }
    }

    pub fn view(&self, state: &State, area: Rect, buf: &mut Buffer) {
        let look = state.look();
        let minutes = state.rules.unlock.as_secs().div_ceil(60);
        let told = format!(
            "Type {} to allow changes there for {minutes} minutes. Every change is planned and confirmed by itself.",
            self.context
        );
        let columns = reader::columns(area).min(70);
        let mut lines: Vec<Vec<Piece>> = draw::wrap(&told, usize::from(columns))
            .into_iter()
            .map(|line| vec![Piece::text(line)])
            .collect();
        lines.push(vec![
            Piece::new(self.line.text().to_owned(), Tone::Strong),
            Piece::new("_", Tone::Accent),
        ]);
        let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
        let popup = Popup::new(format!("Unlock {}", self.context), columns, height);
        let inner = popup.tone(Tone::Unlocked).render(&look, area, buf);
        draw::lines(&lines, &look, inner, buf);
    }
}

impl RunView {
    pub fn new(run: RunId) -> Self {
        Self {
            run,
            typed: LineInput::new(),
            reason: LineInput::new(),
            accepted: BTreeSet::new(),
            focus: Focus::Cancel,
            commands: false,
            window: Window::default(),
        }
    }

    /// Which run.
    pub fn run(&self) -> &RunId {
        &self.run
    }

    pub fn scroll(&mut self, motion: Motion) {
        self.window.scroll_to(moved(
            self.window.offset(),
            motion,
            self.window.page(),
            usize::MAX / 2,
        ));
    }

    pub fn paste(&mut self, text: &str) {
        match self.focus {
            Focus::Reason => self.reason.paste(text),
            _ => self.typed.paste(text),
        }
    }

    /// Esc: a plan that waits is called off; a run goes on.
    pub fn escape(&self, run: Option<&Run>) -> Came {
        match run.map(|run| run.phase) {
            Some(Phase::Reads | Phase::Waits) => Came::Leaves(self.run.clone(), Word::Stop),
            _ => Came::Closes,
        }
    }

    /// What is typed, in full: a phrase of a guardrail beside what the risk asks for.
    fn wanted(&self, state: &State, plan: &Plan) -> String {
        let own = plan.risk.confirmation(&plan.target);
        let rail = Action::of(plan.action)
            .and_then(|action| state.rules.guardrail(action, &plan.target))
            .map(|rail| rail.phrase.trim())
            .unwrap_or_default();
        format!("{own} {rail}").trim().to_owned()
    }

    pub fn press(&mut self, key: KeyPress, state: &State, run: &Run) -> Came {
        let page = match key.key {
            Key::PageUp => Some(Motion::PageUp),
            Key::PageDown => Some(Motion::PageDown),
            Key::Up => Some(Motion::Up),
            Key::Down => Some(Motion::Down),
            _ => None,
        };
        if let Some(motion) = page {
            self.scroll(motion);
            return Came::Stays;
        }
        match run.phase {
            Phase::Waits => self.press_waiting(key, state, run),
            Phase::Runs | Phase::Verifies => match key.typed() {
                Some('S') => Came::Says(self.run.clone(), Word::Stop),
                Some('n') if run.order.by_step => Came::Says(self.run.clone(), Word::Next),
                Some('v') => {
                    self.commands = !self.commands;
                    Came::Stays
                }
                Some('q') => Came::Closes,
                _ => Came::Stays,
            },
            Phase::Ended => match (key.key, key.typed()) {
                (Key::Enter, _) | (_, Some('q')) => Came::Closes,
                (_, Some('v')) => {
                    self.commands = !self.commands;
                    Came::Stays
                }
                _ => Came::Stays,
            },
            Phase::Reads => Came::Stays,
        }
    }

    fn press_waiting(&mut self, key: KeyPress, state: &State, run: &Run) -> Came {
        let Some(plan) = run.plan.clone() else {
            return Came::Stays;
        };
        let asks: Vec<&str> = run.asks().map(|gate| gate.id).collect();
        let mut places = vec![Focus::Cancel];
        places.extend((0..asks.len()).map(Focus::Gate));
        places.extend([Focus::Typed, Focus::Reason]);
        let at = places
            .iter()
            .position(|place| *place == self.focus)
            .unwrap_or(0);
        let wanted = self.wanted(state, &plan);
        match (key.key, self.focus) {
            (Key::Tab, _) => {
                let step = if key.shift { places.len() - 1 } else { 1 };
                let next = places.get((at + step) % places.len());
                self.focus = next.copied().unwrap_or(Focus::Cancel);
            }
            (Key::Enter, Focus::Cancel) => return Came::Leaves(self.run.clone(), Word::Stop),
            (Key::Enter, Focus::Gate(_)) => {}
            (Key::Enter, _) => {
                if self.typed.text().trim() != wanted {
                    return Came::Tells(format!("type {wanted} to confirm"));
                }
                if plan.risk == Risk::LosesData && self.reason.text().trim().is_empty() {
                    self.focus = Focus::Reason;
                    return Came::Tells("say why: it may lose data".to_owned());
                }
                if let Some(open) = asks.iter().find(|id| !self.accepted.contains(**id)) {
                    return Came::Tells(format!("{open} is to be accepted first"));
                }
                self.focus = Focus::Cancel;
                return Came::Says(
                    self.run.clone(),
                    Word::Approve {
                        plan,
                        typed: self.typed.text().trim().to_owned(),
                        reason: self.reason.text().trim().to_owned(),
                        accepted: self.accepted.clone(),
                    },
                );
            }
            (Key::Char(' '), Focus::Gate(at)) => {
                if let Some(id) = asks.get(at)
                    && !self.accepted.remove(*id)
                {
                    self.accepted.insert((*id).to_owned());
                }
            }
            (_, Focus::Reason) => {
                self.reason.press(key);
            }
            (_, Focus::Gate(_)) => {}
            (_, Focus::Cancel | Focus::Typed) => {
                if self.typed.press(key) {
                    self.focus = Focus::Typed;
                }
            }
        }
        Came::Stays
    }

    pub fn view(&self, state: &State, see: &See<'_>, area: Rect, buf: &mut Buffer) {
        let look = &see.look;
        let Some(run) = state.runs.get(&self.run) else {
            return;
        };
        let columns = usize::from(reader::columns(area));
        let page = |columns| Page {
            lines: Vec::new(),
            columns,
            see,
        };
        // What is typed, and how it ended, is seen however long the plan is.
        let (mut page, mut foot) = (page(columns), page(columns));
        let title = match &run.plan {
            Some(plan) => text::capital(&plan.sentence),
            None => format!("{} of {}", run.order.action, run.order.target),
        };
        match run.phase {
            Phase::Reads => {
                page.muted("Reading what it relies on: objects again, and the engines…")
            }
            Phase::Waits => {
                waiting(self, run, &mut page);
                self.confirming(state, run, &mut foot);
            }
            // One that never began is still a plan, with what stood against it.
            Phase::Ended if run.began.is_none() && run.plan.is_some() => {
                waiting(self, run, &mut page);
                ended(run, &mut foot);
            }
            Phase::Runs | Phase::Verifies | Phase::Ended => {
                self.running(run, &mut page);
                ended(run, &mut foot);
            }
        }
        let tone = match run.plan.as_ref().map(|plan| plan.risk) {
            Some(Risk::LosesData) => Tone::Danger,
            _ => Tone::Title,
        };
        let (lines, foot) = (page.lines, foot.lines);
        let rows = |lines: usize| u16::try_from(lines).unwrap_or(u16::MAX);
        let height = rows(lines.len() + foot.len()).min(area.height.saturating_sub(3));
        let popup = Popup::new(title, reader::columns(area), height).tone(tone);
        let inner = popup.render(look, area, buf);
        let upper = inner.height.saturating_sub(rows(foot.len()));
        let shown = self.window.follow(None, lines.len(), usize::from(upper));
        draw::lines(lines.get(shown).unwrap_or_default(), look, inner, buf);
        draw::lines(&foot, look, draw::below(inner, upper), buf);
        let place = self.window.place(lines.len(), look.glyph(Glyph::Dash));
        popup.foot(place.as_deref(), look, area, buf);
    }

    /// What is typed to confirm it.
    fn confirming(&self, state: &State, run: &Run, page: &mut Page<'_, '_>) {
        let Some(plan) = &run.plan else { return };
        page.blank();
        let wanted = self.wanted(state, plan);
        let cursor = |is: bool| if is { "_" } else { "" };
        let tone = |is: bool| if is { Tone::Accent } else { Tone::Text };
        let on = |focus: Focus| self.focus == focus;
        page.line(vec![
            Piece::new(format!("type {wanted}: "), tone(on(Focus::Typed))),
            Piece::new(self.typed.text().to_owned(), Tone::Strong),
            Piece::new(cursor(on(Focus::Typed)), Tone::Accent),
        ]);
        page.line(vec![
            Piece::new("why: ", tone(on(Focus::Reason))),
            Piece::new(self.reason.text().to_owned(), Tone::Strong),
            Piece::new(cursor(on(Focus::Reason)), Tone::Accent),
        ]);
        page.line(vec![Piece::new(
            "[ Cancel ]",
            if on(Focus::Cancel) {
                Tone::Accent
            } else {
                Tone::Text
            },
        )]);
    }

    fn running(&self, run: &Run, page: &mut Page<'_, '_>) {
        let Some(plan) = &run.plan else {
            if let Some((ending, _)) = &run.ending {
                page.wrapped("", &ending.sentence, outcome_tone(ending.outcome));
            }
            return;
        };
        for ((place, step), state) in plan.all_steps().enumerate().zip(&run.steps) {
            let (glyph, tone, told) = match state {
                None => (Glyph::Dot, Tone::Muted, String::new()),
                Some((StepState::Held, _)) => (Glyph::Dot, Tone::Accent, "n goes on".to_owned()),
                Some((StepState::Runs(waits), since)) => (
                    Glyph::Syncing,
                    Tone::Syncing,
                    format!("{} {}", page.see.age(*since), waits.join("; ")),
                ),
                Some((StepState::Done(answer, took), _)) => (
                    Glyph::Healthy,
                    Tone::Healthy,
                    format!("{} ms  {answer}", took.as_millis()),
                ),
                Some((StepState::Skipped(why), _)) => {
                    (Glyph::Healthy, Tone::Muted, format!("not needed: {why}"))
                }
                Some((StepState::Failed(why), _)) => (Glyph::Broken, Tone::Broken, why.clone()),
                Some((StepState::Unknown(why), _)) => (Glyph::Unknown, Tone::Unknown, why.clone()),
            };
            let words = if state.is_none() {
                Tone::Muted
            } else {
                Tone::Text
            };
            page.pieces(
                &[
                    Piece::new(format!("{} ", page.see.sign(glyph)), tone),
                    Piece::muted(format!("{:>2} ", place + 1)),
                    Piece::new(step.words.clone(), words),
                ],
                5,
            );
            if !told.trim().is_empty() {
                page.wrapped("     ", told.trim(), Tone::Muted);
            }
            if self.commands {
                page.wrapped("     ", &equals(step), Tone::Muted);
            }
        }
        if !run.proof.is_empty() {
            page.blank();
            page.muted("What proves it, each by its own source");
            for (goal, progress) in &run.proof {
                let (glyph, tone) = match progress {
                    Progress::Holds(_) => (Glyph::Healthy, Tone::Healthy),
                    Progress::NotYet(_) => (Glyph::Dot, Tone::Degraded),
                    Progress::Untold(_) => (Glyph::Unknown, Tone::Unknown),
                };
                page.pieces(
                    &[
                        Piece::new(format!("{} ", page.see.sign(glyph)), tone),
                        Piece::text(goal.clone()),
                        Piece::muted(format!("  {}", progress.words())),
                    ],
                    2,
                );
            }
        }
    }
}

/// The plan with all that stands for and against it.
fn waiting(view: &RunView, run: &Run, page: &mut Page<'_, '_>) {
    let Some(plan) = &run.plan else { return };
    if !run.difference.is_empty() {
        page.line(vec![Piece::new("It is another plan by now:", Tone::Danger)]);
        for line in &run.difference {
            page.wrapped("  ", line, Tone::Degraded);
        }
    }
    page.pair(
        "where",
        &format!("context {}, {}", plan.target.context(), plan.target),
        Tone::Strong,
    );
    page.pair("risk", plan.risk.word(), risk_tone(plan.risk));
    page.pair("loses", &plan.losses, Tone::Text);
    page.pair("takes", &plan.takes, Tone::Text);
    page.pair("back", &plan.back, Tone::Text);
    if let Some(owner) = &plan.owner {
        page.pair(
            "owner",
            &format!("{owner}: it puts back what Git does not say"),
            Tone::Degraded,
        );
    }
    for line in &plan.before {
        page.pair("now", line, Tone::Muted);
    }
    page.blank();
    let bad = |stand: Stand| stand != Stand::Pass;
    let passed = run.gates.iter().filter(|gate| !bad(gate.stand)).count();
    page.muted(&format!("{passed} of {} gates passed", run.gates.len()));
    let mut at = 0;
    for gate in run.gates.iter() {
        let (glyph, tone) = match gate.stand {
            Stand::Pass => (Glyph::Healthy, Tone::Healthy),
            Stand::Warn => (Glyph::Warning, Tone::Degraded),
            Stand::Ask => (Glyph::Warning, Tone::Danger),
            Stand::Block => (Glyph::Broken, Tone::Broken),
        };
        let mut pieces = vec![Piece::new(format!("{} ", page.see.sign(glyph)), tone)];
        if gate.stand == Stand::Ask {
            let is = view.focus == Focus::Gate(at);
            let mark = if view.accepted.contains(gate.id) {
                "[x] "
            } else {
                "[ ] "
            };
            pieces.push(Piece::new(mark, if is { Tone::Accent } else { Tone::Text }));
            at += 1;
        }
        let tone = if bad(gate.stand) {
            Tone::Text
        } else {
            Tone::Muted
        };
        pieces.push(Piece::new(gate.evidence.clone(), tone));
        pieces.push(Piece::muted(format!("  {}", gate.id)));
        page.pieces(&pieces, 2);
    }
    page.blank();
    for (place, step) in plan.all_steps().enumerate() {
        let together = if step.together {
            " (at the same moment)"
        } else {
            ""
        };
        page.pieces(
            &[
                Piece::muted(format!("{:>2} ", place + 1)),
                Piece::text(step.words.clone()),
                Piece::muted(together),
            ],
            3,
        );
        page.wrapped("   ", &equals(step), Tone::Muted);
    }
}

/// How it ended, or what a stop would leave.
fn ended(run: &Run, page: &mut Page<'_, '_>) {
    let Some(plan) = &run.plan else { return };
    page.blank();
    match &run.ending {
        Some((ending, _)) => {
            let tone = outcome_tone(ending.outcome);
            page.pieces(
                &[
                    Piece::new(ending.outcome.word(), tone),
                    Piece::text(format!(": {}", ending.sentence)),
                ],
                2,
            );
            for line in &ending.left {
                page.pair("left", line, Tone::Degraded);
            }
            page.muted(&match run.began {
                Some(_) => format!(
                    "took {} ms; {} in the ledger",
                    ending.took.as_millis(),
                    run.order.run
                ),
                None => "nothing was changed".to_owned(),
            });
        }
        None if run.stopping => page.wrapped(
            "",
            "It stops before the next step; what is being done is ended first.",
            Tone::Degraded,
        ),
        None => {
            // What an abort would leave.
            let leaves = plan
                .steps
                .iter()
                .zip(&run.steps)
                .filter(|(step, state)| state.is_some() && !step.leaves.is_empty())
                .map(|(step, _)| step.leaves.as_str())
                .next_back();
            let told = match leaves {
                Some(leaves) => format!("S stops before the next step, and leaves: {leaves}"),
                None => {
                    "S stops before the next step; esc leaves this view, and it goes on".to_owned()
                }
            };
            page.wrapped("", &told, Tone::Muted);
        }
    }
}

fn outcome_tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Verified | Outcome::Dry => Tone::Healthy,
        Outcome::Refused | Outcome::Stopped => Tone::Degraded,
        Outcome::Failed => Tone::Broken,
        Outcome::Unknown => Tone::Unknown,
    }
}

/// Lines being written.
struct Page<'p, 's> {
    lines: Vec<Vec<Piece>>,
    columns: usize,
    see: &'p See<'s>,
}

impl Page<'_, '_> {
    fn line(&mut self, pieces: Vec<Piece>) {
        self.lines.push(pieces);
    }

    fn blank(&mut self) {
        self.lines.push(Vec::new());
    }

    fn pieces(&mut self, pieces: &[Piece], hang: usize) {
        self.lines
            .extend(draw::wrap_pieces(pieces, self.columns, hang));
    }

    fn muted(&mut self, text: &str) {
        self.wrapped("", text, Tone::Muted);
    }

    fn wrapped(&mut self, indent: &str, text: &str, tone: Tone) {
        let room = self.columns.saturating_sub(draw::width(indent));
        for line in draw::wrap(text, room) {
            self.lines
                .push(vec![Piece::text(indent), Piece::new(line, tone)]);
        }
    }

    fn pair(&mut self, name: &str, text: &str, tone: Tone) {
        let pieces = [Piece::muted(format!("{name:<6} ")), Piece::new(text, tone)];
        self.pieces(&pieces, 7);
    }
}

/// The effects of unlocking a context for as long as the rules say.
pub(super) fn unlock(state: &mut State, context: ContextId, now: Timestamp) -> Vec<Effect> {
    let until = now
        .checked_add(jiff::SignedDuration::try_from(state.rules.unlock).unwrap_or_default())
        .unwrap_or(now);
    state.unlocked.insert(context.clone(), until);
    vec![Effect::Unlock(context, until)]
}
