//! What is no TOML: said line by line, without hiding what is wrong elsewhere.

use crate::says;

#[test]
fn what_is_no_toml_is_told_line_by_line_and_the_rest_is_still_read() {
    says(
        "restart
[plugins.a]
rest
start_timeout = 5
",
        &[
            "1:8: error: a key stands alone on its line; write KEY = VALUE",
            "3:5: error: a key stands alone on its line; write KEY = VALUE",
            r#"4:17: error: `plugins.a.start_timeout` is an integer; write a duration in quotes, such as "30s""#,
        ],
    );
    says(
        r#"[plugins.a]
command = ["sh"]
restart = always
start_timeout =
stop_timeout = 09
env = { A = "\q" }
cwd = 1
"#,
        &[
            r#"3:11: error: `always` is text without quotes; write "always", or a number, true or false"#,
            "4:16: error: a value is missing after `=`; write one, or take the key out",
            "5:16: error: unexpected leading zero, expected nothing; write the number without it",
            r#"6:15: error: missing escaped value, expected `b`, `e`, `f`, `n`, `r`, `\`, `"`, `x`, `u`, `U`; write `\\` for a backslash, or put the text in single quotes"#,
            "7:7: error: `plugins.a.cwd` is an integer; write a path in quotes",
        ],
    );
    says(
        r#"[plugins.a]
restart = 1
command = ["sh",
  "-c"
[plugins.b]
restart = 2
"#,
        &[
            r#"2:11: error: `plugins.a.restart` is an integer; write "always", "on-failure" or "never", or a table, such as { policy = "on-failure", success = [3] }"#,
            "5:1: error: missing comma between array elements, expected `,`; write a comma, or close the array before this",
        ],
    );
    says(
        "[plugins.a
restart = 1
",
        &["1:11: error: unclosed table, expected `]`; close it where it ends"],
    );
    says(
        r#"runtime = { app_id = "a"
"#,
        &["1:25: error: unclosed inline table, expected `}`; close it where it ends"],
    );
    says(
        r#"[plugins.a] command = ["sh"]
"#,
        &[
            "1:13: error: unexpected key or value, expected newline, `#`; begin a new line for the next key",
        ],
    );
    says(
        r#"[plugins.a]
command = ["sh"]
cwd = """/tmp
"#,
        &[
            r#"3:14: error: invalid multi-line basic string, expected `"`; close the text with three quotes, as it began"#,
        ],
    );
}

#[test]
fn what_is_given_twice_is_told_with_both_places() {
    says(
        r#"[plugins.a]
command = ["sh"]
command = ["cat"]
[plugins.b]
command = ["sh"]
[plugins.a]
restart = "never"
restart = "always"
"#,
        &[
            "3:1: error: `command` is given twice; keep one of the two; every key and every table is written once (2:1 first given here)",
            "6:10: error: `a` is given twice; keep one of the two; every key and every table is written once (1:10 first given here)",
            "8:1: error: `restart` is given twice; keep one of the two; every key and every table is written once (7:1 first given here)",
        ],
    );
    says(
        r#"[components.c]
type = "state.sqlite"
metadata = { a = 1, b = { a = 2 }, a = 3 }
metadata.b = 4
"#,
        &[
            "3:36: error: `a` is given twice; keep one of the two; every key and every table is written once (3:14 first given here)",
            "4:1: error: cannot extend value of type inline table with a dotted key",
        ],
    );
    says(
        r#"[components.c]
type = "state.sqlite"
metadata.a = 1
metadata.b = 2
metadata.a = 3
[components.c.metadata]
"#,
        &[
            "5:10: error: `a` is given twice; keep one of the two; every key and every table is written once (3:10 first given here)",
            "6:15: error: `metadata` is given twice; keep one of the two; every key and every table is written once (3:1 first given here)",
        ],
    );
}
