//! Every action as a headless verb: `darner promote shop/orders --to orders-1`. The verbs, their options and their help are made
//! from the list of actions; the protocol is the console's, and `--yes` replaces only the typed confirmation.

mod report;

use std::collections::BTreeSet;
use std::io::{BufRead, IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::fleet::Fleet;
use super::gather::Gathering;
use super::wait::parse_span;
use super::{USAGE, files};
use crate::actions::{ALL, About, Action, Args, Plan, Risk, Target};
use crate::actions::{reminders, wants};
use crate::app::rules_of;
use crate::domain::{ContextId, World, address, text};
use crate::msg::run::{Ending, Outcome};
use crate::msg::{News, Order, RunId, Word};
use crate::observe::{Focus, inbox};
use crate::perform::{Ground, Ledger, carry_out};
use crate::runtime::Supervisor;

pub use report::VERSION;

/// How long the fleet is given to answer before the protocol begins, which reads again what it relies on.
const SETTLES: Duration = Duration::from_secs(15);

/// How long what a plan does not rely on is waited for.
const REMINDS: Duration = Duration::from_secs(5);

/// Every verb, one a word: those of two words are commands in a command.
pub fn commands() -> Vec<Command> {
    let mut verbs: Vec<&'static str> = ALL.iter().map(|action| action.verb).collect();
    verbs.dedup();
    let mut commands: Vec<Command> = Vec::new();
    for verb in verbs {
        let Some((group, word)) = verb.split_once(' ') else {
            commands.push(command(verb, verb));
            continue;
        };
        match commands.iter().position(|made| made.get_name() == group) {
            Some(at) => {
                let whole = commands.remove(at).subcommand(command(verb, word));
                commands.insert(at, whole);
            }
            None => commands.push(
                Command::new(group)
                    .about(format!("{group}: act on it, by the same protocol"))
                    .subcommand_required(true)
                    .subcommand(command(verb, word)),
            ),
        }
    }
    commands
}

/// The actions that a verb spells.
fn of_verb(verb: &str) -> impl Iterator<Item = &'static Action> {
    ALL.iter()
        .copied()
        .filter(move |action| action.verb == verb)
}

fn command(verb: &'static str, word: &'static str) -> Command {
    let mut about = String::new();
    let mut values = Vec::new();
    for action in of_verb(verb) {
        if !about.is_empty() {
            about.push_str("; or ");
        }
        about.push_str(action.doc);
        values.push(match action.about {
            About::Instance => "INSTANCE",
            About::Operator => "operator",
            About::Workload | About::Flux => "KIND/NAME",
            About::Claim => "PVC",
        });
    }
    values.dedup();
    let mut command = Command::new(word)
        .about(text::capital(&about))
        .after_help("Exit codes: 0 verified, 1 refused or failed, 2 unknown: it may still be going on, 64 wrong usage.\nCtrl-C stops before the next step. What is done is in the ledger, and an Event tells colleagues.")
        .arg(
            Arg::new("target")
                .value_name(values.join("|"))
                .help("What it is about: an instance as [CONTEXT/][NAMESPACE/]NAME or by a pod, operator, or an object as KIND/NAME with -n")
                .required(true),
        );
    let mut known: Vec<&str> = Vec::new();
    for arg in of_verb(verb).flat_map(|action| action.args) {
        if known.contains(&arg.name) {
            continue;
        }
        known.push(arg.name);
        let mut help = text::capital(arg.doc);
        if let Some(default) = arg.default {
            help.push_str(&format!(" [default: {default}]"));
        }
        let made = Arg::new(arg.name).long(arg.name).help(help);
        command = command.arg(match arg.value {
            "" => made.action(ArgAction::SetTrue),
            value => made.value_name(value),
        });
    }
    command
        .arg(
            Arg::new("dry-run")
                .long("dry-run")
                .action(ArgAction::SetTrue)
                .help("Print the plan and its gates, and change nothing"),
        )
        .arg(
            Arg::new("output")
                .short('o')
                .long("output")
                .value_parser(["text", "json", "kubectl"])
                .default_value("text")
                .help("How to print it; kubectl: the commands that the steps equal"),
        )
        .arg(
            Arg::new("yes")
                .long("yes")
                .action(ArgAction::SetTrue)
                .help("Do not ask for the typed confirmation; every gate stands all the same"),
        )
        .arg(
            Arg::new("reason")
                .long("reason")
                .value_name("WORDS")
                .help("Why, for the ledger and for colleagues"),
        )
        .arg(
            Arg::new("accept")
                .long("accept")
                .value_name("GATE")
                .action(ArgAction::Append)
                .help("Accept a gate that asks for it, by its name; repeat it for several"),
        )
        .arg(
            Arg::new("by-step")
                .long("by-step")
                .action(ArgAction::SetTrue)
                .help("Wait for the enter key before each step"),
        )
        .arg(
            Arg::new("timeout")
                .long("timeout")
                .value_name("TIME")
                .default_value("15m")
                .value_parser(parse_span)
                .help("Stop before the next step after this time"),
        )
}

