//! Real control planes by the scripts under `tests/cluster`: [`Rig`], one API server on its etcd in which nothing happens
//! by itself, and [`FullRig`], two with all their controllers.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::requirement;

/// A rig that is up; it is taken down when this is dropped, or when the test process ends.
pub struct Rig {
    folder: tempfile::TempDir,
}

impl Rig {
    /// Brings one up, with the published CRD or without; `None` after saying that the test is skipped.
    pub fn up(with_crd: bool) -> Option<Self> {
        let assets = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
        if !assets
            .as_ref()
            .is_some_and(|dir| dir.join("kube-apiserver").is_file())
        {
            return requirement::missing(
                "apiserver",
                "KUBEBUILDER_ASSETS names no folder with kube-apiserver (tests/cluster/build makes one)",
            );
        }
        let rig = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let mut up = rig.script("up");
        up.args(["--while", &std::process::id().to_string()]);
        if !with_crd {
            up.arg("--without-crd");
        }
        run(&mut up);
        Some(rig)
    }

    /// Puts objects there, shaped as the operator makes them: `operator`, or `NAMESPACE/NAME:NODES[+pvc]`.
    pub fn put(&self, what: &[&str]) {
        run(self.script("objects/put").args(what));
    }

    /// What happens to the API server: `stop`, `start`, `kill`, `restart`, `freeze`, `thaw`, `compact`.
    pub fn apiserver(&self, what: &str) {
        run(self.script("apiserver").arg(what));
    }

    /// Runs kubectl on it as its administrator.
    pub fn kubectl(&self, args: &[&str]) -> String {
        run(&mut self.kubectl_command(args))
    }

    /// Runs kubectl again until it succeeds: a kind that was just defined is served a moment later.
    pub fn kubectl_once_it_works(&self, args: &[&str]) {
        let begun = std::time::Instant::now();
        while !self
            .kubectl_command(args)
            .output()
            .unwrap()
            .status
            .success()
        {
            assert!(
                begun.elapsed() < super::PATIENCE,
                "kubectl {args:?} never worked"
            );
        }
    }

    /// Runs kubectl, whether it works or not.
    pub fn kubectl_if_it_works(&self, args: &[&str]) {
        let _ = self.kubectl_command(args).output().unwrap();
    }

    fn kubectl_command(&self, args: &[&str]) -> Command {
        let kubectl = self.state().join("assets/kubectl");
        let kubectl = if kubectl.is_file() {
            kubectl
        } else {
            PathBuf::from("kubectl")
        };
        let mut command = Command::new(kubectl);
        command
            .arg("--kubeconfig")
            .arg(self.kubeconfig())
            .args(args);
        command
    }

    /// Its kubeconfig: contexts `rig` and `rig-limited`.
    pub fn kubeconfig(&self) -> PathBuf {
        self.state().join("kubeconfig")
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("rig")
    }

    fn script(&self, name: &str) -> Command {
        let mut command = Command::new(scripts().join(name));
        command.arg("--state").arg(self.state());
        command
    }
}

/// Two whole control planes in a network namespace, contexts `infra` and `apps`; taken down when this is dropped, or
/// when the test process ends.
pub struct FullRig {
    folder: tempfile::TempDir,
}

impl FullRig {
    /// Brings them up, with further options of `tests/cluster/full up`; `None` after saying that the test is skipped.
    /// The nodes are those of the binary under test.
    pub fn up(options: &[&str]) -> Option<Self> {
        let assets = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
        if !assets
            .as_ref()
            .is_some_and(|dir| dir.join("kube-controller-manager").is_file())
        {
            return requirement::missing(
                "rig",
                "KUBEBUILDER_ASSETS names no folder with kube-controller-manager (tests/cluster/build --full makes one)",
            );
        }
        let rig = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let mut up = rig.command("up");
        up.args(["--while", &std::process::id().to_string()])
            .args(options)
            .env("DARNER", super::binary());
        let output = up.stdin(Stdio::null()).output().unwrap();
        if output.status.code() == Some(SKIPPED) {
            let words = String::from_utf8_lossy(&output.stderr);
            return requirement::missing("rig", words.lines().last().unwrap_or_default());
        }
        succeeded(&up, &output);
        Some(rig)
    }

    /// What happens to a part (`apiserver`, `etcd`, `controllers`, `scheduler`, `nodes`, `relay`) of that plane: `stop`,
    /// `kill`, `start`, `restart`, `freeze`, `thaw`.
    pub fn fault(&self, part: &str, what: &str, plane: &str) {
        run(self.command(part).args([what, "--plane", plane]));
    }

    /// Runs kubectl on a plane as its administrator.
    pub fn kubectl(&self, plane: &str, args: &[&str]) -> String {
        run(Command::new(self.state().join("assets/kubectl"))
            .arg("--kubeconfig")
            .arg(self.kubeconfig())
            .args(["--context", plane])
            .args(args))
    }

    /// The audit log of a plane: a line for every request, at level Metadata.
    pub fn audit_log(&self, plane: &str) -> PathBuf {
        self.state().join(plane).join("audit.log")
    }

    /// The folder of its programs, kubectl among them.
    #[allow(dead_code, reason = "the bench runs kubectl by itself")]
    pub fn assets(&self) -> PathBuf {
        self.state().join("assets")
    }

    /// What a script of bash says that runs inside, where the addresses of pods and Services lead somewhere.
    pub fn inside(&self, script: &str) -> Vec<u8> {
        let mut command = self.command("run");
        command.args(["bash", "-c", script]);
        let output = command.stdin(Stdio::null()).output().unwrap();
        succeeded(&command, &output);
        output.stdout
    }

    /// A command that will run inside.
    #[allow(dead_code, reason = "only a load runs a program there")]
    pub fn inside_command(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = self.command("run");
        command.arg(program).args(args);
        command
    }

    /// The kubeconfig that is right inside.
    #[allow(dead_code, reason = "only a load runs a program there")]
    pub fn kubeconfig_inside(&self) -> PathBuf {
        self.state().join("kubeconfig.inside")
    }

    /// Its kubeconfig: contexts `infra` (the current one) and `apps`, an administrator of each.
    pub fn kubeconfig(&self) -> PathBuf {
        self.state().join("kubeconfig")
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("rig")
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(scripts().join("full"));
        command.arg(name).arg("--state").arg(self.state());
        command
    }
}

impl Drop for FullRig {
    fn drop(&mut self) {
        let _ = self.command("down").stdin(Stdio::null()).output();
    }
}

/// How the scripts say that something is missing on this machine.
const SKIPPED: i32 = 77;

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster")
}

fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    succeeded(command, &output);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn succeeded(command: &Command, output: &Output) {
    assert!(
        output.status.success(),
        "{command:?} failed:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.script("down").stdin(Stdio::null()).output();
    }
}
