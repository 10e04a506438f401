//! Which contexts are opened: those named by `--context`, else the settings' `fleet`, else the current one.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use futures::FutureExt;
use tokio::sync::watch;

use super::args::Reach;
use super::gather::Confines;
use crate::app::limits_of;
use crate::checks::Limits;
use crate::connect::keyring::Keyring;
use crate::connect::kubeconfig::{self, Entry, Kubeconfigs, Surroundings};
use crate::domain::{ContextId, Fact, Fault, FaultKind, Link};
use crate::observe::{ContextPlan, Focus, Outlet, Pace, follow};
use crate::runtime::Supervisor;
use crate::runtime::supervisor::message_of;
use crate::settings::Settings;

/// The contexts to open, and what is to be said about the choice.
#[derive(Debug)]
pub struct Fleet {
    /// One plan a context, in the order of display.
    pub plans: Vec<ContextPlan>,
    /// Namespaces that stand in for the whole cluster where that may not be read, by context: those asked for, else the
    /// one that the kubeconfig names.
    pub confines: Confines,
    /// Namespaces that were named on the command line.
    pub asked: Vec<String>,
    /// The kubeconfig file that was named on the command line: commands that are told name it, too.
    pub kubeconfig: Option<PathBuf>,
    /// Bounds from the settings.
    pub limits: Limits,
    /// Passwords of data ports, shared by all contexts.
    pub keyring: Arc<Keyring>,
    /// What was wrong with kubeconfig files or settings; the rest opens all the same.
    pub problems: Vec<String>,
    /// Which other contexts could be open.
    pub hint: Option<String>,
    /// Nothing is to be changed, by the command line.
    pub read_only: bool,
}

/// Why nothing can be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nothing {
    /// There is no kubeconfig at all; these places were searched.
    NoKubeconfig(Vec<String>),
    /// The request cannot be met as it was made; a sentence.
    Wrong(String),
}

/// Decides what to open. Whatever goes wrong, what was wrong with the files is told first: it may be the reason.
///
/// # Errors
/// [`Nothing`], when there is nothing to open.
pub fn choose(reach: &Reach, settings: &Settings, problems: Vec<String>) -> Result<Fleet, Nothing> {
    let (found, broken) =
        kubeconfig::load(reach.kubeconfig.as_deref(), &Surroundings::of_process());
    let broken: Vec<String> = broken.iter().map(ToString::to_string).collect();
    let told = problems.into_iter().chain(broken.iter().cloned()).collect();
    choose_from(&found, reach, settings, told).map_err(|nothing| match nothing {
        Nothing::Wrong(sentence)
            if !broken.is_empty() && !broken.iter().any(|b| sentence.contains(b)) =>
        {
            Nothing::Wrong(format!("{}\n{sentence}", broken.join("\n")))
        }
        nothing => nothing,
    })
}

fn choose_from(
    found: &Kubeconfigs,
    reach: &Reach,
    settings: &Settings,
    mut problems: Vec<String>,
) -> Result<Fleet, Nothing> {
    if found.is_empty() {
        return Err(nothing(reach, found, &problems));
    }
    let (entries, hint) = if !reach.contexts.is_empty() {
        let mut entries: Vec<Entry> = Vec::new();
        for name in &reach.contexts {
            let entry = found
                .context(name)
                .map_err(|unknown| Nothing::Wrong(unknown.to_string()))?;
            if !entries.iter().any(|e| e.id == entry.id) {
                entries.push(entry.clone());
            }
        }
        (entries, None)
    } else if !settings.fleet.is_empty() {
        let mut entries = Vec::new();
        for member in &settings.fleet {
            match found.context(&member.context) {
                Ok(entry) => entries.push(entry.clone()),
                Err(unknown) => problems.push(format!("settings: fleet: {unknown}")),
            }
        }
        if entries.is_empty() {
            return Err(Nothing::Wrong(format!(
                "none of the contexts in the settings' fleet is in the kubeconfig, which has {}",
                names(found)
            )));
        }
        (entries, None)
    } else {
        current(found)?
    };
    let confines = entries
        .iter()
        .map(|entry| {
            let asked = confined(entry, reach, settings);
            let own = entry.namespace.iter().cloned().collect();
            (entry.id.clone(), if asked.is_empty() { own } else { asked })
        })
        .collect();
    let keyring = Arc::new(keyring(settings));
    problems.extend(unopened(settings, &entries, found));
    let plans = entries
        .into_iter()
        .map(|entry| {
            let mut plan = plan(entry, reach, settings);
            plan.keyring.clone_from(&keyring);
            plan
        })
        .collect();
    Ok(Fleet {
        plans,
        confines,
        asked: reach.namespaces.clone(),
        kubeconfig: reach.named(),
        limits: limits_of(settings),
        keyring,
        problems,
        hint,
        read_only: reach.read_only,
    })
}

