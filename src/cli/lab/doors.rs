//! The files by which other processes find the labs that run: one each, named by its process number.
//!
//! A lab that was killed leaves its file. Whoever looks next and finds nobody behind it takes it away.

use std::fs;
use std::path::{Path, PathBuf};

use std::time::{Duration, Instant};

use directories::ProjectDirs;
use serde_json::Value;

use super::kubeconfig::Passing;
use crate::lab::{Control, Knock, Lab, LabError, knock};

/// A lab that answers.
pub(super) struct Running {
    /// Its process number.
    pub(super) pid: u32,
    /// The file by which it is reached.
    pub(super) file: PathBuf,
    /// What it says of itself.
    pub(super) state: Value,
}

/// The labs of this person on this machine.
#[derive(Default)]
pub(super) struct Labs {
    /// Those that answer, by process number.
    pub(super) running: Vec<Running>,
    /// Process numbers of those that are there and do not answer, as one that is stopped.
    pub(super) silent: Vec<u32>,
    /// Process numbers of those that are being started.
    pub(super) starting: Vec<u32>,
}

/// How a file that announces a lab ends.
const STARTING: &str = "starting";

/// A lab that is being started, as others see it: its file goes with this value.
pub(super) struct Starting(PathBuf);

impl Drop for Starting {
    fn drop(&mut self) {
        // What is left is swept by whoever looks next.
        let _ = fs::remove_file(&self.0);
    }
}

/// Announces that this process starts a lab, so that whoever looks for one meanwhile waits for it. `None` where there is no
/// place to say so: then nobody waits.
pub(super) fn announce() -> Option<Starting> {
    let folder = folder().ok()?;
    announced(&folder, std::process::id())
}

fn announced(folder: &Path, pid: u32) -> Option<Starting> {
    let file = folder.join(format!("{pid}.{STARTING}"));
    fs::create_dir_all(folder).ok()?;
    fs::write(&file, "").ok()?;
    Some(Starting(file))
}

/// Whether a process of that number is there.
fn is_there(pid: u32) -> bool {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| {
        let asked = rustix::process::test_kill_process(pid);
        !matches!(asked, Err(rustix::io::Errno::SRCH))
    })
}

impl Labs {
    /// The same, but waits for a lab that is being started where no other runs: one that was begun a moment ago has not
    /// announced itself yet, one that has needs a second.
    pub(super) async fn find_patiently(folder: &Path) -> Self {
        const BEGUN: Duration = Duration::from_millis(300);
        const STARTED: Duration = Duration::from_secs(10);
        const PAUSE: Duration = Duration::from_millis(30);
        let since = Instant::now();
        loop {
            let labs = Self::find(folder).await;
            let patience = match labs.starting.is_empty() {
                true => BEGUN,
                false => STARTED,
            };
            let found = !labs.running.is_empty() || !labs.silent.is_empty();
            if found || since.elapsed() >= patience {
                return labs;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Asks every lab that has left a file, all at once; files with nobody behind them are removed.
    pub(super) async fn find(folder: &Path) -> Self {
        let files = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let path = entry.path();
                let is_door = path.extension().is_some_and(|end| end == "json");
                let pid = path.file_stem()?.to_str()?.parse::<u32>().ok()?;
                is_door.then_some((pid, path))
            });
        let asked = files.map(|(pid, file)| async move {
            let heard = knock(&file).await;
            (pid, file, heard)
        });
        let mut labs = Self::default();
        for (pid, file, heard) in futures::future::join_all(asked).await {
            match heard {
                Knock::Answers(state) => labs.running.push(Running { pid, file, state }),
                Knock::Silent => labs.silent.push(pid),
                Knock::Gone => {
                    // If it cannot be removed it is passed over the next time as well.
                    let _ = fs::remove_file(&file);
                    Passing::sweep(pid);
                }
            }
        }
        labs.starting = starting(folder);
        labs.running.sort_by_key(|lab| lab.pid);
        labs.silent.sort_unstable();
        labs
    }

    /// The running lab whose kubeconfig this file is.
    pub(super) fn user_of(&self, kubeconfig: &Path) -> Option<u32> {
        let path = fs::canonicalize(kubeconfig).ok()?;
        self.running
            .iter()
            .find(|lab| {
                let own = lab.state.get("kubeconfig").and_then(Value::as_str);
                own.and_then(|own| fs::canonicalize(own).ok()) == Some(path.clone())
            })
            .map(|lab| lab.pid)
    }

    /// That none runs, and whether one will.
    pub(super) fn none(&self) -> String {
        match self.starting.as_slice() {
            [] => "no lab is running; start one with `darner lab --serve`".to_owned(),
            pids => format!("{} is still starting; try again", processes(pids)),
        }
    }

    /// The one that is meant: the named one, else the only one.
    ///
    /// # Errors
    /// A sentence with the process numbers there are.
    pub(super) fn choose(&self, wanted: Option<u32>) -> Result<&Running, String> {
        let pids: Vec<String> = self.running.iter().map(|lab| lab.pid.to_string()).collect();
        let pids = pids.join(", ");
        let there = match self.running.as_slice() {
            [] => self.none(),
            [_] => format!("one runs as process {pids}"),
            _ => format!("labs run as processes {pids}"),
        };
        let Some(wanted) = wanted else {
            return match self.running.as_slice() {
                [one] => Ok(one),
                [] => Err(match self.silent.as_slice() {
                    [] => there,
                    silent => format!("{} does not answer", processes(silent)),
                }),
                _ => Err(format!("{there}: say which with --lab PID")),
            };
        };
        if self.silent.contains(&wanted) {
            return Err(format!(
                "the lab of process {wanted} does not answer; is it stopped?"
            ));
        }
        self.running
            .iter()
            .find(|lab| lab.pid == wanted)
            .ok_or_else(|| match self.running.as_slice() {
                [] => there,
                _ => format!("no lab runs as process {wanted}; {there}"),
            })
    }
}

/// The labs that are announced by a process that is there.
fn starting(folder: &Path) -> Vec<u32> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut pids: Vec<u32> = files
        .filter_map(|entry| {
            let path = entry.path();
            let is_one = path.extension().is_some_and(|end| end == STARTING);
            let pid = path.file_stem()?.to_str()?.parse::<u32>().ok()?;
            if is_one && !is_there(pid) {
                let _ = fs::remove_file(&path);
            }
            (is_one && is_there(pid)).then_some(pid)
        })
        .collect();
    pids.sort_unstable();
    pids
}

