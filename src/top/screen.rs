//! What the screen is about: which plugin is selected, what is asked, what is known. Keys change it;
//! it does nothing itself and draws nothing.

use std::collections::{HashMap, VecDeque};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use replug_proto::replug::control::v1 as pb;

use super::rates::{Look, Rates, between};

/// Events that are kept for the pane that shows them.
const EVENTS: usize = 500;

/// The whole screen.
#[derive(Debug, Default)]
pub(super) struct Screen {
    pub(super) look: Option<Look>,
    pub(super) rates: HashMap<String, Rates>,
    /// By name: the order of the lines changes.
    selected: Option<String>,
    pub(super) sort: Sort,
    pub(super) pane: Pane,
    /// What waits for a yes.
    pub(super) asking: Option<Order>,
    /// What came of the last order.
    pub(super) note: Option<String>,
    /// Why nothing new is known.
    pub(super) trouble: Option<String>,
    pub(super) events: VecDeque<pb::Event>,
    /// What one plugin printed last, and which.
    log: (String, Vec<pb::LogLine>),
}

/// What the lines are sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Sort {
    /// As plugins.toml has them.
    #[default]
    Plan,
    Name,
    State,
    Restarts,
    Cpu,
    Memory,
    Calls,
}

/// What is shown below the lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Pane {
    #[default]
    Details,
    Log,
    Events,
    Help,
}

/// Something that a running replug is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) what: Verb,
    pub(super) plugin: String,
}

/// What is to become of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Start,
    Stop,
    Restart,
    /// A restart in which the present generation serves until the next is ready.
    Replace,
}

/// What a key asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Nothing,
    Quit,
    Do(Order),
}

// === impl Screen ===

impl Screen {
    /// Takes in a new look at everything.
    pub(super) fn see(&mut self, look: Look) {
        if let Some(before) = &self.look {
            self.rates = between(before, &look);
        }
        self.look = Some(look);
        self.trouble = None;
        if self.selected().is_none() {
            self.selected = self.plugins().first().map(|plugin| plugin.name.clone());
        }
    }