impl Fleet {
    /// For a command that looks once: what is otherwise left to later rounds is asked in the first.
    pub fn once(mut self) -> Self {
        for plan in &mut self.plans {
            plan.pace.settings_first = true;
            plan.pace.follows = false;
        }
        self
    }

    /// Starts the one task of each context.
    pub fn start(
        &self,
        supervisor: &mut Supervisor,
        outlet: &Outlet,
        focus: &watch::Receiver<Focus>,
    ) {
        // All are opened first, so that the order of display is the order asked for.
        for plan in &self.plans {
            outlet.send(plan.opened());
        }
        for plan in &self.plans {
            let name = format!("context {}", plan.id);
            let followed = follow(plan.clone(), outlet.clone(), focus.clone());
            let told = tell_defect(plan.id.clone(), outlet.clone(), followed);
            supervisor.spawn(name, told);
        }
    }
}

/// Sees to it that a context whose task panics does not stay live in the world for ever. The panic goes on from here, to
/// be logged and told by whoever owns the task.
async fn tell_defect(context: ContextId, outlet: Outlet, followed: impl Future<Output = ()>) {
    let Err(panic) = AssertUnwindSafe(followed).catch_unwind().await else {
        return;
    };
    let fault = Fault::new(FaultKind::Unusable, "stopped by a defect of darner")
        .with_detail(message_of(&*panic))
        .with_hint("start darner again to follow this context; the log has the details");
    outlet.send(Fact::Linked {
        context,
        link: Link::Unusable { fault },
    });
    resume_unwind(panic);
}

fn current(found: &Kubeconfigs) -> Result<(Vec<Entry>, Option<String>), Nothing> {
    let Some(name) = found.current() else {
        return Err(Nothing::Wrong(format!(
            "the kubeconfig names no current context; name one with --context: {}",
            names(found)
        )));
    };
    let entry = found
        .context(name)
        .map_err(|unknown| Nothing::Wrong(format!("current-context: {unknown}")))?;
    let others = found.names().count().saturating_sub(1);
    let hint = (others > 0).then(|| {
        format!(
            "only the current context is open; {others} more {} in the kubeconfig: name them with --context, or in settings under fleet",
            if others == 1 { "is" } else { "are" }
        )
    });
    Ok((vec![entry.clone()], hint))
}

/// Consumers whose contexts are not opened, each with its line: nothing of them can be judged.
fn unopened(settings: &Settings, entries: &[Entry], found: &Kubeconfigs) -> Vec<String> {
    let is_open = |name: &str| entries.iter().any(|entry| entry.id.as_str() == name);
    let closed = settings
        .consumers
        .iter()
        .filter(|one| !is_open(&one.context));
    closed
        .map(|one| {
            let why = match found.context(&one.context) {
                Ok(_) => "which is not open; name it with --context, or under `fleet`".to_owned(),
                Err(unknown) => format!("which cannot be opened: {unknown}"),
            };
            format!(
                "settings, line {}: `[[consumer]]` {}/{} is not judged: it is in the context {}, {why}",
                one.line, one.namespace, one.name, one.context
            )
        })
        .collect()
}

