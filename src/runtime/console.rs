//! The loop of the console: one `select!`, one owner of all state.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{Event, KeyEventKind, MouseButton, MouseEventKind};
use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::keys::Keys;
use super::supervisor::Supervisor;
use super::terminal::Screen;
use crate::app::{self, State};
use crate::connect::keyring::Keyring;
use crate::domain::Fact;
use crate::msg::{Effect, KeyPress, Mouse, Msg, News, Order, Outcome, RunId, Signal, Word};
use crate::observe::{Focus, Inbox};
use crate::perform::{Ground, carry_out};

/// Facts cause at most one frame in this time.
const FACT_FRAME: Duration = Duration::from_millis(33);
/// Keys and resizes are drawn at once, but not more often than this.
const KEY_FRAME: Duration = Duration::from_millis(4);
/// Facts taken in one go. Between two goes a key is looked for.
const BATCH: usize = 512;

/// How long a step that is being done is waited for when the console is left.
const LAST_STEP: Duration = Duration::from_secs(25);

/// Keys that a comparison samples.
const COMPARED: usize = 200;

/// How the console ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The person left.
    Quit,
    /// The system said so; the exit code is the shell's custom, 128 and the signal's number.
    Signalled(i32),
}

/// Runs the console until it is left. Contexts are started only after the first frame is on the screen.
///
/// # Errors
/// When the terminal cannot be taken, or is lost while drawing.
pub async fn run(
    mut state: State,
    mut screen: Screen,
    mut inbox: Inbox,
    focus: watch::Sender<Focus>,
    keyring: Arc<Keyring>,
    ground: Arc<Ground>,
    start: impl FnOnce(&mut Supervisor),
) -> io::Result<Ended> {
    let mut signals = Signals::new()?;
    let mut supervisor = Supervisor::default();
    let (news_out, mut news) = mpsc::unbounded_channel();
    let mut desk = Desk {
        frames: Frames::default(),
        focus,
        keyring,
        ended: None,
        ground,
        news_out,
        runs: BTreeMap::new(),
        begin: Vec::new(),
    };
    desk.remember(&mut state, &mut screen)?;

    let size = crossterm::terminal::size()?;
    desk.take(&mut state, &mut screen, Msg::Resize(size.0, size.1))?;
    desk.draw(&mut state, &mut screen)?;
    start(&mut supervisor);

    let mut keys = Keys::read();
    let mut facts: Vec<Fact> = Vec::new();
    let mut facts_come = true;
    while desk.ended.is_none() {
        let wake = state.next_wake(Timestamp::now());
        tokio::select! {
            biased;
            signal = signals.next() => match signal {
                Caught::End(number, signal) => {
                    desk.take(&mut state, &mut screen, Msg::Signal(signal))?;
                    desk.ended = Some(Ended::Signalled(128 + number));
                }
                Caught::Stop => {
                    screen.suspend()?;
                    desk.take(&mut state, &mut screen, Msg::Outcome(Outcome::Resumed))?;
                }
                Caught::Continue => {
                    screen.resume()?;
                    desk.take(&mut state, &mut screen, Msg::Outcome(Outcome::Resumed))?;
                }
            },
            event = keys.next() => {
                // Everything that is typed already is answered by one frame.
                let mut next = event;
                // The terminal is gone, as after SIGHUP.
                if next.is_none() {
                    desk.ended = Some(Ended::Quit);
                }
                while let Some(event) = next {
                    match event {
                        Ok(event) => {
                            if let Some(msg) = message_of(event) {
                                desk.take(&mut state, &mut screen, msg)?;
                            }
                        }
                        Err(_) => desk.ended = Some(Ended::Quit),
                    }
                    next = if desk.ended.is_some() { None } else { keys.waiting() };
                }
            },
            Some((run, told)) = news.recv() => {
                let ended = matches!(told, News::Ended(_));
                desk.take(&mut state, &mut screen, Msg::Run(run.clone(), Box::new(told)))?;
                if ended {
                    desk.runs.remove(&run);
                    desk.remember(&mut state, &mut screen)?;
                }
            }
            () = desk.frames.due() => {
                // What has come while the frame was waited for is on it.
                inbox.take_waiting(&mut facts, BATCH);
                desk.take_facts(&mut state, &mut screen, &mut facts)?;
                desk.draw(&mut state, &mut screen)?;
            }
            ended = supervisor.next_end() => {
                if let Some(panic) = ended.panic {
                    let told = format!("{} stopped by a defect of darner ({panic}); its rows are no longer live", ended.task);
                    desk.take(&mut state, &mut screen, Msg::Problem(told))?;
                }
            },
            // Before a frame that is due anyway nothing is gained by taking less than a whole batch.
            () = inbox.arrived(), if facts_come && (!desk.frames.is_wanted() || inbox.len() >= BATCH) => {
                // None means that every context has ended, which an unusable kubeconfig entry does at once.
                facts_come = inbox.take_waiting(&mut facts, BATCH) > 0;
                desk.take_facts(&mut state, &mut screen, &mut facts)?;
            }
            () = at(wake) => desk.take(&mut state, &mut screen, Msg::Tick)?,
        }
        desk.start_runs(&state, &mut supervisor);
    }
    desk.end_runs(&mut news).await;
    keys.stop().await;
    supervisor.stop().await;
    Ok(desk.ended.unwrap_or(Ended::Quit))
}