fn processes(pids: &[u32]) -> String {
    let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
    format!("the lab of process {}", pids.join(" or "))
}

/// The folder of these files.
///
/// # Errors
/// When the platform names none.
pub(super) fn folder() -> Result<PathBuf, LabError> {
    let dirs = ProjectDirs::from("", "", "darner");
    let dirs =
        dirs.ok_or_else(|| LabError::NotRunning("the platform names no folder for it".to_owned()))?;
    Ok(dirs
        .runtime_dir()
        .unwrap_or_else(|| dirs.cache_dir())
        .join("labs"))
}

/// Opens the door of this process's lab. Its file goes with the value.
///
/// # Errors
/// When there is no place for the file, or no port.
pub(super) async fn open(lab: &Lab, kubeconfig: &Path) -> Result<Control, LabError> {
    let file = folder()?.join(format!("{}.json", std::process::id()));
    lab.serve_control(&file, Some(kubeconfig)).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn labs(running: &[u32], silent: &[u32]) -> Labs {
        let running = running.iter().map(|pid| Running {
            pid: *pid,
            file: PathBuf::new(),
            state: Value::Null,
        });
        Labs {
            running: running.collect(),
            silent: silent.to_vec(),
            starting: Vec::new(),
        }
    }

    #[test]
    fn the_named_lab_is_chosen_or_the_only_one() {
        let none = "no lab is running; start one with `darner lab --serve`";
        for (running, silent, wanted, answer) in [
            (&[7][..], &[][..], None, Ok(7)),
            (&[7], &[9], None, Ok(7)),
            (&[7, 8], &[], Some(8), Ok(8)),
            (&[], &[], None, Err(none)),
            (&[], &[], Some(3), Err(none)),
            (&[], &[9], None, Err("the lab of process 9 does not answer")),
            (
                &[7, 8],
                &[],
                None,
                Err("labs run as processes 7, 8: say which with --lab PID"),
            ),
            (
                &[7, 8],
                &[],
                Some(3),
                Err("no lab runs as process 3; labs run as processes 7, 8"),
            ),
            (
                &[7],
                &[],
                Some(3),
                Err("no lab runs as process 3; one runs as process 7"),
            ),
            (
                &[7],
                &[9],
                Some(9),
                Err("the lab of process 9 does not answer; is it stopped?"),
            ),
        ] {
            let labs = labs(running, silent);
            let chosen = labs.choose(wanted).map(|lab| lab.pid);
            assert_eq!(
                chosen,
                answer.map_err(str::to_owned),
                "{running:?} {silent:?} {wanted:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_lab_that_is_starting_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let own = std::process::id();
        // One that was killed while it started is not waited for.
        drop(announced(folder.path(), own));
        let dead = folder.path().join("4194305.starting");
        fs::write(&dead, "").unwrap();
        let labs = Labs::find_patiently(folder.path()).await;
        assert!(labs.starting.is_empty() && !dead.exists());
        assert!(labs.none().starts_with("no lab is running"));
        let starting = announced(folder.path(), own).unwrap();
        let labs = Labs::find(folder.path()).await;
        assert_eq!(labs.starting, [own]);
        assert_eq!(
            labs.choose(None).map(|lab| lab.pid),
            Err(format!(
                "the lab of process {own} is still starting; try again"
            ))
        );
        // It comes up while somebody waits.
        let lab = Lab::start(crate::lab::LabOptions::default()).await.unwrap();
        let file = folder.path().join(format!("{own}.json"));
        let (labs, _door) = tokio::join!(Labs::find_patiently(folder.path()), async {
            let door = lab.serve_control(&file, None).await.unwrap();
            drop(starting);
            door
        });
        assert_eq!(labs.choose(None).map(|lab| lab.pid), Ok(own));
        lab.shutdown();
    }

    #[tokio::test]
    async fn files_of_dead_labs_are_taken_away_and_others_are_left() {
        let folder = tempfile::tempdir().unwrap();
        // A port that nobody listens on.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let dead = folder.path().join("4194305.json");
        let text = format!("{{\"address\":\"{address}\",\"key\":\"k\",\"pid\":4194305}}");
        for name in ["4194305.json", "notes.json", "77.txt"] {
            fs::write(folder.path().join(name), &text).unwrap();
        }
        let labs = Labs::find(folder.path()).await;
        assert!(labs.running.is_empty() && labs.silent.is_empty());
        assert!(!dead.exists());
        assert!(folder.path().join("notes.json").exists());
        assert!(folder.path().join("77.txt").exists());
        assert!(
            Labs::find(&folder.path().join("none"))
                .await
                .running
                .is_empty()
        );
    }
}
