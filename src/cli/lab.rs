//! `darner lab`: the simulated clusters, with the console over them or without a screen.
//!
//! The console reaches the lab only through the kubeconfig that the lab writes, as it reaches any cluster.

mod doors;
mod kubeconfig;
pub mod node;

use std::io::{self, Write};
use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};

use doors::Labs;

use super::USAGE;
use super::args::{LabArgs, LabVerb, Looks, Reach};
use super::files::{self, Folders};
use super::fleet::{self, Nothing};
use crate::lab::{Lab, LabError, LabOptions, SCENARIOS, Use, send_fault};

/// How a lab begins.
#[derive(Debug, Clone)]
pub struct Beginning {
    /// Name of a scenario.
    pub scenario: String,
    /// The same number gives the same story.
    pub seed: u64,
    /// Where its kubeconfig goes; a temporary file without.
    pub kubeconfig: Option<PathBuf>,
}

impl Default for Beginning {
    fn default() -> Self {
        Self {
            scenario: "healthy".to_owned(),
            seed: 1,
            kubeconfig: None,
        }
    }
}

/// Runs the command; the result is the exit code.
///
/// # Errors
/// When a file cannot be written or the terminal is lost.
pub async fn run(args: &LabArgs, reach: &Reach, looks: &Looks) -> color_eyre::Result<u8> {
    match &args.command {
        Some(LabVerb::List) => {
            match list(&mut io::stdout().lock()) {
                // Whoever reads has read enough (`| head`).
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.into()),
                _ => {}
            }
            return Ok(0);
        }
        Some(LabVerb::Fault { name, lab, control }) => {
            return match control {
                Some(file) => Ok(told(send_fault(file, name).await)),
                None => fault(name, *lab).await,
            };
        }
        Some(LabVerb::Node(args)) => return node::run(args, reach).await,
        Some(LabVerb::Status) => return status(&mut io::stdout().lock()).await,
        None => {}
    }
    let beginning = Beginning {
        scenario: args.scenario.clone(),
        seed: args.seed,
        kubeconfig: args.write_kubeconfig.clone(),
    };
    if let Some(path) = &beginning.kubeconfig {
        let mut refusal = kubeconfig::may_write(path).err();
        if let Ok(folder) = doors::folder() {
            let user = Labs::find(&folder).await.user_of(path);
            refusal = refusal.or_else(|| {
                let pid = user?;
                let file = path.display();
                Some(format!("{file} is the kubeconfig of the lab that runs as process {pid}; name another file, or end that lab"))
            });
        }
        if let Some(sentence) = refusal {
            eprintln!("darner: {sentence}");
            return Ok(USAGE);
        }
    }
    if args.serve {
        serve(&beginning).await
    } else {
        console(&beginning, reach, looks).await
    }
}

/// Opens the console over a lab of its own.
///
/// # Errors
/// When a file cannot be written or the terminal is lost.
pub async fn console(
    beginning: &Beginning,
    reach: &Reach,
    looks: &Looks,
) -> color_eyre::Result<u8> {
    if !super::console::is_terminal() {
        eprintln!(
            "darner: the console needs a terminal; to run the lab without one: darner lab --serve"
        );
        return Ok(USAGE);
    }
    let starting = doors::announce();
    let folders = Folders::of_platform();
    let mut own = match files::read(&folders, reach.settings.as_deref()) {
        Ok(own) => own,
        Err(sentence) => {
            eprintln!("darner: {sentence}");
            return Ok(USAGE);
        }
    };
    let lab = match start(beginning).await {
        Ok(lab) => lab,
        Err(error) => return refuse(&error),
    };
    // Its folder goes with this value, when the console has ended.
    let kubeconfig = match kubeconfig::write(&lab, beginning.kubeconfig.as_deref()) {
        Ok(written) => written,
        Err(error) => return refuse(&error),
    };
    // Without its door the lab still runs; only `darner lab fault` cannot reach it.
    let (_door, problems) = match doors::open(&lab, &kubeconfig.path).await {
        Ok(door) => (Some(door), Vec::new()),
        Err(error) => (None, vec![error.to_string()]),
    };
    drop(starting);
    own.problems.extend(problems);
    let mut reach = reach.clone();
    reach.kubeconfig = Some(kubeconfig.path.clone());
    if reach.contexts.is_empty() {
        reach.contexts = lab
            .contexts()
            .iter()
            .map(|context| context.name.clone())
            .collect();
    }
    let code = match fleet::choose(&reach, &own.settings, Vec::new()) {
        Ok(fleet) => super::console::open(fleet, own, &folders, looks).await?,
        Err(Nothing::Wrong(sentence)) => {
            eprintln!("darner: {sentence}");
            USAGE
        }
        Err(Nothing::NoKubeconfig(_)) => {
            eprintln!("darner: the kubeconfig that the lab wrote is gone; was its folder removed?");
            1
        }
    };
    lab.shutdown();
    Ok(code)
}