/// What the loop keeps besides the state.
struct Desk {
    frames: Frames,
    focus: watch::Sender<Focus>,
    keyring: Arc<Keyring>,
    ended: Option<Ended>,
    ground: Arc<Ground>,
    news_out: mpsc::UnboundedSender<(RunId, News)>,
    /// The ear of each run that has not ended.
    runs: BTreeMap<RunId, mpsc::UnboundedSender<Word>>,
    /// Runs that are asked for, and begin when the message that asked is dealt with.
    begin: Vec<Order>,
}

impl Desk {
    /// Hands a message to the application and carries its effects out.
    fn take(&mut self, state: &mut State, screen: &mut Screen, msg: Msg) -> io::Result<()> {
        let word = msg.word();
        let urgent = msg.is_urgent();
        let begun = Instant::now();
        let effects = app::update(state, msg, Timestamp::now());
        tracing::trace!(target: "darner::msg", word, micros = begun.elapsed().as_micros() as u64, effects = effects.len());
        for effect in effects {
            self.carry_out(state, screen, effect)?;
        }
        if state.is_dirty() {
            match urgent {
                true => self.frames.hurry(),
                false => self.frames.want(),
            }
        }
        Ok(())
    }

    fn take_facts(
        &mut self,
        state: &mut State,
        screen: &mut Screen,
        facts: &mut Vec<Fact>,
    ) -> io::Result<()> {
        if facts.is_empty() {
            return Ok(());
        }
        self.take(state, screen, Msg::Facts(std::mem::take(facts)))
    }

    fn carry_out(
        &mut self,
        state: &mut State,
        screen: &mut Screen,
        effect: Effect,
    ) -> io::Result<()> {
        match effect {
            Effect::Watch(instance) => {
                self.focus.send_modify(|focus| focus.instance = instance);
            }
            Effect::Want(needs) => {
                self.focus
                    .send_modify(|focus| focus.needs = Arc::new(needs));
            }
            Effect::Password { instance, password } => {
                self.keyring.enter(instance, password.into_inner());
                self.focus.send_modify(|focus| focus.nudges += 1);
            }
            Effect::Compare(instance) => {
                self.focus
                    .send_modify(|focus| focus.compare(instance, COMPARED));
            }
            Effect::Copy { what, text } => {
                let outcome = match screen.copy(&text) {
                    Ok(()) => Outcome::Copied { what },
                    Err(error) => Outcome::Failed {
                        what,
                        why: error.to_string(),
                    },
                };
                self.take(state, screen, Msg::Outcome(outcome))?;
            }
            Effect::SetTitle(title) => screen.title(&title)?,
            Effect::Mouse(on) => screen.mouse(on)?,
            Effect::Retry => self.focus.send_modify(|focus| focus.nudges += 1),
            Effect::Bell => screen.ring()?,
            Effect::Redraw => {
                screen.forget();
                self.frames.hurry();
            }
            Effect::Suspend => {
                screen.suspend()?;
                self.take(state, screen, Msg::Outcome(Outcome::Resumed))?;
            }
            Effect::Quit => self.ended = Some(Ended::Quit),
            Effect::Unlock(context, until) => {
                if let Some(door) = self.ground.doors.get(&context) {
                    door.latch().open(until);
                }
            }
            Effect::Lock(context) => {
                if let Some(door) = self.ground.doors.get(&context) {
                    door.latch().shut();
                }
            }
            Effect::Begin(order) => self.begin.push(*order),
            Effect::Say(run, word) => {
                if let Some(tell) = self.runs.get(&run) {
                    // One that has just ended needs no word.
                    let _ = tell.send(*word);
                }
            }
        }
        Ok(())
    }

    /// Begins the runs that were asked for, each a task of its own.
    fn start_runs(&mut self, state: &State, supervisor: &mut Supervisor) {
        for order in self.begin.drain(..) {
            let (tell, words) = mpsc::unbounded_channel();
            let (run, out) = (order.run.clone(), self.news_out.clone());
            self.runs.insert(run.clone(), tell);
            let name = format!("run {run}");
            let carried = carry_out(
                self.ground.clone(),
                state.world().clone(),
                order,
                words,
                move |news| {
                    // The loop has ended only when nobody is left to be told.
                    let _ = out.send((run.clone(), news));
                },
            );
            supervisor.spawn(name, carried);
        }
    }

    /// Runs that are in flight stop before their next step; what is being done is ended first.
    async fn end_runs(&mut self, news: &mut mpsc::UnboundedReceiver<(RunId, News)>) {
        for tell in self.runs.values() {
            let _ = tell.send(Word::Stop);
        }
        let ends = async {
            while !self.runs.is_empty() {
                match news.recv().await {
                    Some((run, News::Ended(_))) => {
                        self.runs.remove(&run);
                    }
                    Some(_) => {}
                    None => return,
                }
            }
        };
        let _ = tokio::time::timeout(LAST_STEP, ends).await;
    }

