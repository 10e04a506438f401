//! All that is on the screen.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};

use super::asking::Asking;
use super::expected::expected_of;
use super::freeze::Picture;
use super::history::History;
use super::notices::Notices;
use super::over::Over;
use crate::actions::Rules;
use crate::checks::{self, Board, EXPECTED, Limits, NOT_EXPECTED, Severity, Standing, Subject};
use crate::domain::{ContextId, InstanceId, Needs, Want, World};
use crate::screens::parts::runs::Runs;
use crate::screens::{self, Clock, Filter, Fresh, Screen, See};
use crate::settings::{GlyphSet, KeyPress, Keymap, Settings, Theme};
use crate::widgets::{Look, Segment};

/// How long a prefix key waits before its continuations are shown.
pub(super) const HINT_AFTER: SignedDuration = SignedDuration::from_millis(300);

/// Everything that is shown, and what the reader is doing with it.
#[derive(Debug)]
pub struct State {
    pub(super) world: World,
    pub(super) board: Board,
    /// Every answer of every check, from the moment a screen that shows them is first opened.
    pub(super) standing: Standing,
    pub(super) settings: Settings,
    pub(super) limits: Limits,
    /// What the settings say about acting.
    pub(super) rules: Rules,
    /// Contexts that may be changed, and until when.
    pub(super) unlocked: BTreeMap<ContextId, Timestamp>,
    /// What runs have told.
    pub(super) runs: Runs,
    pub(super) theme: Theme,
    pub(super) keymap: Keymap,
    pub(super) glyphs: GlyphSet,
    /// Every screen, in the order of [`screens::ALL`].
    pub(super) desks: Vec<Desk>,
    pub(super) history: History,
    pub(super) zoomed: bool,
    /// Pop-ups, the topmost last.
    pub(super) over: Vec<Over>,
    pub(super) pending: Option<Pending>,
    pub(super) frozen: Option<Box<Picture>>,
    pub(super) notices: Notices,
    /// The reader wants to be told now, and not everybody has answered yet.
    pub(super) asking: Option<Asking>,
    pub(super) mouse: bool,
    /// Where the reader wants to be as soon as it is known: the address given on the command line.
    pub(super) wish: Option<String>,
    /// What to say about contexts that could be open and are not.
    pub(super) hint: Option<String>,
    /// The kubeconfig file that was named on the command line: commands that are copied name it, too.
    pub(super) kubeconfig: Option<PathBuf>,
    /// What the machine room was last told to look at closely.
    pub(super) watched: Option<InstanceId>,
    /// What the screen that is shown wanted to be read on demand when it was last looked at.
    pub(super) wanted: BTreeSet<Want>,
    /// Everything that it was last told to read on demand.
    pub(super) sent: Needs,
    /// What the standing answers needed then, by [`Standing::revision`].
    pub(super) needed: u64,
    /// What the window was last named.
    pub(super) titled: String,
    pub(super) dirty: bool,
    /// The top bar may read differently.
    pub(super) bar_is_old: bool,
    /// What it last read.
    pub(super) bar: Vec<Segment>,
    /// Something that is to be shown at once has come in.
    pub(super) news: bool,
    /// When figures are shown that have moved since the last frame: with the next tick of the ages.
    pub(super) figures_due: Option<Timestamp>,
    /// The window has the keyboard, as far as the terminal tells.
    pub(super) has_focus: bool,
    /// Findings that are known; a critical one that comes while nobody looks rings the bell.
    pub(super) findings: BTreeSet<Told>,
    pub(super) ring: bool,
    /// When the picture that was last drawn goes out of date by time alone.
    pub(super) clock: Clock,
}

/// A finding, as far as it is news when there is one: how bad it is, about what, by which check.
pub(super) type Told = (Severity, Subject, &'static str, checks::State);

/// A screen with what is set on it.
#[derive(Debug)]
pub(super) struct Desk {
    pub id: &'static str,
    pub screen: Box<dyn Screen>,
    pub filter: Filter,
    pub ill_only: bool,
    pub fresh: Fresh,
}

/// A key sequence that has begun.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub keys: Vec<KeyPress>,
    pub since: Timestamp,
}

