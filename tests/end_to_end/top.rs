//! `replug top` on a terminal, and without one.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::Stdio;

use nix::pty::{Winsize, openpty};
use nix::sys::termios::{LocalFlags, tcgetattr};
use rustix::process::Signal;
use tokio::sync::mpsc;

use crate::rig::{Home, PATIENCE, Process, Replug, misbehave};

fn plan() -> String {
    format!("[plugins.store]\ncommand = [{:?}, \"well\"]\n", misbehave())
}

/// A terminal, from its other side.
struct Screen {
    keys: File,
    drawn: mpsc::UnboundedReceiver<Vec<u8>>,
    seen: vt100::Parser,
    /// Open for as long as the test looks at the terminal's settings.
    terminal: OwnedFd,
}

impl Screen {
    fn new() -> Self {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(&size, None).unwrap();
        let keys = File::from(pair.master);
        let mut drawing = keys.try_clone().unwrap();
        let (sender, drawn) = mpsc::unbounded_channel();
        // Ends with the terminal, when nobody has it open any more.
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = drawing.read(&mut buffer) {
                if sender.send(buffer[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { keys, drawn, seen: vt100::Parser::new(24, 80, 0), terminal: pair.slave }
    }

    fn stdio(&self) -> Stdio {
        self.terminal.try_clone().unwrap().into()
    }

    /// Waits until the screen looks so.
    async fn until(&mut self, what: &str, wanted: impl Fn(&vt100::Screen) -> bool) {
        let search = async {
            while !wanted(self.seen.screen()) {
                let more = self.drawn.recv().await.expect("the terminal is open");
                self.seen.process(&more);
            }
        };
        let found = tokio::time::timeout(PATIENCE, search).await;
        found.unwrap_or_else(|_| panic!("no {what}:\n{}", self.seen.screen().contents()));
    }

    /// Waits until this stands on the screen.
    async fn until_drawn(&mut self, text: &str) {
        self.until(text, |screen| screen.contents().contains(text)).await;
    }

    /// Waits until the program has left the screen to the shell.
    async fn until_given_back(&mut self) {
        self.until("shell's screen", |screen| !screen.alternate_screen()).await;
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Whether the terminal gathers lines and echoes keys, as a shell wants it.
    fn is_as_it_was(&self) -> bool {
        let settings = tcgetattr(&self.terminal).unwrap();
        settings.local_flags.contains(LocalFlags::ICANON | LocalFlags::ECHO)
    }
}

#[tokio::test]
async fn top_shows_the_plugins_restarts_one_and_gives_the_terminal_back() {
    let home = Home::new(&plan());
    let mut replug = Replug::start(&home).await;
    replug.until_ready("store").await;
    let mut screen = Screen::new();
    let mut top = replug.spawn_on(&["top"], [screen.stdio(), screen.stdio(), screen.stdio()]);
    screen.until_drawn("1 plugin: 1 ready").await;
    assert!(!screen.is_as_it_was(), "keys are read one by one");

    screen.press("r");
    screen.until_drawn("restart store? y/n").await;
    screen.press("y");
    replug
        .until("it is restarted", |status| {
            status.plugin("store").unwrap().generation == 2 && status.plugin_is("store", "ready")
        })
        .await;

    screen.press("q");
    screen.until_given_back().await;
    assert!(top.wait().await.unwrap().success());
    assert!(screen.is_as_it_was());
    replug.stop(&home).await;
}

#[tokio::test]
async fn top_gives_the_terminal_back_when_it_is_told_to_end_and_outlives_replug() {
    let home = Home::new(&plan());
    let mut replug = Replug::start(&home).await;
    replug.until_ready("store").await;
    let mut screen = Screen::new();
    let mut top = replug.spawn_on(&["top"], [screen.stdio(), screen.stdio(), screen.stdio()]);
    screen.until_drawn("1 plugin: 1 ready").await;
    replug.stop(&home).await;
    screen.until_drawn("no replug answers").await;

    Process::find(top.id().unwrap()).unwrap().signal(Signal::TERM);
    screen.until_given_back().await;
    assert!(top.wait().await.unwrap().success());
    assert!(screen.is_as_it_was());
}

#[tokio::test]
async fn top_writes_one_screen_for_scripts() {
    let home = Home::new(&plan());
    let mut replug = Replug::start(&home).await;
    replug.until_ready("store").await;
    let once = replug.command(&["top", "--once", "--interval", "100ms"]).await;
    assert_eq!(once.code, Some(0), "{}", once.stderr);
    assert_eq!(once.stdout.lines().count(), 24, "{}", once.stdout);
    let line = once.stdout.lines().find(|line| line.starts_with("> store")).unwrap();
    let columns: Vec<_> = line.split_whitespace().collect();
    let [_, _, state, generation, restarts, cpu, memory, calls, held] = columns[..] else {
        panic!("{line}");
    };
    assert_eq!((state, generation, restarts, calls, held), ("ready", "1", "0", "0.0", "0"));
    assert!(cpu.parse::<f64>().is_ok() && memory.ends_with('M'), "{line}");
    replug.stop(&home).await;
    let gone = crate::rig::Run::replug(&["top", "--once"], &home.plan()).await;
    assert_eq!(gone.code, Some(4), "{}", gone.stderr);
}