/// What was asked for on the command line.
pub struct Asked {
    verb: String,
    target: String,
    matches: ArgMatches,
}

/// The verb that was asked for, if it is an action's.
pub fn asked(matches: &ArgMatches) -> Option<Asked> {
    let (name, inner) = matches.subcommand()?;
    let (verb, matches) = match inner.subcommand() {
        Some((word, innermost)) => (format!("{name} {word}"), innermost),
        None => (name.to_owned(), inner),
    };
    of_verb(&verb).next()?;
    Some(Asked {
        target: matches.get_one::<String>("target")?.clone(),
        verb,
        matches: matches.clone(),
    })
}

impl Asked {
    fn is_on(&self, name: &str) -> bool {
        self.matches.get_flag(name)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.matches.get_one::<String>(name).map(String::as_str)
    }

    /// Whether it is judged by what checks read beside the objects that are followed.
    fn wants_more(&self) -> bool {
        self.verb == "upgrade" && self.target == "operator"
    }

    fn args(&self, action: &'static Action) -> Args {
        let mut args = Args::default();
        for arg in action.args {
            let value = match arg.value {
                "" => self.is_on(arg.name).then_some("true"),
                _ => self.text(arg.name).or(arg.default),
            };
            if let Some(value) = value {
                args.set(arg.name, value);
            }
        }
        args
    }
}

