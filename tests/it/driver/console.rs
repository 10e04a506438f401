//! The real binary in a pseudo-terminal, read back through a terminal emulator.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};

use super::{PATIENCE, binary};

/// A console that a test sits before.
pub struct Console {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    seen: Arc<Seen>,
    home: tempfile::TempDir,
}

#[derive(Default)]
struct Seen {
    state: Mutex<SeenState>,
    changed: Condvar,
}

impl Seen {
    /// A test that failed while it looked must not take the reader with it.
    fn lock(&self) -> MutexGuard<'_, SeenState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct SeenState {
    parser: vt100::Parser,
    bytes: Vec<u8>,
    closed: bool,
}

impl Default for SeenState {
    fn default() -> Self {
        let size = |n: u16| n.try_into().unwrap();
        Self {
            parser: vt100::Parser::new(size(40), size(120), 0),
            bytes: Vec::new(),
            closed: false,
        }
    }
}

/// How to open it.
pub struct Opening {
    args: Vec<String>,
    env: BTreeMap<String, String>,
    rows: u16,
    cols: u16,
    files: Vec<(PathBuf, String)>,
}

impl Opening {
    /// `darner ARGS` in a terminal of 120 by 40, in an empty home.
    pub fn new<S: Into<String>>(args: impl IntoIterator<Item = S>) -> Self {
        Self {
            args: args.into_iter().map(Into::into).collect(),
            env: BTreeMap::new(),
            rows: 40,
            cols: 120,
            files: Vec::new(),
        }
    }

    /// In a terminal of that size.
    pub fn size(mut self, cols: u16, rows: u16) -> Self {
        (self.cols, self.rows) = (cols, rows);
        self
    }

    /// With an environment variable.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// With that kubeconfig.
    pub fn kubeconfig(self, path: &Path) -> Self {
        self.env("KUBECONFIG", path.display().to_string())
    }

    /// With a file in the home folder.
    pub fn file(mut self, path: &str, text: &str) -> Self {
        self.files.push((PathBuf::from(path), text.to_owned()));
        self
    }

    /// Opens it.
    pub fn open(self) -> Console {
        let home = tempfile::tempdir().unwrap();
        for (path, text) in &self.files {
            let path = home.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let size = PtySize {
            rows: self.rows,
            cols: self.cols,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(binary());
        command.args(&self.args);
        command.env_clear();
        for name in ["PATH", "LANG"] {
            if let Ok(value) = std::env::var(name) {
                command.env(name, value);
            }
        }
        command.env("HOME", home.path());
        command.env("TERM", "xterm-256color");
        command.env("COLORTERM", "truecolor");
        command.env("RUST_BACKTRACE", "0");
        command.env("DARNER_LOG", "darner=debug,info");
        for (name, value) in &self.env {
            command.env(name, value);
        }
        command.cwd(home.path());
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let seen = Arc::new(Seen::default());
        {
            let mut state = seen.lock();
            state
                .parser
                .screen_mut()
                .set_size(self.rows.try_into().unwrap(), self.cols.try_into().unwrap());
        }
        let mut output = pair.master.try_clone_reader().unwrap();
        let writer = seen.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            loop {
                let read = output.read(&mut buffer);
                let mut state = writer.lock();
                match read {
                    Ok(n) if n > 0 => {
                        state.parser.process(&buffer[..n]);
                        state.bytes.extend_from_slice(&buffer[..n]);
                    }
                    _ => state.closed = true,
                }
                let closed = state.closed;
                drop(state);
                writer.changed.notify_all();
                if closed {
                    return;
                }
            }
        });
        let keys = pair.master.take_writer().unwrap();
        Console {
            child,
            master: pair.master,
            keys,
            seen,
            home,
        }
    }
}

impl Console {
    /// Waits until the screen shows all of these texts at once.
    pub fn expect_all(&self, texts: &[&str]) -> &Self {
        self.wait(&format!("{texts:?}"), |screen| {
            texts.iter().all(|text| screen.contains(text))
        })
    }

    /// Waits until the screen shows that text.
    pub fn expect(&self, text: &str) -> &Self {
        self.wait(text, |screen| screen.contains(text))
    }

    /// Waits until the screen does not show that text any more.
    pub fn expect_gone(&self, text: &str) -> &Self {
        self.wait(&format!("the end of {text}"), |screen| {
            !screen.contains(text)
        })
    }

    /// Waits until one line of the screen contains all of these words.
    pub fn expect_row(&self, words: &[&str]) -> &Self {
        self.wait(&format!("a row with {words:?}"), |screen| {
            screen
                .lines()
                .any(|line| words.iter().all(|word| line.contains(word)))
        })
    }

