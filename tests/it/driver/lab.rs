//! A lab served by another process, as a person would run it.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::binary;

/// `darner lab --serve`, ready.
pub struct LabProcess {
    child: Child,
    folder: tempfile::TempDir,
}

impl LabProcess {
    /// Starts a lab in that situation and waits until it says that it is ready.
    pub fn start(scenario: &str) -> Self {
        Self::seeded(scenario, 1)
    }

    /// The same with another seed, which makes it another cluster: the uids follow from it.
    pub fn seeded(scenario: &str, seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(binary())
            .args([
                "lab",
                "--serve",
                "--seed",
                &seed.to_string(),
                "--scenario",
                scenario,
                "--write-kubeconfig",
            ])
            .arg(folder.path().join("kubeconfig"))
            .env("HOME", folder.path())
            .env("XDG_RUNTIME_DIR", folder.path())
            .env_remove("KUBECONFIG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        loop {
            let mut line = String::new();
            let read = output.read_line(&mut line).unwrap();
            assert!(
                read > 0,
                "the lab ended before it was ready; it said:\n{said}"
            );
            said.push_str(&line);
            if line.starts_with("ready") {
                break;
            }
        }
        // Whatever it says later must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        Self { child, folder }
    }

    /// The kubeconfig that it wrote.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// Applies a fault, by the command that a person would use.
    pub fn fault(&self, name: &str) {
        let output = Command::new(binary())
            .args(["lab", "fault", name])
            .env("HOME", self.folder.path())
            .env("XDG_RUNTIME_DIR", self.folder.path())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "fault {name}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// The address of its infra cluster's API server: `http://127.0.0.1:PORT`.
    #[allow(dead_code, reason = "the bench changes things there")]
    pub fn server(&self) -> String {
        let text = std::fs::read_to_string(self.kubeconfig()).unwrap();
        let line = text
            .lines()
            .find_map(|line| line.trim().trim_start_matches("- ").strip_prefix("server:"));
        line.unwrap().trim().trim_matches(['"', '\'']).to_owned()
    }

    /// One plain request to that API server, for what no user of kubectl would time.
    #[allow(dead_code, reason = "the bench changes things there")]
    pub fn api(&self, method: &str, path: &str, body: &str) -> String {
        request(&self.server(), method, path, body)
    }

    /// The file by which other processes find its control door.
    #[allow(dead_code, reason = "only a load asks where engines listen")]
    pub fn control(&self) -> PathBuf {
        let file = format!("darner/labs/{}.json", self.child.id());
        self.folder.path().join(file)
    }

    /// Its process.
    #[allow(dead_code, reason = "the bench looks at what it costs")]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its folder, which is also its home.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Kills it without ceremony.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for LabProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// One plain HTTP request that must succeed; the answer's whole text.
pub fn request(server: &str, method: &str, path: &str, body: &str) -> String {
    let host = server.trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    let kind = if method == "PATCH" {
        "application/merge-patch+json"
    } else {
        "application/json"
    };
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 2"),
        "{method} {path}: {answer}"
    );
    answer
}