/// Runs a verb; the result is the exit code.
///
/// # Errors
/// When standard output cannot be written.
pub async fn run(
    asked: Asked,
    fleet: Fleet,
    own: files::Own,
    folders: &files::Folders,
    read_only: bool,
) -> color_eyre::Result<u8> {
    for problem in &fleet.problems {
        eprintln!("darner: {problem}");
    }
    let mut rules = rules_of(&own.settings);
    if read_only {
        rules.read_only = Some("--read-only".to_owned());
    }
    let (outlet, inbox) = inbox();
    let mut supervisor = Supervisor::default();
    let (focus, watching) = tokio::sync::watch::channel(Focus::default());
    let fleet = fleet.once();
    fleet.start(&mut supervisor, &outlet, &watching);
    let mut gathering = Gathering::new(inbox, fleet.limits.clone(), fleet.confines.clone());
    match asked.wants_more() {
        // Roles and policies are read only for who needs them.
        true => gathering.settle_with_needs(SETTLES, &focus).await,
        false => {
            gathering
                .settle_on(SETTLES, Some((&focus, &asked.target)))
                .await
        }
    };
    let (action, target, pod) = match resolve(&asked, &gathering.world, &fleet) {
        Ok(resolved) => resolved,
        Err(why) => {
            eprintln!("darner: {why}");
            supervisor.stop().await;
            return Ok(USAGE);
        }
    };
    let mut args = asked.args(action);
    if let (Some(pod), Some(arg)) = (pod, action.args.iter().find(|arg| arg.name == "pod"))
        && args.get(arg.name).is_none()
    {
        args.set(arg.name, pod);
    }
    if let Some(missing) = action
        .args
        .iter()
        .find(|arg| arg.required && args.get(arg.name).is_none())
    {
        let choices = choices(action, &gathering.world, &fleet, &rules, &target, &args);
        eprintln!(
            "darner: {} wants --{} {}: {}{choices}",
            action.verb, missing.name, missing.value, missing.doc
        );
        supervisor.stop().await;
        return Ok(USAGE);
    }
    let ledger = folders.state.as_deref().map(Ledger::in_folder);
    // What the action shows beside its plan, and what was suspended with us and still is.
    let mut wants = reminders::wants(&gathering.world);
    wants.extend(wants::wants(action, &target, &gathering.world));
    gathering.settle_wanting(REMINDS, &focus, wants).await;
    let suspended = ledger
        .as_ref()
        .and_then(|ledger| ledger.suspended().ok())
        .unwrap_or_default();
    for words in reminders::reminders(&gathering.world, &suspended, Timestamp::now()) {
        eprintln!("darner: still suspended: {}", text::one_line(&words));
    }
    for run in ledger
        .iter()
        .filter_map(|ledger| ledger.unfinished().ok())
        .flatten()
    {
        let same = run.place()
            == Some((
                target.context().as_str(),
                target.namespace(),
                kind_of(&target),
                target.name(),
            ));
        if !same {
            continue;
        }
        eprintln!("darner: unfinished: {}", text::one_line(&run.words()));
        // What it was to do is the same again: then this one finishes it.
        if let Some((verb, before)) = run.asked()
            && verb == action.id
            && before
                .iter()
                .filter(|(name, _)| name != "resume")
                .all(|(name, value)| args.get(name) == Some(value))
        {
            // One that itself finished another goes back to where that began.
            let first = before.iter().find(|(name, _)| name == "resume");
            let first = first.map_or(&run.intended.run, |(_, run)| run);
            args.set("resume", first.clone());
        }
    }
    let doors = fleet
        .plans
        .iter()
        .map(|plan| (plan.id.clone(), plan.door.clone()));
    let ground = Arc::new(Ground {
        doors: doors.collect(),
        limits: fleet.limits.clone(),
        rules,
        ledger,
        os_user: os_user(),
        host: host(),
    });
    let patience = asked
        .matches
        .get_one::<Duration>("timeout")
        .copied()
        .unwrap_or(Duration::from_secs(900));
    let dry = asked.is_on("dry-run");
    if !dry && let Some(door) = ground.doors.get(target.context()) {
        // Whoever names a verb and its target on a command line unlocks that context for it.
        let until = Timestamp::now() + patience + Duration::from_secs(60);
        door.latch().open(until);
    }
    let order = Order {
        run: RunId::of(action.id, &target, Timestamp::now(), std::process::id()),
        action: action.id,
        target: target.clone(),
        args,
        accepted: accepted(&asked),
        dry,
        by_step: asked.is_on("by-step"),
    };
    let watching = Watching {
        asked: &asked,
        action,
        target: &target,
        rules: &ground.rules.clone(),
        deadline: Instant::now() + patience,
    };
    let ended = watching
        .run(&ground, gathering.world.clone(), order)
        .await?;
    supervisor.stop().await;
    Ok(ended)
}

fn accepted(asked: &Asked) -> BTreeSet<String> {
    let gates = asked.matches.get_many::<String>("accept");
    gates.into_iter().flatten().cloned().collect()
}

/// A run, followed on standard error; what came of it on standard output.
struct Watching<'a> {
    asked: &'a Asked,
    action: &'static Action,
    target: &'a Target,
    rules: &'a crate::actions::Rules,
    deadline: Instant,
}

