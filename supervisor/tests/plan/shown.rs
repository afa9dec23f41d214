//! Diagnostics as people and programs get them.

use crate::check;

const TEXT: &str = "\
[plugins.a]
\tcommand = [\"sh\"] # 漢字
\tbuiltin = \"state.sqlite\"
[components.c]
type = \"state.redis\"
hold = 5
";

fn shown(text: &str, colour: bool) -> String {
    let mut out = Vec::new();
    check(text).render(colour, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn each_has_its_line_and_what_would_be_right() {
    let wanted = "\
error: `plugins.a.builtin` stands beside `command`
 --> /plan/plugins.toml:3:2
  |
2 |     command = [\"sh\"] # 漢字
  |     ------- the command
3 |     builtin = \"state.sqlite\"
  |     ^^^^^^^
  |
  = help: keep one of the two: a plugin runs a command or a built-in component type

error: `components.c.hold` is an integer
 --> /plan/plugins.toml:6:8
  |
6 | hold = 5
  |        ^
  |
  = help: write a duration in quotes, such as \"30s\"

/plan/plugins.toml: 2 errors
";
    assert_eq!(shown(TEXT, false), wanted);
}

#[test]
fn colour_is_only_there_where_it_is_asked_for() {
    assert!(shown(TEXT, true).contains("\u{1b}["));
    assert!(!shown(TEXT, false).contains('\u{1b}'));
}

#[test]
fn nothing_is_shown_where_nothing_is_wrong() {
    assert_eq!(shown("", false), "");
}

#[test]
fn errors_and_warnings_are_counted_apart() {
    let text = "x = 1\n[components.c]\ntype = 'state.redis'\n";
    assert!(shown(text, false).ends_with("/plan/plugins.toml: 1 error, 1 warning\n"));
}

#[test]
fn programs_get_every_part() {
    let checked = check(TEXT);
    let wanted = serde_json::json!([
        {
            "severity": "error",
            "file": "/plan/plugins.toml",
            "line": 3,
            "column": 2,
            "key": "plugins.a.builtin",
            "message": "stands beside `command`",
            "help": "keep one of the two: a plugin runs a command or a built-in component type",
            "related": [{ "line": 2, "column": 2, "message": "the command" }],
        },
        {
            "severity": "error",
            "file": "/plan/plugins.toml",
            "line": 6,
            "column": 8,
            "key": "components.c.hold",
            "message": "is an integer",
            "help": "write a duration in quotes, such as \"30s\"",
            "related": [],
        },
    ]);
    assert_eq!(serde_json::to_value(&checked.diagnostics).unwrap(), wanted);
}