    /// Waits for a state of the screen.
    pub fn wait(&self, what: &str, reached: impl Fn(&str) -> bool) -> &Self {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.seen.lock();
        loop {
            let screen = state.parser.screen().contents();
            if reached(&screen) {
                return self;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "waited for {what}; the screen shows:\n{screen}\n{}",
                self.log_tail()
            );
            assert!(
                !state.closed,
                "the console ended while waiting for {what}; last screen:\n{screen}"
            );
            state = self
                .seen
                .changed
                .wait_timeout(state, left.min(Duration::from_secs(1)))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Presses keys: single characters, or names such as `enter`, `esc`, `tab`, `down`, `ctrl-c`.
    pub fn press(&mut self, keys: &[&str]) -> &mut Self {
        for key in keys {
            let bytes: Vec<u8> = match *key {
                "enter" => b"\r".to_vec(),
                "esc" => b"\x1b".to_vec(),
                "tab" => b"\t".to_vec(),
                "backspace" => b"\x7f".to_vec(),
                "up" => b"\x1b[A".to_vec(),
                "down" => b"\x1b[B".to_vec(),
                "right" => b"\x1b[C".to_vec(),
                "left" => b"\x1b[D".to_vec(),
                "home" => b"\x1b[H".to_vec(),
                "end" => b"\x1b[F".to_vec(),
                key => match key.strip_prefix("ctrl-").and_then(|c| c.bytes().next()) {
                    Some(c) => vec![c & 0x1f],
                    None => key.as_bytes().to_vec(),
                },
            };
            self.keys.write_all(&bytes).unwrap();
            self.keys.flush().unwrap();
        }
        self
    }

    /// Pastes text, bracketed as terminals do.
    pub fn paste(&mut self, text: &str) -> &mut Self {
        self.keys
            .write_all(format!("\x1b[200~{text}\x1b[201~").as_bytes())
            .unwrap();
        self.keys.flush().unwrap();
        self
    }

    /// Changes the size of the terminal.
    pub fn resize(&mut self, cols: u16, rows: u16) -> &mut Self {
        self.seen
            .lock()
            .parser
            .screen_mut()
            .set_size(rows.try_into().unwrap(), cols.try_into().unwrap());
        self.master
            .resize(PtySize {
                rows,
                cols,
                pixel_width: 0,
                pixel_height: 0,
            })
            .unwrap();
        self
    }

    /// Sends a signal, by its name as `kill` spells it.
    pub fn signal(&mut self, name: &str) -> &mut Self {
        let pid = self.child.process_id().unwrap().to_string();
        let sent = std::process::Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .unwrap();
        assert!(sent.success());
        self
    }

    /// A picture of the screen.
    pub fn picture(&self) -> String {
        super::picture::svg(self.seen.lock().parser.screen())
    }

    /// Everything that the program wrote to the terminal.
    pub fn bytes(&self) -> Vec<u8> {
        self.seen.lock().bytes.clone()
    }

    /// Whether any frame so far showed that text.
    #[allow(dead_code, reason = "the bench counts frames")]
    pub fn has_shown(&self, text: &str) -> bool {
        // Each frame is one synchronised update.
        const END: &[u8] = b"\x1b[?2026l";
        let state = self.seen.lock();
        let (rows, columns) = state.parser.screen().size();
        let mut terminal = vt100::Parser::new(rows, columns, 0);
        let mut begin = 0;
        let ends = state.bytes.windows(END.len()).enumerate();
        for (at, _) in ends.filter(|(_, window)| *window == END) {
            terminal.process(&state.bytes[begin..at]);
            begin = at;
            if terminal.screen().contents().contains(text) {
                return true;
            }
        }
        false
    }

    /// The terminal is in its ordinary state: main screen, visible cursor, no paste or focus mode, the former title.
    pub fn terminal_is_restored(&self) -> bool {
        let state = self.seen.lock();
        let screen = state.parser.screen();
        let times = |what: &[u8]| {
            state
                .bytes
                .windows(what.len())
                .filter(|w| *w == what)
                .count()
        };
        let (kept, given_back) = (times(b"\x1b[22;2t"), times(b"\x1b[23;2t"));
        let has_title = kept > 0 && kept == given_back;
        has_title
            && !screen.alternate_screen()
            && !screen.hide_cursor()
            && !screen.bracketed_paste()
    }

    /// Waits for its end.
    pub fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.seen.lock();
        while !state.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "it did not end; screen:\n{}",
                state.parser.screen().contents()
            );
            state = self.seen.changed.wait_timeout(state, left).unwrap().0;
        }
        drop(state);
        self.child.wait().unwrap()
    }

    /// Leaves it as a person does, and checks that the terminal was given back.
    pub fn quit(mut self) {
        self.press(&["ctrl-c"]);
        let status = self.ended();
        assert!(status.success(), "quitting ended with {status:?}");
        assert!(self.terminal_is_restored());
    }

    /// Waits until the process is stopped, as after ctrl-z. A signal to go on that came before would be lost.
    #[allow(dead_code, reason = "the bench suspends nothing")]
    pub fn stopped(&self) -> &Self {
        let begun = Instant::now();
        let is_stopped = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
            stat.rsplit_once(") ")
                .is_some_and(|(_, rest)| rest.starts_with('T'))
        };
        while !is_stopped() {
            assert!(begun.elapsed() < PATIENCE, "it did not stop");
        }
        self
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    /// The developer log so far.
    pub fn log(&self) -> String {
        let mut text = String::new();
        let folder = self.home.path().join(".local/state/darner");
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            text.push_str(&std::fs::read_to_string(entry.path()).unwrap_or_default());
        }
        text
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        format!(
            "log:\n{}",
            lines[lines.len().saturating_sub(25)..].join("\n")
        )
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