impl Watching<'_> {
    async fn run(
        &self,
        ground: &Arc<Ground>,
        world: World,
        order: Order,
    ) -> color_eyre::Result<u8> {
        let (tell, words) = mpsc::unbounded_channel();
        let (news_out, mut news) = mpsc::unbounded_channel();
        let run = order.run.clone();
        let by_step = order.by_step;
        let carried = carry_out(ground.clone(), world, order, words, move |news| {
            let _ = news_out.send(news);
        });
        tokio::pin!(carried);
        let mut told = report::Told::new(run, self.asked.text("output").unwrap_or("text"));
        let mut keys = by_step.then(lines);
        let mut running = true;
        let mut interrupts = 0;
        loop {
            tokio::select! {
                biased;
                one = news.recv() => match one {
                    Some(News::Planned { plan, gates, difference }) => {
                        told.planned(&plan, &gates, &difference);
                        if self.asked.is_on("dry-run") || gates.iter().any(|g| g.stand == crate::actions::Stand::Block) {
                            continue;
                        }
                        match self.confirm(&plan, !difference.is_empty()) {
                            Ok(typed) => {
                                let reason = self.asked.text("reason").unwrap_or_default().to_owned();
                                let accepted = accepted(self.asked);
                                let _ = tell.send(Word::Approve { plan, typed, reason, accepted });
                            }
                            Err(why) => {
                                eprintln!("darner: {why}");
                                let _ = tell.send(Word::Stop);
                            }
                        }
                    }
                    Some(News::Ended(ending)) => return self.end(told, ending),
                    Some(news) => told.news(&news),
                    None => return Ok(Outcome::Unknown.code()),
                },
                () = &mut carried, if running => running = false,
                () = sleep_until(self.deadline) => {
                    eprintln!("darner: --timeout has passed: it stops before the next step");
                    let _ = tell.send(Word::Stop);
                    // Said once: what is being done ends by its own deadline.
                    return self.drain(told, &mut news, carried.as_mut(), running).await;
                }
                _ = tokio::signal::ctrl_c() => {
                    interrupts += 1;
                    if interrupts == 1 {
                        eprintln!("darner: it stops before the next step; what is being done is ended first");
                        let _ = tell.send(Word::Stop);
                    }
                }
                Some(()) = next(&mut keys) => {
                    let _ = tell.send(Word::Next);
                }
            }
        }
    }

    async fn drain(
        &self,
        mut told: report::Told,
        news: &mut mpsc::UnboundedReceiver<News>,
        carried: std::pin::Pin<&mut impl Future<Output = ()>>,
        running: bool,
    ) -> color_eyre::Result<u8> {
        if running {
            carried.await;
        }
        while let Some(one) = news.recv().await {
            match one {
                News::Ended(ending) => return self.end(told, ending),
                other => told.news(&other),
            }
        }
        Ok(Outcome::Unknown.code())
    }

    fn end(&self, told: report::Told, ending: Ending) -> color_eyre::Result<u8> {
        let code = ending.outcome.code();
        let out = told.ended(&ending)?;
        std::io::stdout().lock().write_all(out.as_bytes())?;
        Ok(code)
    }

    /// What is typed to confirm it, by its risk; a phrase of a guardrail beside.
    fn confirm(&self, plan: &Plan, again: bool) -> Result<String, String> {
        if again && self.asked.is_on("yes") {
            return Err("the plan is another one by now; look at it and ask again".to_owned());
        }
        if plan.risk == Risk::LosesData && self.asked.text("reason").is_none() {
            return Err(format!(
                "{} may lose data and wants a reason: --reason WORDS",
                self.action.verb
            ));
        }
        if self.asked.is_on("yes") {
            return Ok("--yes".to_owned());
        }
        if !std::io::stdin().is_terminal() {
            return Err("nobody can confirm it here; --yes does".to_owned());
        }
        let phrase = self
            .rules
            .guardrail(self.action, self.target)
            .map(|rail| rail.phrase.as_str());
        let wanted = [plan.risk.confirmation(self.target)].into_iter().chain(
            phrase
                .filter(|phrase| !phrase.is_empty())
                .map(str::to_owned),
        );
        let mut typed = Vec::new();
        for wanted in wanted.filter(|wanted| !wanted.is_empty()) {
            eprint!("To {}, type {wanted}: ", plan.sentence);
            let _ = std::io::stderr().flush();
            let mut line = String::new();
            let _ = std::io::stdin().lock().read_line(&mut line);
            if line.trim() != wanted {
                return Err("that is something else: nothing was done".to_owned());
            }
            typed.push(wanted);
        }
        Ok(typed.join(" "))
    }
}

