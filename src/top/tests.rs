//! The screen, key by key.

use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use replug_proto::replug::control::v1 as pb;
use replug_proto::replug::control::v1::plugin::{Kind, State};

use super::drawn;
use super::rates::Look;
use super::screen::{Order, Screen, Verb, Wish};

fn plugin(name: &str, state: State) -> pb::Plugin {
    pb::Plugin {
        name: name.into(),
        kind: Kind::Declared.into(),
        state: state.into(),
        generation: 3,
        restarts: 2,
        command: vec!["/bin/plugin".into()],
        ..pb::Plugin::default()
    }
}

fn screen(plugins: Vec<pb::Plugin>) -> Screen {
    let mut screen = Screen::default();
    screen.see(Look { at: Instant::now(), status: status(plugins) });
    screen
}

fn status(plugins: Vec<pb::Plugin>) -> pb::StatusResponse {
    pb::StatusResponse { app_id: "shop".into(), plugins, ..Default::default() }
}

fn press(screen: &mut Screen, code: KeyCode) -> Wish {
    screen.press(KeyEvent::new(code, KeyModifiers::NONE))
}

#[test]
fn every_plugin_has_a_line_and_the_selected_one_its_details() {
    let mut broken = plugin("broken", State::Backoff);
    broken.reason = "exit status 3".into();
    broken.crash_looping = true;
    let mut screen = screen(vec![plugin("kv", State::Ready), broken]);
    let text = drawn(&screen, 80, 24).unwrap();
    assert!(text.contains("2 plugins: 1 ready, 1 backoff"), "{text}");
    assert!(text.contains("> kv") && text.contains("command     /bin/plugin"), "{text}");
    press(&mut screen, KeyCode::Down);
    let text = drawn(&screen, 80, 24).unwrap();
    assert!(text.contains("> broken") && text.contains("crash-looping"), "{text}");
    assert!(text.contains("wrong       exit status 3"), "{text}");
    // However small or large the screen is, it is drawn.
    for (columns, lines) in [(1, 1), (20, 5), (80, 24), (300, 100)] {
        drawn(&screen, columns, lines).unwrap();
    }
}

#[test]
fn a_plugin_is_restarted_only_after_a_yes() {
    let mut screen = screen(vec![plugin("kv", State::Ready)]);
    assert_eq!(press(&mut screen, KeyCode::Char('r')), Wish::Nothing);
    assert!(drawn(&screen, 80, 24).unwrap().contains("restart kv? y/n"));
    assert_eq!(press(&mut screen, KeyCode::Char('n')), Wish::Nothing);
    assert_eq!(press(&mut screen, KeyCode::Char('y')), Wish::Nothing);
    press(&mut screen, KeyCode::Char('s'));
    let order = Order { what: Verb::Stop, plugin: "kv".into() };
    assert_eq!(press(&mut screen, KeyCode::Char('y')), Wish::Do(order));
    assert_eq!(press(&mut screen, KeyCode::Char('q')), Wish::Quit);
}

#[test]
fn each_process_of_a_plugin_has_a_line_below_it() {
    let mut several = plugin("kv", State::Ready);
    several.instances = vec![plugin("kv@1", State::Ready), plugin("kv@2", State::Backoff)];
    for (number, one) in (1..).zip(&mut several.instances) {
        one.instance = number;
    }
    let mut screen = screen(vec![several, plugin("a", State::Ready)]);
    press(&mut screen, KeyCode::Char('n'));
    let names: Vec<_> = screen.plugins().iter().map(|plugin| plugin.name.clone()).collect();
    assert_eq!(names, ["a", "kv", "kv@1", "kv@2"]);
    let text = drawn(&screen, 80, 24).unwrap();
    assert!(text.contains("2 plugins: 2 ready") && text.contains("1/2 ready"), "{text}");
    press(&mut screen, KeyCode::End);
    press(&mut screen, KeyCode::Char('r'));
    let order = Order { what: Verb::Restart, plugin: "kv@2".into() };
    assert_eq!(press(&mut screen, KeyCode::Char('y')), Wish::Do(order));
}

#[test]
fn a_found_plugin_is_not_replugs_to_restart() {
    let mut found = plugin("found", State::Ready);
    found.kind = Kind::Found.into();
    let mut screen = screen(vec![found]);
    press(&mut screen, KeyCode::Char('r'));
    assert_eq!(screen.asking, None);
    assert!(drawn(&screen, 80, 24).unwrap().contains("replug does not run it"));
}

#[test]
fn the_selection_stays_with_its_plugin_whatever_the_order() {
    let plugins = vec![plugin("b", State::Ready), plugin("a", State::Failed)];
    let mut screen = screen(plugins.clone());
    assert_eq!(screen.selected().unwrap().name, "b");
    press(&mut screen, KeyCode::Char('n'));
    let names: Vec<_> = screen.plugins().iter().map(|plugin| plugin.name.clone()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(screen.selected().unwrap().name, "b");
    // The selected one goes: another is.
    let at = Instant::now() + Duration::from_secs(1);
    screen.see(Look { at, status: status(plugins[1..].to_vec()) });
    assert_eq!(screen.selected().unwrap().name, "a");
    press(&mut screen, KeyCode::Up);
    press(&mut screen, KeyCode::End);
    assert_eq!(screen.selected().unwrap().name, "a");
}
