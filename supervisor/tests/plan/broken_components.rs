//! Components that are wrong, each with everything that is said of it.

use crate::says;

#[test]
fn what_a_component_says_is_checked() {
    says(
        r#"[components.a]
type = "stat.redis"
version = 1
hold = 5
hold_limit = -1
replay = "read"
metadata = 3
[components.b]
hold_limit = "many"
[components.c]
type = "state"
[components.d]
type = ["state.sqlite"]
hold_limit = 99999999999999999999
[components."e/f"]
type = "state.sqlite"
[components."."]
type = "state.sqlite"
[components."g%20"]
type = "foo.bar"
[components.""]
type = "state.sqlite"
[components.h]
type = "state.sqlite"
max_calls = 0
[components.i]
type = "state.sqlite"
max_calls = "many"
max_bytes = 4096
[components.j]
type = "state.sqlite"
max_bytes = "0"
[components.k]
type = "state.sqlite"
max_bytes = "4 pages"
"#,
        &[
            r#"2:8: error: `components.a.type` is "stat.redis", and `stat` is no building block; did you mean "state.redis"?"#,
            r#"3:11: error: `components.a.version` is an integer; write a string, such as "v1""#,
            r#"4:8: error: `components.a.hold` is an integer; write a duration in quotes, such as "30s""#,
            "5:14: error: `components.a.hold_limit` is -1; write a number from 0 on",
            r#"6:10: error: `components.a.replay` is "read"; did you mean "reads"?"#,
            r#"7:12: error: `components.a.metadata` is an integer; write a table, such as { table = "orders" }"#,
            r#"8:13: error: `components.b` has no `type`; write a component type, such as type = "state.sqlite""#,
            "9:14: error: `components.b.hold_limit` is a string; write a number of callers, such as 10000",
            r#"11:8: error: `components.c.type` is "state", which is no component type; write BLOCK.NAME, such as "state.sqlite""#,
            r#"13:8: error: `components.d.type` is an array; write a component type, such as "state.sqlite""#,
            "14:14: error: `components.d.hold_limit` is 99999999999999999999; write a number from 0 on",
            r#"15:13: error: `components."e/f"` has a name with '/' in it; give it a name without `/` and `%`; applications call it by that"#,
            r#"17:13: error: `components."."` has the name `.`; give it a name without `/` and `%`; applications call it by that"#,
            r#"19:13: error: `components."g%20"` has a name with '%' in it; give it a name without `/` and `%`; applications call it by that"#,
            r#"20:8: error: `components."g%20".type` is "foo.bar", and `foo` is no building block; there are state, pubsub, bindings, secretstores, configuration, lock, hello"#,
            r#"21:13: error: `components.""` has an empty name; give it a name without `/` and `%`; applications call it by that"#,
            "25:13: error: `components.h.max_calls` is 0; write a number from 1 on",
            "28:13: error: `components.i.max_calls` is a string; write a number of calls, such as 1000",
            r#"29:13: error: `components.i.max_bytes` is an integer; write a size in quotes, such as "64M""#,
            r#"32:13: error: `components.j.max_bytes` is "0"; write a size that a call fits into, such as "64M""#,
            r#"35:13: error: `components.k.max_bytes` is "4 pages", which is no size; write a whole number and a unit out of K, M, G and T (of 1024), such as "64M""#,
        ],
    );
}

#[test]
fn metadata_is_checked() {
    says(
        r#"[components.a]
type = "state.sqlite"
[components.a.metadata]
unset = { env = "NO_SUCH" }
secret = { secret = "vault" }
number = { env = 3 }
fallback = { env = "A", default = "x" }
large = 99999999999999999999
infinite = [inf]
KEYPREFIX = "a||b"
"" = "x"
"#,
        &[
            "4:9: error: `components.a.metadata.unset` takes the environment variable `NO_SUCH`, which is not set; set it before replug starts, or write the value here",
            r#"5:10: error: `components.a.metadata.secret` takes the secret "vault", which names no store; write { secret = "STORE/NAME" }, and key = "KEY" beside it where the secret has several values"#,
            r#"6:10: error: `components.a.metadata.number` has an integer where a name belongs; write { env = "VAR" }, with the name in quotes"#,
            r#"7:12: error: `components.a.metadata.fallback` has other keys beside `env`; write { env = "VAR" } alone, or the table as a string of JSON"#,
            "8:9: error: `components.a.metadata.large` has the number 99999999999999999999, which does not fit into 64 bits; write it in quotes",
            "9:12: error: `components.a.metadata.infinite` has inf in it, which JSON cannot say; write a finite number; metadata that is an array or a table becomes JSON",
            r#"10:13: error: `components.a.metadata.KEYPREFIX` is "a||b", and `||` parts the prefix from the key; write "appid", "name", "none", or a text without `||`"#,
            r#"11:1: error: `components.a.metadata.""` has an empty name; give it one"#,
        ],
    );
}
