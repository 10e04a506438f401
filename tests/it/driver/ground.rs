//! Where a story is told: a lab, or real control planes. The story does not know which.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use serde_json::Value;

use super::console::Opening;
use super::{Console, FullRig, LabProcess, PATIENCE, binary, requirement};

/// Clusters *infra* and *apps*, whose objects a person changes by `kubectl`.
pub enum Ground {
    /// Simulated ones.
    Lab {
        /// They.
        lab: LabProcess,
        /// Where `kubectl` is.
        kubectl: PathBuf,
    },
    /// Real API servers, controllers and scheduler; nodes, engines and, where the real one is not to be had, the operator
    /// are the lab's.
    Rig(FullRig),
}

impl Ground {
    /// A lab; `None` after saying that the test is skipped.
    pub fn lab() -> Option<Self> {
        let kubectl = requirement::program("kubectl", "kubectl")?;
        Some(Self::Lab {
            lab: LabProcess::start("healthy"),
            kubectl,
        })
    }

    /// Real control planes; `None` after saying that the test is skipped.
    pub fn rig() -> Option<Self> {
        // Probes that begin at once: readiness is no matter of these stories.
        FullRig::up(&["--haste", "10"]).map(Self::Rig)
    }

    /// What the contexts are called: infra, then apps.
    pub fn contexts(&self) -> [&'static str; 2] {
        match self {
            Self::Lab { .. } => ["lab-infra", "lab-apps"],
            Self::Rig(_) => ["infra", "apps"],
        }
    }

    /// The kubeconfig with both.
    pub fn kubeconfig(&self) -> PathBuf {
        match self {
            Self::Lab { lab, .. } => lab.kubeconfig(),
            Self::Rig(rig) => rig.kubeconfig(),
        }
    }

    /// The program `kubectl`.
    #[allow(dead_code, reason = "the bench runs kubectl by itself")]
    pub fn kubectl_program(&self) -> PathBuf {
        match self {
            Self::Lab { kubectl, .. } => kubectl.clone(),
            Self::Rig(rig) => rig.assets().join("kubectl"),
        }
    }

    /// What `kubectl` says on infra, when all goes well.
    pub fn kubectl(&self, args: &[&str]) -> String {
        match self {
            Self::Lab { lab, kubectl } => {
                let mut command = Command::new(kubectl);
                command
                    .arg("--kubeconfig")
                    .arg(lab.kubeconfig())
                    .args(["--context", "lab-infra"])
                    .args(args)
                    // Its cache of what a server serves must not be another lab's.
                    .env("HOME", lab.folder())
                    .env_remove("KUBECONFIG")
                    .stdin(Stdio::null());
                let output = command.output().unwrap();
                let said = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "kubectl {args:?}: {said}");
                String::from_utf8_lossy(&output.stdout).into_owned()
            }
            Self::Rig(rig) => rig.kubectl("infra", args),
        }
    }

    /// Makes a Dragonfly `orders` of so many pods in a namespace that is made for it.
    pub fn orders(&self, namespace: &str, pods: usize) {
        self.instance(namespace, "orders", pods);
    }

    /// Makes a Dragonfly of that name.
    pub fn instance(&self, namespace: &str, name: &str, pods: usize) {
        let manifest = format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}\n---\n\
             apiVersion: dragonflydb.io/v1alpha1\nkind: Dragonfly\n\
             metadata: {{name: {name}, namespace: {namespace}}}\n\
             spec:\n  replicas: {pods}\n  \
             image: docker.dragonflydb.io/dragonflydb/dragonfly:v1.39.0\n  \
             resources: {{requests: {{cpu: 100m, memory: 100Mi}}, limits: {{memory: 1Gi}}}}\n"
        );
        self.apply(&manifest);
    }

    /// Applies a manifest to infra.
    pub fn apply(&self, manifest: &str) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("manifest.yaml");
        std::fs::write(&file, manifest).unwrap();
        self.kubectl(&["apply", "-f", file.to_str().unwrap()]);
    }

    /// A fault of one machine or process of infra, by its name.
    pub fn fault(&self, name: &str) {
        match self {
            Self::Lab { lab, .. } => lab.fault(name),
            Self::Rig(rig) => rig.fault("nodes", name, "infra"),
        }
    }

    /// The API server of infra hangs (in a lab everything does).
    pub fn freeze(&self) {
        match self {
            Self::Lab { lab, .. } => signal(lab.pid(), "STOP"),
            Self::Rig(rig) => rig.fault("apiserver", "freeze", "infra"),
        }
    }

    /// It goes on.
    pub fn thaw(&self) {
        match self {
            Self::Lab { lab, .. } => signal(lab.pid(), "CONT"),
            Self::Rig(rig) => rig.fault("apiserver", "thaw", "infra"),
        }
    }

    /// The API server of infra is killed; in a lab, where it is one process with all that would go on meanwhile, it hangs.
    pub fn kill(&self) {
        match self {
            Self::Lab { lab, .. } => signal(lab.pid(), "STOP"),
            Self::Rig(rig) => rig.fault("apiserver", "kill", "infra"),
        }
    }

    /// It is there again.
    pub fn start(&self) {
        match self {
            Self::Lab { lab, .. } => signal(lab.pid(), "CONT"),
            Self::Rig(rig) => rig.fault("apiserver", "start", "infra"),
        }
    }

    /// The console on both contexts, with what else it is to be told.
    pub fn console(&self, args: &[&str]) -> Console {
        let [infra, apps] = self.contexts();
        let mut all = vec!["--context", infra, "--context", apps];
        all.extend(args);
        Opening::new(all)
            .kubeconfig(&self.kubeconfig())
            .size(160, 45)
            .open()
    }

    /// `darner ARGS` over infra: what it printed, and how it ended.
    pub fn darner(&self, args: &[&str]) -> Output {
        let home = tempfile::tempdir().unwrap();
        Command::new(binary())
            .args(args)
            .args(["--context", self.contexts()[0]])
            .arg("--kubeconfig")
            .arg(self.kubeconfig())
            .env("HOME", home.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// What `darner status` reports of an instance of infra once it is as wanted.
    pub fn report_until(
        &self,
        instance: &str,
        what: &str,
        reached: impl Fn(&Value) -> bool,
    ) -> Value {
        let begun = Instant::now();
        loop {
            let output = self.darner(&["status", instance, "-o", "json"]);
            let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            if reached(&report) {
                return report;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{what} never: {report:#}{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
}

fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}