/// Runs the lab until it is told to stop.
async fn serve(beginning: &Beginning) -> color_eyre::Result<u8> {
    // Before anything is on disk, so that a signal finds the way that takes it away again.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let starting = doors::announce();
    let lab = match start(beginning).await {
        Ok(lab) => lab,
        Err(error) => return refuse(&error),
    };
    let kubeconfig = match kubeconfig::write(&lab, beginning.kubeconfig.as_deref()) {
        Ok(written) => written,
        Err(error) => return refuse(&error),
    };
    let _door = match doors::open(&lab, &kubeconfig.path).await {
        Ok(door) => Some(door),
        Err(error) => {
            eprintln!("darner: {error}; `darner lab fault` will not reach this lab");
            None
        }
    };
    drop(starting);
    let names: Vec<String> = lab
        .contexts()
        .iter()
        .map(|context| context.name.clone())
        .collect();
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "contexts {}, scenario {}, seed {}",
        names.join(" and "),
        beginning.scenario,
        beginning.seed
    )?;
    writeln!(
        out,
        "ready; export KUBECONFIG={}",
        kubeconfig.path.display()
    )?;
    out.flush()?;
    drop(out);
    tokio::select! {
        () = lab.ended() => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    lab.shutdown();
    Ok(0)
}

async fn start(beginning: &Beginning) -> Result<Lab, LabError> {
    let options = LabOptions {
        scenario: beginning.scenario.clone(),
        seed: beginning.seed,
        ..LabOptions::default()
    };
    Lab::start(options).await
}

fn refuse(error: &LabError) -> color_eyre::Result<u8> {
    eprintln!("darner: {error}");
    Ok(match error {
        LabError::Unknown(_) | LabError::NotNow { .. } => USAGE,
        _ => 1,
    })
}

async fn fault(name: &str, wanted: Option<u32>) -> color_eyre::Result<u8> {
    let folder = match doors::folder() {
        Ok(folder) => folder,
        Err(error) => return refuse(&error),
    };
    let labs = Labs::find_patiently(&folder).await;
    let lab = match labs.choose(wanted) {
        Ok(lab) => lab,
        Err(sentence) => {
            eprintln!("darner: {sentence}");
            // Naming another one helps only where there are others.
            return Ok(if labs.running.is_empty() { 1 } else { USAGE });
        }
    };
    Ok(told(send_fault(&lab.file, name).await))
}

/// Tells what came of a fault; the exit code.
fn told(sent: Result<String, LabError>) -> u8 {
    match sent {
        Ok(said) => {
            println!("{said}");
            0
        }
        Err(error) => {
            eprintln!("darner: {error}");
            // A running lab refuses what it does not know, or cannot do as things are.
            match error {
                LabError::Refused(_) | LabError::Unknown(_) => USAGE,
                _ => 1,
            }
        }
    }
}

