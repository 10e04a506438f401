//! Labs as things that run on a machine: found, told what to do, listed, and gone without a trace.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};

use crate::driver::{PATIENCE, binary};

/// `darner` in a home and a temporary folder of this test's own.
fn darner(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command
        .args(args)
        .env("HOME", home)
        .env("XDG_RUNTIME_DIR", home.join("run"))
        .env("TMPDIR", home)
        .env_remove("KUBECONFIG")
        .stdin(Stdio::null());
    command
}

fn ran(home: &Path, args: &[&str]) -> Output {
    darner(home, args).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A lab that is served, ready.
struct Served {
    child: Child,
    home: PathBuf,
    kubeconfig: PathBuf,
}

impl Served {
    fn start(home: &Path, args: &[&str]) -> Self {
        let mut child = darner(home, &[&["lab", "--serve"], args].concat())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines
            .map_while(Result::ok)
            .find_map(|line| {
                line.strip_prefix("ready; export KUBECONFIG=")
                    .map(PathBuf::from)
            })
            .expect("it says that it is ready");
        Self {
            child,
            home: home.to_owned(),
            kubeconfig: ready,
        }
    }

    fn pid(&self) -> String {
        self.child.id().to_string()
    }

    fn door(&self) -> PathBuf {
        let name = format!("{}.json", self.pid());
        self.home.join("run").join("darner").join("labs").join(name)
    }

    /// Sends a signal and waits for the end; the exit status.
    fn end(&mut self, signal: &str) -> Option<i32> {
        let sent = Command::new("kill")
            .args([format!("-{signal}"), self.pid()])
            .status();
        assert!(sent.unwrap().success());
        // One that runs on is ended for good, so that the wait for it ends.
        let (ended, end) = mpsc::channel::<()>();
        let pid = self.pid();
        let watchdog = std::thread::spawn(move || {
            let is_late = end.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout);
            if is_late {
                let _ = Command::new("kill").args(["-KILL", &pid]).status();
            }
            is_late
        });
        let status = self.child.wait().unwrap();
        drop(ended);
        assert!(!watchdog.join().unwrap(), "it runs on after SIG{signal}");
        status.code()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_fault_reaches_the_lab_that_is_meant_and_dead_ones_are_forgotten() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let none = ran(home, &["lab", "fault", "slow-api"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(err(&none).contains("no lab is running"), "{}", err(&none));
    assert!(out(&ran(home, &["lab", "status"])).contains("no lab is running"));

    let mut one = Served::start(home, &[]);
    let two = Served::start(home, &["--scenario", "operator-down"]);
    let unclear = ran(home, &["lab", "fault", "slow-api"]);
    assert_eq!(unclear.status.code(), Some(64));
    for pid in [one.pid(), two.pid()] {
        assert!(err(&unclear).contains(&pid), "{}", err(&unclear));
    }
    assert!(err(&unclear).contains("--lab PID"));
    let stranger = ran(home, &["lab", "fault", "slow-api", "--lab", "1"]);
    assert_eq!(stranger.status.code(), Some(64));
    assert!(
        err(&stranger).contains("no lab runs as process 1; labs run as processes"),
        "{}",
        err(&stranger)
    );
    let told = ran(home, &["lab", "fault", "slow-api", "--lab", &one.pid()]);
    assert!(told.status.success(), "{}", err(&told));

    let listed = out(&ran(home, &["lab", "status"]));
    let line = |lab: &Served| {
        let pid = lab.pid();
        let found = listed.lines().find(|line| line.starts_with(&pid));
        found.unwrap_or_else(|| panic!("{pid} in\n{listed}"))
    };
    let words: Vec<&str> = line(&one).split_whitespace().collect();
    let path = one.kubeconfig.to_str().unwrap();
    assert_eq!(words, [&one.pid(), "healthy", "slow-api", path]);
    let words: Vec<&str> = line(&two).split_whitespace().collect();
    let path = two.kubeconfig.to_str().unwrap();
    assert_eq!(words, [&two.pid(), "operator-down", "operator-down", path]);

    // Killed, it leaves its file and its folder, until somebody looks.
    one.end("KILL");
    let (door, folder) = (one.door(), one.kubeconfig.parent().unwrap().to_owned());
    assert!(door.exists() && folder.exists());
    let told = ran(home, &["lab", "fault", "slow-api"]);
    assert!(told.status.success(), "{}", err(&told));
    assert!(!door.exists() && !folder.exists());
    assert!(two.door().exists() && two.kubeconfig.exists());
}

#[test]
fn a_lab_that_is_told_to_end_takes_its_files_along() {
    let home = tempfile::tempdir().unwrap();
    for signal in ["TERM", "INT", "HUP"] {
        let mut lab = Served::start(home.path(), &[]);
        let folder = lab.kubeconfig.parent().unwrap().to_owned();
        assert!(lab.door().exists() && folder.exists(), "SIG{signal}");
        assert_eq!(lab.end(signal), Some(0), "SIG{signal}");
        assert!(!lab.door().exists() && !folder.exists(), "SIG{signal}");
    }
}

#[test]
fn a_lab_writes_over_no_file_but_a_labs() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config");
    let path = file.to_str().unwrap();
    let mine = "apiVersion: v1\nkind: Config\nclusters: [{name: eu-prod, cluster: {server: 'https://api.example'}}]\n";
    std::fs::write(&file, mine).unwrap();
    let args = ["lab", "--serve", "--write-kubeconfig", path];
    let refused = ran(home.path(), &args);
    assert_eq!(refused.status.code(), Some(64));
    assert!(err(&refused).contains(path), "{}", err(&refused));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), mine);

    std::fs::remove_file(&file).unwrap();
    let mut first = Served::start(home.path(), &["--write-kubeconfig", path]);
    let refused = ran(home.path(), &args);
    assert_eq!(refused.status.code(), Some(64));
    assert!(
        err(&refused).contains(&format!("process {}", first.pid())),
        "{}",
        err(&refused)
    );
    first.end("TERM");
    // What the last lab left there the next one may have.
    assert!(file.exists());
    Served::start(home.path(), &["--write-kubeconfig", path]);
}

#[test]
fn help_and_refusals_say_what_the_lab_knows() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    for (args, has, has_not) in [
        (&["lab", "--help"][..], "  no-master ", "  heal "),
        (&["lab", "fault", "--help"], "  heal ", "  scale:N "),
        (&["lab", "list"], "scale:N ", "nonsense"),
    ] {
        let page = out(&ran(home, args));
        assert!(page.contains(has) && !page.contains(has_not), "{page}");
    }
    for (scenario, wanted) in [
        ("nope", "it knows healthy, full-sync, "),
        ("helthy", "did you mean 'healthy'?"),
        ("scale:0", "scale:N takes a number from 1 to 1000"),
        ("scale:many", "scale:N takes a number from 1 to 1000"),
        ("heal", "is for a lab that runs already"),
    ] {
        let refused = ran(home, &["lab", "--serve", "--scenario", scenario]);
        assert_eq!(refused.status.code(), Some(64), "{scenario}");
        assert!(err(&refused).contains(wanted), "{}", err(&refused));
    }
}