impl State {
    /// The first picture: nothing is known yet. `problems` are what was wrong with the files that were read before,
    /// `hint` says which contexts could be open too.
    pub fn new(
        settings: Settings,
        theme: Theme,
        keymap: Keymap,
        glyphs: GlyphSet,
        problems: Vec<String>,
        hint: Option<String>,
        now: Timestamp,
    ) -> Self {
        let desks = screens::ALL
            .iter()
            .map(|doc| Desk {
                id: doc.id,
                screen: (doc.make)(),
                filter: Filter::default(),
                ill_only: false,
                fresh: Fresh::everything(),
            })
            .collect();
        let mut notices = Notices::default();
        let keys = keymap.keys_for("notices", screens::fleet::SCREEN.id);
        notices.problems(problems, keys.first().map(String::as_str), now);
        Self {
            world: World::default(),
            board: Board::default(),
            standing: Standing::default(),
            limits: limits_of(&settings),
            rules: rules_of(&settings),
            unlocked: BTreeMap::new(),
            runs: Runs::default(),
            theme,
            keymap,
            glyphs,
            desks,
            history: History::default(),
            zoomed: false,
            over: Vec::new(),
            pending: None,
            frozen: None,
            notices,
            asking: None,
            mouse: settings.mouse,
            wish: None,
            hint,
            kubeconfig: None,
            watched: None,
            wanted: BTreeSet::new(),
            needed: 0,
            sent: Needs::default(),
            titled: String::new(),
            dirty: true,
            bar_is_old: false,
            bar: Vec::new(),
            news: false,
            figures_due: None,
            clock: Clock::default(),
            has_focus: true,
            findings: BTreeSet::new(),
            ring: false,
            settings,
        }
    }

    /// Shows the instance, or the node, of that address as soon as it is known; says so when there is none.
    pub fn open_at(&mut self, address: &str) {
        self.wish = Some(address.to_owned());
    }

    /// Nothing is changed, whatever the settings say.
    pub fn keep_read_only(&mut self, by: &str) {
        self.rules.read_only = Some(by.to_owned());
    }

    /// What the settings say about acting.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Runs that may change something yet.
    pub fn runs_in_flight(&self) -> usize {
        self.runs.in_flight().count()
    }

    /// Commands that are copied reach the clusters by this kubeconfig file.
    pub fn reach_by(&mut self, kubeconfig: Option<PathBuf>) {
        self.kubeconfig = kubeconfig;
    }

    /// All facts, for reports and tests. Read-only: facts go in through [`super::update()`].
    pub fn world(&self) -> &World {
        &self.world
    }

