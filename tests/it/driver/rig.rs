//! A real control plane: etcd and kube-apiserver, by the scripts under `tests/cluster`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/cluster")
            .join(name);
        let mut command = Command::new(path);
        command.arg("--state").arg(self.state());
        command
    }
}

fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(
        output.status.success(),
        "{command:?} failed:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.script("down").stdin(Stdio::null()).output();
    }
}
