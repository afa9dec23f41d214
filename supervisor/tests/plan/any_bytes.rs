//! Whatever is in the file, it is answered, and what is said of it is about it.

use std::fs;

use proptest::collection::vec;
use proptest::prelude::*;
use replug_supervisor::plan::{Checked, Plan};

use crate::{check, surroundings};

/// A plan with everything in it, to be spoilt.
const WHOLE: &str = r#"
[runtime]
app_id = "checkout"
grpc = ["127.0.0.1:1", "unix:/a.sock"]
http = false
run_dir = "/run/x"
max_message = "4M"
[plugins.pg-state]
command = ["sh", "-c", "exit"]
env = { RUST_LOG = "info" }
restart = "always"
backoff = { initial = "100ms", max = "30s", stable_after = "10s" }
[plugins."a.b"]
builtin = "state.sqlite"
stop_signal = "SIGTERM"
[components.orders]
type = "state.sqlite"
hold = "5s"
hold_limit = 10_000
max_calls = 20_000
max_bytes = "256M"
[components.orders.metadata]
text = """several
lines"""
dsn = { env = "GREETING" }
list = [1, 2.5, { a = true }]
"#;

/// Pieces that mean something to a parser.
const PIECES: [&str; 20] = [
    "[", "]", "[[", "{", "}", "=", ",", ".", "\"", "'", "\"\"\"", "\n", "#", "\\u", "0x", "_",
    "env", "\u{feff}", "\r", "é",
];

/// That whatever was found can be shown, is in the text, and says whether there is a plan.
fn holds(checked: &Checked) {
    assert_eq!(checked.plan.is_some(), checked.errors() == 0, "{:?}", checked.diagnostics);
    for found in &checked.diagnostics {
        let related = found.related.iter().map(|related| &related.at);
        for at in found.at.iter().chain(related) {
            assert!(checked.source.get(at.bytes.clone()).is_some(), "{found:?}");
            assert!(at.line >= 1 && at.column >= 1, "{found:?}");
            assert!(at.line <= checked.source.lines().count().max(1), "{found:?}");
        }
    }
    checked.render(true, &mut Vec::new()).unwrap();
}

fn cut(text: &str, at: prop::sample::Index) -> usize {
    let ends: Vec<_> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    ends[at.index(ends.len())]
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in vec(any::<u8>(), 0..200)) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plugins.toml");
        fs::write(&file, bytes).unwrap();
        holds(&Plan::load(&file, &surroundings()));
    }

    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        holds(&check(&text));
    }

    #[test]
    fn any_row_of_tokens_is_answered(pieces in vec(prop::sample::select(PIECES.as_slice()), 0..40)) {
        holds(&check(&pieces.concat()));
    }

    #[test]
    fn a_spoilt_plan_is_answered(
        spoils in vec(
            (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..PIECES.len(), 0..4),
            1..6,
        ),
    ) {
        let mut text = WHOLE.to_owned();
        for (from, to, piece, what) in spoils {
            let (from, to) = (cut(&text, from), cut(&text, to));
            let (from, to) = (from.min(to), from.max(to));
            match what {
                0 => text.insert_str(from, PIECES[piece]),
                1 => text.replace_range(from..to.min(cut_after(&text, from)), ""),
                2 => text = [&text[..to], &text[from..]].concat(),
                _ => text.truncate(to),
            }
        }
        holds(&check(&text));
    }
}

/// The end of the line that `at` is in.
fn cut_after(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |end| at + end)
}

#[test]
fn the_plan_that_is_spoilt_is_a_good_one() {
    assert_eq!(check(WHOLE).diagnostics, []);
}

#[test]
fn deep_nesting_is_an_error_and_not_the_end() {
    for deep in ["[".repeat(100_000), "{a=".repeat(100_000), format!("a{}=1", ".a".repeat(10_000))]
    {
        let checked = check(&format!("x = {deep}"));
        assert_eq!(checked.plan, None);
        holds(&check(&deep));
    }
}