fn names(found: &Kubeconfigs) -> String {
    found.names().collect::<Vec<_>>().join(", ")
}

fn nothing(reach: &Reach, found: &Kubeconfigs, problems: &[String]) -> Nothing {
    let searched: Vec<String> = found
        .searched()
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    if problems.is_empty() && reach.kubeconfig.is_none() {
        Nothing::NoKubeconfig(searched)
    } else if problems.is_empty() {
        Nothing::Wrong(format!("{} names no context", searched.join(", ")))
    } else {
        Nothing::Wrong(problems.join("\n"))
    }
}

/// Namespaces that a context is confined to: those on the command line, else those in the settings.
fn confined(entry: &Entry, reach: &Reach, settings: &Settings) -> Vec<Arc<str>> {
    let member = settings
        .fleet
        .iter()
        .find(|member| member.context == entry.id.as_str());
    let names = match member {
        Some(member) if reach.namespaces.is_empty() => &member.namespaces,
        _ => &reach.namespaces,
    };
    names.iter().map(|ns| Arc::from(ns.as_str())).collect()
}

fn keyring(settings: &Settings) -> Keyring {
    let commands = settings.passwords.iter();
    Keyring::new(
        commands
            .map(|p| (p.instance.clone(), p.command.clone()))
            .collect(),
    )
}

/// Between two tries at the data ports of the instance in view.
const DATA_PORT: std::time::Duration = std::time::Duration::from_secs(10);

fn plan(entry: Entry, reach: &Reach, settings: &Settings) -> ContextPlan {
    let namespaces = confined(&entry, reach, settings);
    let mut plan = ContextPlan::new(entry);
    plan.namespaces = namespaces;
    plan.authority =
        (!settings.ca_file.is_empty()).then(|| Arc::from(std::path::Path::new(&settings.ca_file)));
    plan.pace = Pace {
        heartbeat: settings.api.heartbeat,
        request_deadline: settings.api.deadline,
        watch: settings.api.watch,
        probe_focused: settings.probe.in_view,
        probe_background: settings.probe.others,
        probe_deadline: settings.probe.deadline,
        probes_in_flight: usize::try_from(settings.probe.at_once).unwrap_or(usize::MAX),
        data_port: settings.probe.data_port.then_some(DATA_PORT),
        exec: settings.probe.exec,
        exec_background: settings.probe.exec_others,
        ..Pace::default()
    };
    plan
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;
    use crate::observe::inbox;

    #[tokio::test]
    async fn a_context_whose_task_panics_is_no_longer_live() {
        let (outlet, mut inbox) = inbox();
        let context = ContextId::new("infra");
        let linked = |link| Fact::Linked {
            context: ContextId::new("infra"),
            link,
        };
        let live = linked(Link::Live {
            rtt: std::time::Duration::from_millis(1),
        });
        let (sender, first) = (outlet.clone(), live.clone());
        let (go_on, gate) = tokio::sync::oneshot::channel::<()>();
        let followed = async move {
            sender.send(first);
            let _ = gate.await;
            panic!("thrown");
        };
        let mut supervisor = Supervisor::default();
        supervisor.spawn("context infra", tell_defect(context, outlet, followed));
        let mut facts = Vec::new();
        inbox.recv_many(&mut facts, 1).await;
        assert_eq!(facts, [live]);
        assert!(go_on.send(()).is_ok());
        inbox.recv_many(&mut facts, 1).await;
        let fault = Fault::new(FaultKind::Unusable, "stopped by a defect of darner")
            .with_detail("thrown")
            .with_hint("start darner again to follow this context; the log has the details");
        assert_eq!(facts.last(), Some(&linked(Link::Unusable { fault })));
        // The owner of the task hears of it as before.
        let ended = supervisor.next_end().await;
        assert_eq!(ended.panic.as_deref(), Some("thrown"));
        supervisor.stop().await;
    }
}