/// The labs that run, a line each.
async fn status(out: &mut impl Write) -> color_eyre::Result<u8> {
    let folder = match doors::folder() {
        Ok(folder) => folder,
        Err(error) => return refuse(&error),
    };
    let labs = Labs::find_patiently(&folder).await;
    if labs.running.is_empty() && labs.silent.is_empty() {
        writeln!(out, "{}", labs.none())?;
        return Ok(0);
    }
    writeln!(
        out,
        "{:<8} {:<18} {:<30} KUBECONFIG",
        "PROCESS", "SCENARIO", "FAULTS"
    )?;
    for lab in &labs.running {
        let text = |key: &str| lab.state.get(key).and_then(|value| value.as_str());
        let faults: Vec<&str> = lab
            .state
            .get("faults")
            .and_then(|value| value.as_array())
            .into_iter()
            .flatten()
            .filter_map(|fault| fault.as_str())
            .collect();
        let faults = match faults.as_slice() {
            [] => "none".to_owned(),
            some => some.join(","),
        };
        writeln!(
            out,
            "{:<8} {:<18} {faults:<30} {}",
            lab.pid,
            text("scenario").unwrap_or("?"),
            text("kubeconfig").unwrap_or("?")
        )?;
    }
    for pid in &labs.silent {
        writeln!(out, "{pid:<8} does not answer")?;
    }
    Ok(0)
}

fn list(out: &mut impl Write) -> io::Result<()> {
    for scenario in SCENARIOS {
        let when = match scenario.when {
            Use::Start => "--scenario",
            Use::Running => "fault",
            Use::Both => "both",
        };
        writeln!(out, "{:<20} {:<11} {}", scenario.name, when, scenario.about)?;
    }
    Ok(())
}

/// The scenarios to begin with, for the end of a help page.
pub fn scenarios_page() -> String {
    page(
        "Scenarios (--scenario; most can also befall a running lab: darner lab fault)",
        &[Use::Start, Use::Both],
    )
}

/// The faults of a running lab, for the end of a help page.
pub fn faults_page() -> String {
    let mut all = page("Faults", &[Use::Both, Use::Running]);
    all.push_str("\n\nOf one machine or process of lab-infra, or of a node:");
    for (name, about) in crate::lab::fault::KNOWN {
        all.push_str(&format!("\n  {name:<width$}{about}", width = NAMES - 2));
    }
    all
}

/// Columns before the sentence of a scenario.
const NAMES: usize = 23;
/// Columns of a help page.
const COLUMNS: usize = 100;

fn page(title: &str, uses: &[Use]) -> String {
    let mut page = format!("{title}:\n");
    for scenario in SCENARIOS.iter().filter(|one| uses.contains(&one.when)) {
        let mut line = format!("  {:<width$}", scenario.name, width = NAMES - 2);
        for word in scenario.about.split(' ') {
            if line.len() + 1 + word.len() > COLUMNS {
                page.push_str(line.trim_end());
                page.push('\n');
                line = " ".repeat(NAMES);
            }
            if line.len() > NAMES {
                line.push(' ');
            }
            line.push_str(word);
        }
        page.push_str(&line);
        page.push('\n');
    }
    page.truncate(page.trim_end().len());
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_pages_have_each_name_once_within_their_columns() {
        for (page, uses) in [
            (scenarios_page(), [Use::Start, Use::Both]),
            (faults_page(), [Use::Both, Use::Running]),
        ] {
            for line in page.lines() {
                assert!(line.len() <= COLUMNS, "{line}");
            }
            for scenario in SCENARIOS {
                let found = page
                    .lines()
                    .filter(|line| line.split_whitespace().next() == Some(scenario.name))
                    .filter(|line| line.starts_with("  ") && !line.starts_with("   "));
                let wanted = usize::from(uses.contains(&scenario.when));
                assert_eq!(found.count(), wanted, "{} in\n{page}", scenario.name);
            }
        }
    }
}
