//! `darner lab`: the simulated clusters, with the console over them or without a screen.
//!
//! The console reaches the lab only through the kubeconfig that the lab writes, as it reaches any cluster.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use directories::ProjectDirs;
use tokio::signal::unix::{SignalKind, signal};

use super::USAGE;
use super::args::{LabArgs, LabVerb, Looks, Reach};
use super::files::{self, Folders};
use super::fleet::{self, Nothing};
use crate::lab::{Control, Lab, LabError, LabOptions, SCENARIOS, Use, read_state, send_fault};

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
            list(&mut io::stdout().lock())?;
            return Ok(0);
        }
        Some(LabVerb::Fault { name, lab }) => return fault(name, *lab).await,
        None => {}
    }
    let beginning = Beginning {
        scenario: args.scenario.clone(),
        seed: args.seed,
        kubeconfig: args.write_kubeconfig.clone(),
    };
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
    let lab = match start(beginning).await {
        Ok(lab) => lab,
        Err(error) => return refuse(&error),
    };
    // The folder goes with this value, when the console has ended.
    let (kubeconfig, _folder) = match Kubeconfig::write(&lab, beginning) {
        Ok(written) => written,
        Err(error) => return refuse(&error),
    };
    // Without its door the lab still runs; only `darner lab fault` cannot reach it.
    let (_door, problems) = match door(&lab).await {
        Ok(door) => (Some(door), Vec::new()),
        Err(error) => (None, vec![error.to_string()]),
    };
    let folders = Folders::of_platform();
    let mut own = files::read(&folders, reach.settings.as_deref());
    own.problems.extend(problems);
    let mut reach = reach.clone();
    reach.kubeconfig = Some(kubeconfig);
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
    let lab = match start(beginning).await {
        Ok(lab) => lab,
        Err(error) => return refuse(&error),
    };
    let (kubeconfig, _folder) = match Kubeconfig::write(&lab, beginning) {
        Ok(written) => written,
        Err(error) => return refuse(&error),
    };
    let _door = match door(&lab).await {
        Ok(door) => Some(door),
        Err(error) => {
            eprintln!("darner: {error}; `darner lab fault` will not reach this lab");
            None
        }
    };
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
    writeln!(out, "ready; export KUBECONFIG={}", kubeconfig.display())?;
    out.flush()?;
    drop(out);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        () = lab.ended() => {}
        _ = tokio::signal::ctrl_c() => {}
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

/// The kubeconfig of a lab on disk, where it was asked for or in a folder that goes with it.
struct Kubeconfig;

impl Kubeconfig {
    fn write(lab: &Lab, beginning: &Beginning) -> Result<(PathBuf, Option<Passing>), LabError> {
        let (path, passing) = match &beginning.kubeconfig {
            Some(path) => (path.clone(), None),
            None => {
                let passing = Passing::new()?;
                (passing.0.join("kubeconfig"), Some(passing))
            }
        };
        write_private(&path, &lab.kubeconfig()).map_err(|source| LabError::File {
            verb: "write",
            path: path.display().to_string(),
            source,
        })?;
        Ok((path, passing))
    }
}

/// A folder that is removed when it is dropped.
struct Passing(PathBuf);

impl Passing {
    fn new() -> Result<Self, LabError> {
        let path = std::env::temp_dir().join(format!("darner-lab-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|source| LabError::File {
            verb: "make",
            path: path.display().to_string(),
            source,
        })?;
        Ok(Self(path))
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())
}

/// The folder in which labs that run leave the files by which other processes find them, one each.
fn doors() -> Result<PathBuf, LabError> {
    let dirs = ProjectDirs::from("", "", "darner");
    let dirs =
        dirs.ok_or_else(|| LabError::NotRunning("the platform names no folder for it".to_owned()))?;
    Ok(dirs
        .runtime_dir()
        .unwrap_or_else(|| dirs.cache_dir())
        .join("labs"))
}

async fn door(lab: &Lab) -> Result<Control, LabError> {
    let folder = doors()?;
    // Whether it worked shows when the file is written, with a better sentence.
    let _ = std::fs::create_dir_all(&folder);
    lab.serve_control(&folder.join(format!("{}.json", std::process::id())))
        .await
}

/// Labs that answer, by process number. A lab that was killed leaves its file, which then answers no more.
async fn running() -> Result<Vec<(u32, PathBuf)>, LabError> {
    let folder = doors()?;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let pid = path
            .file_stem()
            .and_then(|stem| stem.to_str()?.parse().ok());
        if let Some(pid) = pid
            && read_state(&path).await.is_ok()
        {
            found.push((pid, path));
        }
    }
    found.sort();
    Ok(found)
}

async fn fault(name: &str, wanted: Option<u32>) -> color_eyre::Result<u8> {
    let labs = match running().await {
        Ok(labs) => labs,
        Err(error) => return refuse(&error),
    };
    let chosen: Vec<_> = labs
        .iter()
        .filter(|(pid, _)| wanted.is_none_or(|wanted| wanted == *pid))
        .collect();
    let file = match chosen.as_slice() {
        [(_, file)] => file,
        [] if labs.is_empty() => return refuse(&LabError::NotRunning("none answers".to_owned())),
        _ => {
            let pids: Vec<String> = labs.iter().map(|(pid, _)| pid.to_string()).collect();
            eprintln!(
                "darner: labs run as processes {}: say which with --lab PID",
                pids.join(", ")
            );
            return Ok(USAGE);
        }
    };
    match send_fault(file, name).await {
        Ok(said) => {
            println!("{said}");
            Ok(0)
        }
        Err(error) => {
            eprintln!("darner: {error}");
            // A running lab refuses what it does not know, or cannot do as things are.
            Ok(if matches!(error, LabError::Refused(_)) {
                USAGE
            } else {
                1
            })
        }
    }
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
