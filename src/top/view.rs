//! The screen as it is drawn: a head, the plugins, a pane, and a line of keys.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize as _};
use ratatui::text::Line;
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Table, TableState, Wrap};
use replug_proto::replug::control::v1 as pb;
use replug_proto::replug::control::v1::plugin::{Kind, State};

use super::screen::{Pane, Screen};
use crate::events;
use crate::status::{bytes, details, plugin_state, state_of};

/// Lines of the pane, its border included, where the screen is high enough.
const PANE: u16 = 9;

const KEYS: &str = "q quit  ↑↓ select  o order  r restart  s stop  a start  d l e panes  ? help";

const HELP: &str = "\
↑ ↓ PgUp PgDn Home End   select a plugin          r   restart it
o   another order        n c m   by name, cpu, memory   R   restart it without a gap
d   what is known of it  l   what it printed      s   stop it
e   what has happened    Tab   the next pane      a   start it
CPU is of one processor; HELD are callers that wait while the plugin is away.";

/// Draws it all.
pub(super) fn draw(screen: &Screen, frame: &mut Frame<'_>) {
    let pane = PANE.min(frame.area().height.saturating_sub(6));
    let [head, table, below, keys] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Min(1),
        Constraint::Length(pane),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(self::head(screen)), head);
    plugins(screen, frame, table);
    self::pane(screen, frame, below);
    frame.render_widget(self::keys(screen), keys);
}

fn head(screen: &Screen) -> Vec<Line<'static>> {
    let Some(look) = &screen.look else { return vec![Line::from("replug")] };
    let status = &look.status;
    let who = format!(
        "replug {}  app {}  pid {}  {}",
        status.version,
        status.app_id,
        status.pid,
        status.listeners.join("  ")
    );
    let count = |state: State| status.plugins.iter().filter(|it| it.state() == state).count();
    let shown = [
        State::Ready,
        State::Starting,
        State::Stopping,
        State::Backoff,
        State::Away,
        State::Failed,
        State::Stopped,
    ];
    let counts = shown.iter().map(|state| (count(*state), plugin_state(*state)));
    let counts = counts.filter(|(count, _)| *count > 0);
    let counts: Vec<_> = counts.map(|(count, state)| format!("{count} {state}")).collect();
    let order = screen.sort.name();
    let all = status.plugins.len();
    let plural = if all == 1 { "" } else { "s" };
    let plugins = format!("{all} plugin{plural}: {}  by {order}", counts.join(", "));
    vec![Line::from(who).bold(), Line::from(plugins)]
}

fn plugins(screen: &Screen, frame: &mut Frame<'_>, area: Rect) {
    let plugins = screen.plugins();
    let heads = ["PLUGIN", "STATE", "GEN", "RESTARTS", "CPU%", "MEMORY", "CALLS/S", "HELD"];
    let heads = heads.iter().enumerate().map(|(column, head)| match column {
        0 | 1 => Cell::from(*head),
        _ => Cell::from(Line::from(*head).right_aligned()),
    });
    let rows = plugins.iter().map(|plugin| row(screen, plugin));
    let widths = [
        Constraint::Fill(1),
        Constraint::Length(14),
        Constraint::Length(5),
        Constraint::Length(8),
        Constraint::Length(6),
        Constraint::Length(8),
        Constraint::Length(9),
        Constraint::Length(6),
    ];
    let table = Table::new(rows, widths)
        .header(Row::new(heads).style(Style::new().add_modifier(Modifier::REVERSED)))
        .row_highlight_style(Style::new().add_modifier(Modifier::BOLD))
        .highlight_symbol("> ");
    let selected = screen.selected().map(|plugin| plugin.name.as_str());
    let at = plugins.iter().position(|plugin| Some(plugin.name.as_str()) == selected);
    let mut state = TableState::new().with_selected(at);
    frame.render_stateful_widget(table, area, &mut state);
}

fn row<'a>(screen: &Screen, plugin: &'a pb::Plugin) -> Row<'a> {
    let rates = screen.rates.get(&plugin.name).copied().unwrap_or_default();
    let calls = plugin.calls.unwrap_or_default();
    let found = if plugin.kind() == Kind::Found { " (found)" } else { "" };
    let state = if plugin.crash_looping { "crash-looping".to_owned() } else { state_of(plugin) };
    let within = if plugin.instance > 0 { "  " } else { "" };
    let number = |text: String| Cell::from(Line::from(text).right_aligned());
    let tenths = |rate: Option<f64>| rate.map_or_else(|| "-".into(), |rate| format!("{rate:.1}"));
    let memory = plugin.usage.map_or_else(|| "-".into(), |usage| bytes(usage.resident));
    Row::new([
        Cell::from(format!("{within}{}{found}", plugin.name)),
        Cell::from(state).style(Style::new().fg(colour(plugin))),
        number(plugin.generation.to_string()),
        number(plugin.restarts.to_string()),
        number(tenths(rates.cpu)),
        number(memory),
        number(tenths(rates.calls)),
        number(if plugin.instance > 0 { "-".to_owned() } else { calls.held.to_string() }),
    ])
}

fn colour(plugin: &pb::Plugin) -> Color {
    match plugin.state() {
        State::Ready if plugin.reason.is_empty() => Color::Green,
        State::Backoff | State::Away | State::Failed => Color::Red,
        _ => Color::Yellow,
    }
}

fn pane(screen: &Screen, frame: &mut Frame<'_>, area: Rect) {
    let Some(plugin) = screen.selected() else { return };
    let name = &plugin.name;
    let (title, lines) = match screen.pane {
        Pane::Details => (format!(" {name} "), details(plugin)),
        Pane::Log => {
            let lines = screen.log(name).iter();
            (format!(" {name}: printed last "), lines.map(|line| line.message.clone()).collect())
        }
        Pane::Events => {
            let of_it = screen.events.iter().filter(|event| {
                let one = || format!("{}@{}", event.plugin, event.instance);
                event.plugin == *name || (plugin.instance > 0 && one() == *name)
            });
            (format!(" {name}: events "), of_it.map(events::short_line).collect())
        }
        Pane::Help => (" keys ".to_owned(), HELP.lines().map(str::to_owned).collect()),
    };
    // The newest is at the end, and has to be seen.
    let room = usize::from(area.height.saturating_sub(1));
    let skipped = match screen.pane {
        Pane::Log | Pane::Events => lines.len().saturating_sub(room),
        Pane::Details | Pane::Help => 0,
    };
    let lines: Vec<Line<'_>> = lines.into_iter().skip(skipped).map(Line::from).collect();
    let text = Paragraph::new(lines).block(Block::new().borders(Borders::TOP).title(title));
    // Where every line is an entry of its own, a long one is cut: else the newest would be.
    let text = if screen.pane == Pane::Details { text.wrap(Wrap { trim: false }) } else { text };
    frame.render_widget(text, area);
}

fn keys(screen: &Screen) -> Paragraph<'static> {
    let line = if let Some(order) = &screen.asking {
        Line::from(format!("{} {}? y/n", order.what.name(), order.plugin)).bold()
    } else if let Some(trouble) = &screen.trouble {
        Line::from(trouble.clone()).red()
    } else if let Some(note) = &screen.note {
        Line::from(note.clone())
    } else {
        Line::from(KEYS).dim()
    };
    Paragraph::new(line)
}