    /// Reads what the ledger remembers.
    fn remember(&mut self, state: &mut State, screen: &mut Screen) -> io::Result<()> {
        let Some(ledger) = &self.ground.ledger else {
            return Ok(());
        };
        match ledger.past() {
            Ok(past) if past.is_empty() => Ok(()),
            Ok(past) => self.take(state, screen, Msg::Remembered(past)),
            Err(error) => {
                let told = format!(
                    "the ledger {} cannot be read: {error}",
                    ledger.path().display()
                );
                self.take(state, screen, Msg::Problem(told))
            }
        }
    }

    fn draw(&mut self, state: &mut State, screen: &mut Screen) -> io::Result<()> {
        let begun = Instant::now();
        state.take_dirty();
        let differs = screen.draw(|area, buf| app::view(state, Timestamp::now(), area, buf))?;
        self.frames.drawn();
        tracing::trace!(target: "darner::frame", micros = begun.elapsed().as_micros() as u64, differs, "frame");
        Ok(())
    }
}

/// When the next frame is drawn: never without a wish, and not too soon after the last of its sort. A frame of facts holds
/// no key up.
#[derive(Default)]
struct Frames {
    /// The last frame, whatever it was drawn for.
    last: Option<Instant>,
    /// The last one that was drawn for a key, a size or an outcome.
    urgent: Option<Instant>,
    due: Option<Instant>,
    /// Something urgent is on the next one.
    hurries: bool,
}

impl Frames {
    /// Wants a frame for facts.
    fn want(&mut self) {
        self.at(self.last, FACT_FRAME);
    }

    /// Wants a frame for what a person has done.
    fn hurry(&mut self) {
        self.hurries = true;
        self.at(self.urgent, KEY_FRAME);
    }

    fn at(&mut self, last: Option<Instant>, apart: Duration) {
        let soonest = last.map_or_else(Instant::now, |last| last + apart);
        self.due = Some(self.due.map_or(soonest, |due| due.min(soonest)));
    }

    fn drawn(&mut self) {
        let now = Some(Instant::now());
        self.last = now;
        if std::mem::take(&mut self.hurries) {
            self.urgent = now;
        }
        self.due = None;
    }

    fn is_wanted(&self) -> bool {
        self.due.is_some()
    }

    async fn due(&self) {
        match self.due {
            Some(due) => sleep_until(due).await,
            None => std::future::pending().await,
        }
    }
}

/// Pends until that moment of the wall clock; forever without one.
async fn at(moment: Option<Timestamp>) {
    match moment {
        Some(moment) => {
            let wait = Timestamp::now().duration_until(moment);
            tokio::time::sleep(Duration::try_from(wait).unwrap_or(Duration::ZERO)).await;
        }
        None => std::future::pending().await,
    }
}

/// What a signal asks for.
enum Caught {
    /// End, with the signal's number.
    End(i32, Signal),
    /// Stop, as `kill -TSTP` asks.
    Stop,
    /// We were stopped without being asked (SIGSTOP) and go on.
    Continue,
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
    quit: tokio::signal::unix::Signal,
    stop: tokio::signal::unix::Signal,
    go_on: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
            stop: signal(SignalKind::from_raw(signal_hook::consts::SIGTSTP))?,
            go_on: signal(SignalKind::from_raw(signal_hook::consts::SIGCONT))?,
        })
    }

    async fn next(&mut self) -> Caught {
        tokio::select! {
            _ = self.terminate.recv() => Caught::End(signal_hook::consts::SIGTERM, Signal::Terminate),
            _ = self.interrupt.recv() => Caught::End(signal_hook::consts::SIGINT, Signal::Terminate),
            _ = self.quit.recv() => Caught::End(signal_hook::consts::SIGQUIT, Signal::Terminate),
            _ = self.hangup.recv() => Caught::End(signal_hook::consts::SIGHUP, Signal::Hangup),
            _ = self.stop.recv() => Caught::Stop,
            _ = self.go_on.recv() => Caught::Continue,
        }
    }
}

fn message_of(event: Event) -> Option<Msg> {
    Some(match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => Msg::Key(KeyPress::from(key)),
        Event::Key(_) => return None,
        Event::Paste(text) => Msg::Paste(text),
        Event::Resize(columns, rows) => Msg::Resize(columns, rows),
        Event::FocusGained => Msg::FocusGained,
        Event::FocusLost => Msg::FocusLost,
        Event::Mouse(mouse) => Msg::Mouse(match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) => Mouse::Click {
                column: mouse.column,
                row: mouse.row,
            },
            MouseEventKind::ScrollDown => Mouse::WheelDown,
            MouseEventKind::ScrollUp => Mouse::WheelUp,
            _ => return None,
        }),
    })
}