/// Lines of standard input, each a press of the enter key.
fn lines() -> mpsc::UnboundedReceiver<()> {
    let (tell, lines) = mpsc::unbounded_channel();
    // Reading a terminal cannot be called off: a thread of its own may wait for ever.
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            if line.is_err() || tell.send(()).is_err() {
                return;
            }
        }
    });
    lines
}

async fn next(lines: &mut Option<mpsc::UnboundedReceiver<()>>) -> Option<()> {
    match lines {
        Some(lines) => match lines.recv().await {
            Some(()) => Some(()),
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

fn kind_of(target: &Target) -> &str {
    match target {
        Target::Instance(_) => "Dragonfly",
        Target::Object(object) => object.resource.kind,
    }
}

/// The action and the target that were meant; and the pod, where the instance was named by one.
fn resolve(
    asked: &Asked,
    world: &World,
    fleet: &Fleet,
) -> Result<(&'static Action, Target, Option<String>), String> {
    let of = |about: About| of_verb(&asked.verb).find(|action| action.about == about);
    if asked.target == "operator"
        && let Some(action) = of(About::Operator)
    {
        return Ok((action, Target::Object(operator(world)?), None));
    }
    if let Some(action) = of(About::Workload)
        .or_else(|| of(About::Flux))
        .or_else(|| of(About::Claim))
        && let Some(object) = report::object_of(&asked.target, action.about, world, fleet)?
    {
        return Ok((action, Target::Object(object), None));
    }
    let Some(action) = of(About::Instance) else {
        return Err(format!("{} takes no {}", asked.verb, asked.target));
    };
    let found =
        address::find(world, &asked.target).map_err(|unfound| {
            match super::status::unread(world) {
                Some(unread) => format!(
                    "whether there is an instance {} cannot be told: {unread} could not be read",
                    asked.target
                ),
                None => unfound.to_string(),
            }
        })?;
    match found.as_slice() {
        [one] => {
            let pod = one.pod.as_ref().map(ToString::to_string);
            Ok((action, Target::Instance(one.instance.clone()), pod))
        }
        several => Err(format!(
            "{} means {} instances; write it as [CONTEXT/]NAMESPACE/NAME",
            asked.target,
            several.len()
        )),
    }
}

/// The operator's Deployment, if all open contexts have one between them.
fn operator(world: &World) -> Result<crate::actions::ObjectId, String> {
    let all: Vec<(ContextId, _)> = world
        .shown_contexts()
        .flat_map(|context| {
            context
                .operators
                .iter()
                .map(|held| (context.id.clone(), held))
        })
        .collect();
    match all.as_slice() {
        [(context, held)] => Ok(crate::actions::ObjectId::new(
            context,
            crate::actions::Resource::DEPLOYMENT,
            &held.value.meta.namespace,
            &held.value.meta.name,
        )),
        [] => Err("no operator is known; name its context with --context".to_owned()),
        _ => Err("there are several operators; name a context with --context".to_owned()),
    }
}

/// What could be chosen, a line each.
fn choices(
    action: &'static Action,
    world: &World,
    fleet: &Fleet,
    rules: &crate::actions::Rules,
    target: &Target,
    args: &Args,
) -> String {
    let objects = crate::actions::Objects::new();
    let accepted = BTreeSet::new();
    let reading = crate::actions::Reading {
        world,
        objects: &objects,
        now: Timestamp::now(),
    };
    let scene = crate::actions::Scene::new(reading, &fleet.limits, rules, target, args, &accepted);
    (action.candidates)(&scene)
        .iter()
        .map(|one| {
            let (sign, why) = match &one.judged {
                Ok(why) => ("can be", why),
                Err(why) => ("cannot be", why),
            };
            format!("\n  {}  {sign}: {why}  ({})", one.pod, one.figures)
        })
        .collect()
}

/// The user of this machine, as the ledger names them.
pub fn os_user() -> String {
    let of = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    of("USER")
        .or_else(|| of("LOGNAME"))
        .or_else(|| of("USERNAME"))
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

/// This machine, as the ledger names it.
pub fn host() -> String {
    let name = rustix::system::uname();
    text::one_line(&name.nodename().to_string_lossy())
}