    /// Takes in something that has happened.
    pub(super) fn hear(&mut self, event: pb::Event) {
        if self.events.len() == EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// Takes in what a plugin has printed.
    pub(super) fn read(&mut self, plugin: String, lines: Vec<pb::LogLine>) {
        self.log = (plugin, lines);
    }

    /// What the plugin printed last, as far as it is known.
    pub(super) fn log(&self, plugin: &str) -> &[pb::LogLine] {
        if self.log.0 == plugin { &self.log.1 } else { &[] }
    }

    /// The plugin whose lines are to be read: the selected one, while they are shown.
    pub(super) fn reads(&self) -> Option<&str> {
        let declared = self.selected().filter(|it| it.kind() == pb::plugin::Kind::Declared)?;
        (self.pane == Pane::Log).then_some(&declared.name)
    }

    /// The plugins in the order of their lines, each followed by its processes where it has several.
    pub(super) fn plugins(&self) -> Vec<&pb::Plugin> {
        let Some(look) = &self.look else { return Vec::new() };
        let mut plugins: Vec<&pb::Plugin> = look.status.plugins.iter().collect();
        let rates = |plugin: &pb::Plugin| self.rates.get(&plugin.name).copied().unwrap_or_default();
        // What there is most of comes first; equals stay as plugins.toml has them.
        match self.sort {
            Sort::Plan => {}
            Sort::Name => plugins.sort_by(|a, b| a.name.cmp(&b.name)),
            Sort::State => plugins.sort_by_key(|plugin| badness(plugin)),
            Sort::Restarts => plugins.sort_by_key(|plugin| std::cmp::Reverse(plugin.restarts)),
            Sort::Cpu => plugins.sort_by(|a, b| descending(rates(a).cpu, rates(b).cpu)),
            Sort::Memory => plugins.sort_by_key(|plugin| {
                std::cmp::Reverse(plugin.usage.map_or(0, |usage| usage.resident))
            }),
            Sort::Calls => plugins.sort_by(|a, b| descending(rates(a).calls, rates(b).calls)),
        }
        plugins.into_iter().flat_map(|it| std::iter::once(it).chain(&it.instances)).collect()
    }

    /// The selected plugin, or process of one, if it is there still.
    pub(super) fn selected(&self) -> Option<&pb::Plugin> {
        let name = self.selected.as_deref()?;
        self.plugins().into_iter().find(|plugin| plugin.name == name)
    }

    /// What a key does.
    pub(super) fn press(&mut self, key: KeyEvent) -> Wish {
        if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
            return Wish::Quit;
        }
        if let Some(order) = self.asking.take() {
            // Anything but a yes is a no.
            return match key.code {
                KeyCode::Char('y' | 'Y') => {
                    self.note = Some(format!("{} {} …", order.what.doing(), order.plugin));
                    Wish::Do(order)
                }
                _ => Wish::Nothing,
            };
        }
        self.note = None;
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return Wish::Quit,
            KeyCode::Up | KeyCode::Char('k') => self.step(-1),
            KeyCode::Down | KeyCode::Char('j') => self.step(1),
            KeyCode::PageUp => self.step(-10),
            KeyCode::PageDown => self.step(10),
            KeyCode::Home => self.step(isize::MIN),
            KeyCode::End => self.step(isize::MAX),
            KeyCode::Char('o') => self.sort = self.sort.next(),
            KeyCode::Char('n') => self.sort = Sort::Name,
            KeyCode::Char('c') => self.sort = Sort::Cpu,
            KeyCode::Char('m') => self.sort = Sort::Memory,
            KeyCode::Char('d') => self.pane = Pane::Details,
            KeyCode::Char('l') => self.pane = Pane::Log,
            KeyCode::Char('e') => self.pane = Pane::Events,
            KeyCode::Char('?' | 'h') => self.pane = Pane::Help,
            KeyCode::Tab => self.pane = self.pane.next(),
            KeyCode::Char('r') => self.ask(Verb::Restart),
            KeyCode::Char('R') => self.ask(Verb::Replace),
            KeyCode::Char('s') => self.ask(Verb::Stop),
            KeyCode::Char('a') => self.ask(Verb::Start),
            _ => {}
        }
        Wish::Nothing
    }

    fn ask(&mut self, what: Verb) {
        let Some(plugin) = self.selected() else { return };
        if plugin.kind() == pb::plugin::Kind::Found {
            let name = plugin.name.clone();
            self.note = Some(format!("{name} is found, not declared: replug does not run it"));
            return;
        }
        self.asking = Some(Order { what, plugin: plugin.name.clone() });
    }

    fn step(&mut self, by: isize) {
        let plugins = self.plugins();
        let Some(last) = plugins.len().checked_sub(1) else { return };
        let is_selected = |plugin: &&pb::Plugin| Some(&plugin.name) == self.selected.as_ref();
        let at = plugins.iter().position(is_selected).unwrap_or(0);
        let to = at.saturating_add_signed(by).min(last);
        self.selected = Some(plugins[to].name.clone());
    }
}

/// The worst first.
fn badness(plugin: &pb::Plugin) -> u8 {
    use pb::plugin::State;
    match plugin.state() {
        State::Failed => 0,
        State::Backoff => 1,
        State::Away => 2,
        State::Starting => 3,
        State::Stopping => 4,
        State::Ready if !plugin.reason.is_empty() => 5,
        State::Stopped => 6,
        State::Ready | State::Unspecified => 7,
    }
}

fn descending(a: Option<f64>, b: Option<f64>) -> std::cmp::Ordering {
    b.unwrap_or(-1.0).total_cmp(&a.unwrap_or(-1.0))
}

impl Sort {
    fn next(self) -> Self {
        match self {
            Self::Plan => Self::Name,
            Self::Name => Self::State,
            Self::State => Self::Restarts,
            Self::Restarts => Self::Cpu,
            Self::Cpu => Self::Memory,
            Self::Memory => Self::Calls,
            Self::Calls => Self::Plan,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Name => "name",
            Self::State => "state",
            Self::Restarts => "restarts",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Calls => "calls",
        }
    }
}

impl Pane {
    fn next(self) -> Self {
        match self {
            Self::Details => Self::Log,
            Self::Log => Self::Events,
            Self::Events | Self::Help => Self::Details,
        }
    }
}

impl Verb {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Replace => "restart without a gap",
        }
    }

    fn doing(self) -> &'static str {
        match self {
            Self::Start => "starting",
            Self::Stop => "stopping",
            Self::Restart => "restarting",
            Self::Replace => "replacing",
        }
    }
}