    /// All judgements.
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// The id of the screen that is shown.
    pub fn screen(&self) -> &'static str {
        self.history.here().screen
    }

    /// Something shown differs from what was last drawn.
    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// The same, and takes note that it is being drawn.
    pub fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.dirty)
    }

    /// When the screen next changes by time alone: an age reads differently, figures that have moved are shown, a
    /// judgement falls due, a hint appears, a notice goes. `None`: not before something happens. Asked after [`super::view()`] has drawn; a `Msg::Tick` is
    /// wanted at that time, and never before `now`.
    pub fn next_wake(&self, now: Timestamp) -> Option<Timestamp> {
        let hint = self.pending.as_ref().filter(|p| !p.is_hinted(now));
        [
            self.clock.next(),
            self.figures_due,
            hint.map(|p| p.since + HINT_AFTER),
            self.board.next_due(),
            self.standing.next_due(),
            self.notices.next_change(),
            self.asking.as_ref().map(Asking::until),
            self.unlocked.values().min().copied(),
        ]
        .into_iter()
        .flatten()
        .min()
        .map(|at| at.max(now))
    }

    /// Has what moved shown when ages tick next: on the next whole second, as every age is written in whole seconds.
    pub(super) fn show_at_next_tick(&mut self, now: Timestamp) {
        let next = Timestamp::from_second(now.as_second().saturating_add(1)).ok();
        self.figures_due = self.figures_due.or(next);
    }

    /// The screen that is shown.
    pub(super) fn desk(&self) -> Option<&Desk> {
        let here = self.screen();
        self.desks.iter().find(|desk| desk.id == here)
    }

    pub(super) fn desk_mut(&mut self) -> Option<&mut Desk> {
        let here = self.screen();
        self.desks.iter_mut().find(|desk| desk.id == here)
    }

    /// The world that is shown: the living one, or the frozen one.
    pub(super) fn shown_world(&self) -> &World {
        self.frozen.as_ref().map_or(&self.world, |p| &p.world)
    }

    /// The judgements that are shown: the living ones, or the frozen ones.
    pub(super) fn shown_board(&self) -> &Board {
        self.frozen.as_ref().map_or(&self.board, |p| &p.board)
    }

    /// How meanings look.
    pub(super) fn look(&self) -> Look<'_> {
        Look {
            theme: &self.theme,
            glyphs: self.glyphs,
        }
    }

    /// What the screen may look at.
    pub(super) fn see<'a>(&'a self, desk: &'a Desk, now: Timestamp) -> See<'a> {
        let (world, board, standing, now) = match &self.frozen {
            Some(p) => (&p.world, &p.board, &p.standing, p.at),
            None => (&self.world, &self.board, &self.standing, now),
        };
        See {
            world,
            board,
            standing,
            settings: &self.settings,
            limits: &self.limits,
            look: self.look(),
            filter: &desk.filter,
            ill_only: desk.ill_only,
            zoomed: self.zoomed,
            has_keyboard: self.over.is_empty(),
            hint: self.hint.as_deref(),
            now,
            clock: &self.clock,
            runs: &self.runs,
        }
    }

    /// Lets the screen that is shown act, with its glass in its hand.
    pub(super) fn with_screen<T>(
        &mut self,
        now: Timestamp,
        act: impl FnOnce(&mut dyn Screen, &See<'_>) -> T,
    ) -> Option<T> {
        let here = self.screen();
        let at = self.desks.iter().position(|desk| desk.id == here)?;
        // The screen is taken out for as long as it acts, so that it can look at everything else.
        let blank: Box<dyn Screen> = Box::new(screens::Blank);
        let mut screen = std::mem::replace(&mut self.desks.get_mut(at)?.screen, blank);
        let answer = act(screen.as_mut(), &self.see(self.desks.get(at)?, now));
        self.desks.get_mut(at)?.screen = screen;
        Some(answer)
    }
}

impl Pending {
    /// The continuations are on the screen.
    pub fn is_hinted(&self, now: Timestamp) -> bool {
        now >= self.since + HINT_AFTER
    }
}

/// What the settings say about acting. The headless verbs act by the same.
pub fn rules_of(settings: &Settings) -> Rules {
    let closed = settings.fleet.iter().filter(|member| member.read_only);
    Rules {
        closed: closed.map(|member| member.context.clone()).collect(),
        ..Rules::default()
    }
}

/// The reader's bounds, in the words of the checks. The headless verbs judge by the same.
pub fn limits_of(settings: &Settings) -> Limits {
    let seconds = |d: std::time::Duration| i64::try_from(d.as_secs()).unwrap_or(i64::MAX);
    let bounds = &settings.limits;
    Limits {
        silent_after: seconds(bounds.silent_after),
        lag: bounds.lag,
        grace: seconds(bounds.grace),
        preparation: seconds(bounds.preparation),
        lease: seconds(bounds.lease),
        expected: expected_of(settings),
        operators: settings
            .fleet
            .iter()
            .filter_map(|member| {
                let context = ContextId::new(&member.context);
                match member.role.as_str() {
                    EXPECTED => Some((context, true)),
                    NOT_EXPECTED => Some((context, false)),
                    _ => None,
                }
            })
            .collect(),
        ..Limits::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Member;

    #[test]
    fn the_role_of_a_context_says_whether_it_is_to_have_an_operator() {
        let member = |context: &str, role: &str| Member {
            context: context.to_owned(),
            role: role.to_owned(),
            ..Member::default()
        };
        let settings = Settings {
            fleet: vec![
                member("a", "infra"),
                member("b", "apps"),
                member("c", "lab"),
                member("d", ""),
            ],
            ..Settings::default()
        };
        let wanted = [(ContextId::new("a"), true), (ContextId::new("b"), false)];
        assert_eq!(limits_of(&settings).operators, wanted.into());
    }
}
