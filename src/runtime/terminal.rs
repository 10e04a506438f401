//! The terminal, taken and always given back: on quit, panic, SIGTERM, SIGHUP and suspend.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste,
    EnableFocusChange, EnableMouseCapture,
};
use crossterm::style::Print;
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen, SetTitle,
};
use crossterm::{execute, queue};
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Whether the terminal is ours at the moment. The panic hook asks it, which is why it is a static.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Has the terminal remember the title of its window, and give it back (XTWINOPS). One that does not know this ignores
/// it.
const KEEP_TITLE: &str = "\x1b[22;2t";
const FORMER_TITLE: &str = "\x1b[23;2t";

/// The terminal while it is ours. Dropping it gives it back.
pub struct Screen {
    /// What is on it.
    shown: Buffer,
    /// What is being drawn. Kept, so that no frame allocates one.
    next: Buffer,
    mouse: bool,
}

impl Screen {
    /// Takes the terminal: raw mode, alternate screen, bracketed paste, focus reports.
    ///
    /// # Errors
    /// When standard output is no terminal, or the terminal refuses raw mode.
    pub fn take(mouse: bool) -> io::Result<Self> {
        if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            return Err(io::Error::other(
                "standard input and output are no terminal",
            ));
        }
        let mut screen = Self {
            shown: Buffer::empty(Rect::ZERO),
            next: Buffer::empty(Rect::ZERO),
            mouse,
        };
        screen.enter()?;
        Ok(screen)
    }

    /// Draws one frame, as one synchronised update where the terminal knows that, in one write. Where no cell differs from
    /// what is shown, nothing is written. Returns whether one did.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn draw(&mut self, render: impl FnOnce(Rect, &mut Buffer)) -> io::Result<bool> {
        let (width, height) = crossterm::terminal::size()?;
        let area = Rect::new(0, 0, width, height);
        self.next.resize(area);
        self.next.reset();
        render(area, &mut self.next);

        let mut paper = Vec::new();
        queue!(paper, BeginSynchronizedUpdate)?;
        let is_anew = self.shown.area != area;
        if is_anew {
            // What a terminal makes of its content when its size changes is its own affair.
            queue!(paper, Clear(ClearType::All))?;
            self.shown = Buffer::empty(area);
        }
        let mut different = self.shown.diff_iter(&self.next).peekable();
        if !is_anew && different.peek().is_none() {
            return Ok(false);
        }
        CrosstermBackend::new(&mut paper).draw(different)?;
        queue!(paper, EndSynchronizedUpdate)?;
        let mut out = io::stdout().lock();
        out.write_all(&paper)?;
        out.flush()?;
        std::mem::swap(&mut self.shown, &mut self.next);
        Ok(true)
    }

    /// Draws everything anew at the next frame, whatever is on the screen.
    pub fn forget(&mut self) {
        self.shown = Buffer::empty(Rect::ZERO);
    }

    /// Sets the window's title. The text must be free of control characters.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn title(&mut self, title: &str) -> io::Result<()> {
        execute!(io::stdout(), SetTitle(title))
    }

    /// Puts text on the person's clipboard by OSC 52, which also works over ssh.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn copy(&mut self, text: &str) -> io::Result<()> {
        execute!(
            io::stdout(),
            crossterm::clipboard::CopyToClipboard::to_clipboard_from(text)
        )
    }

    /// Turns reports of the mouse on or off.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn mouse(&mut self, on: bool) -> io::Result<()> {
        self.mouse = on;
        if on {
            execute!(io::stdout(), EnableMouseCapture)
        } else {
            execute!(io::stdout(), DisableMouseCapture)
        }
    }

    /// Rings the bell.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn ring(&mut self) -> io::Result<()> {
        let mut out = io::stdout();
        out.write_all(b"\x07")?;
        out.flush()
    }

    /// Gives the terminal back, stops this process as `ctrl-z` does in any program, and takes the terminal again when
    /// the shell resumes it.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn suspend(&mut self) -> io::Result<()> {
        give_back();
        signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP)?;
        self.resume()
    }

    /// Takes the terminal again after something else had it.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn resume(&mut self) -> io::Result<()> {
        self.enter()?;
        self.forget();
        Ok(())
    }

    fn enter(&mut self) -> io::Result<()> {
        crossterm::terminal::enable_raw_mode()?;
        // Continued twice, by whoever stopped us and by ourselves, it is still remembered once.
        if !TAKEN.swap(true, Ordering::SeqCst) {
            execute!(io::stdout(), Print(KEEP_TITLE))?;
        }
        execute!(
            io::stdout(),
            EnterAlternateScreen,
            EnableBracketedPaste,
            EnableFocusChange
        )?;
        if self.mouse {
            execute!(io::stdout(), EnableMouseCapture)?;
        }
        execute!(io::stdout(), crossterm::cursor::Hide)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Gives the terminal back if it is ours. Safe to call at any time, any number of times, from a panic hook too;
/// a terminal that is gone is not an error here.
pub fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout();
    let _ = execute!(
        out,
        EndSynchronizedUpdate,
        DisableMouseCapture,
        DisableFocusChange,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        Print(FORMER_TITLE),
        crossterm::cursor::Show
    );
    let _ = crossterm::terminal::disable_raw_mode();
    let _ = out.flush();
}

/// Reports panics readably. One on the loop gives the terminal back first; one in a task is written to the log and
/// shown by the supervisor, because the loop goes on drawing.
///
/// # Errors
/// When another report hook was installed before.
pub fn install_panic_hook() -> color_eyre::Result<()> {
    let (panic_hook, eyre_hook) = color_eyre::config::HookBuilder::default()
        .display_env_section(false)
        .panic_section("This is a defect of darner. The terminal was restored; nothing was being changed in a cluster.")
        .into_hooks();
    eyre_hook.install()?;
    std::panic::set_hook(Box::new(move |panic| {
        if tokio::task::try_id().is_some() {
            tracing::error!(target: "darner::panic", "{panic}");
        } else {
            give_back();
            tracing::error!(target: "darner::panic", "{panic}");
            // Standard error may be gone with the terminal, and a panic in here would abort.
            let _ = writeln!(io::stderr(), "{}", panic_hook.panic_report(panic));
        }
    }));
    Ok(())
}
