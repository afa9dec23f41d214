//! Plans that are wrong, each with everything that is said of it.

use crate::says;

#[test]
fn unknown_keys_are_told_with_the_nearest_good_one() {
    says(
        r#"[runtime]
run_dri = "/x"
ports = 1
[plugin.a]
command = ["sh"]
[plugins.a]
comand = ["sh"]
command = ["sh"]
backoff = { inital = "1s" }
[plugins.my.app]
command = ["sh"]
[components.c]
type = "state.sqlite"
Metadata = {}
"#,
        &[
            "2:1: error: `runtime.run_dri` is no key that replug knows; did you mean `run_dir`?",
            "3:1: error: `runtime.ports` is no key that replug knows; there are `app_id`, `grpc`, `http`, `run_dir`, `socket_dir`, `control`, `control_group`, `forget_after`, `max_message`, `resources`, `metrics`, `configuration`",
            "4:2: error: `plugin` is no table that replug knows; did you mean `plugins`?",
            "7:1: error: `plugins.a.comand` is no key that replug knows; did you mean `command`?",
            "9:13: error: `plugins.a.backoff.inital` is no key that replug knows; did you mean `initial`?",
            r#"10:10: error: `plugins.my` has neither `command` nor `builtin`; write what to run, such as command = ["./my-plugin"]"#,
            r#"10:13: error: `plugins.my.app` is no key that replug knows; a name with a dot in it stands in quotes: [plugins."my.app"]"#,
            "14:1: error: `components.c.Metadata` is no key that replug knows; did you mean `metadata`?",
        ],
    );
}

#[test]
fn what_is_wrong_with_the_application_is_told() {
    says(
        r#"[runtime]
http = "0.0.0.0:3500"
[app]
port = 3500
protocol = "htp"
address = "127.0.0.1:80"
max_concurrency = "many"
token = "two\nlines"
disable_init_endpoints = ["config", "health"]
health = { path = "healthz", interval = "1s", timeout = "2s", threshold = 0 }
ssl = true
"#,
        &[
            "4:8: error: `app.port` is 3500, where `runtime.http` has replug itself listen; write the port of the application, or let replug listen elsewhere (2:8 replug's own)",
            r#"5:12: error: `app.protocol` is "htp", no protocol that an application could speak; did you mean "http"?"#,
            r#"6:11: error: `app.address` is "127.0.0.1:80", which is no host; write a name or an address without a port, such as "127.0.0.1""#,
            "7:19: error: `app.max_concurrency` is a string; write a number of requests, such as 100",
            "8:9: error: `app.token` is unusable: the application's token has characters in it that no header can carry; write it without line ends and control characters",
            r#"9:37: error: `app.disable_init_endpoints[1]` is "health", which the application is not asked for; there are "config" and "subscribe""#,
            r#"10:19: error: `app.health.path` is "healthz", which is no path; write a path that begins with a slash, such as "/healthz""#,
            "10:57: error: `app.health.timeout` is 2s, and `interval` is 1s; a check ends before the next one begins: write a shorter `timeout`",
            "10:75: error: `app.health.threshold` is 0; write a number from 1 on",
            "11:1: error: `app.ssl` is no key that replug knows; there are `port`, `protocol`, `address`, `max_concurrency`, `health`, `token`, `binding_options_timeout`, `disable_init_endpoints`",
        ],
    );
    says(
        "[app]\nport = 70000\n",
        &["2:8: error: `app.port` is 70000; write a port from 1 to 65535"],
    );
    says(
        "[app]\nprotocol = \"grpc\"\n",
        &[
            "1:2: error: `app` has no `port`; write the port that the application listens on, such as port = 8080, or take [app] out",
        ],
    );
}

#[test]
fn a_control_group_has_to_be_one_of_this_machine() {
    says(
        "[runtime]\ncontrol_group = \"no-such-group\"\n",
        &[
            r#"2:17: error: `runtime.control_group` is "no-such-group", and this machine has no such group; write the name of a group that `getent group` lists, or add it with `groupadd`"#,
        ],
    );
    says(
        "[runtime]\ncontrol_group = 100\n",
        &[
            r#"2:17: error: `runtime.control_group` is an integer; write a group in quotes, such as "ops""#,
        ],
    );
}

#[test]
fn what_becomes_of_output_is_checked() {
    says(
        r#"[defaults]
log = { file = "all.log" }
[plugins.a]
command = ["sh"]
[plugins.b]
command = ["sh"]
[plugins.c]
command = ["sh"]
log = { file = "/plan/all.log", ring = "2G", to_log = "yes", max_size = "1K" }
[plugins.d]
command = ["sh"]
log = { file = true, max_age = "0s", keep = -1, stamps = 1, size = "1M" }
[plugins.e]
command = ["sh"]
log = { file = "logs/" }
[plugins.f]
command = ["sh"]
log = "f.log"
"#,
        &[
            "2:16: error: `defaults.log.file` makes /plan/all.log the file of a and of b; give each its own: `{name}` in it stands for the plugin's name",
            r#"9:40: error: `plugins.c.log.ring` is "2G"; write at most "1G", which each plugin may take"#,
            "9:55: error: `plugins.c.log.to_log` is a string; write true or false",
            r#"9:73: error: `plugins.c.log.max_size` is "1K"; write "64K" or more"#,
            "12:16: error: `plugins.d.log.file` is a boolean; write a path in quotes, or false",
            r#"12:32: error: `plugins.d.log.max_age` is zero; write a duration above zero, such as "100ms""#,
            "12:45: error: `plugins.d.log.keep` is -1; write a number from 0 on",
            "12:58: error: `plugins.d.log.stamps` is an integer; write true or false",
            "12:61: error: `plugins.d.log.size` is no key that replug knows; there are `ring`, `to_log`, `file`, `max_size`, `max_age`, `keep`, `stamps`",
            r#"15:16: error: `plugins.e.log.file` is "logs/", which is no file; write a file, such as "logs/{name}.log""#,
            r#"18:7: error: `plugins.f.log` is a string; write a table, such as { file = "logs/{name}.log" }"#,
        ],
    );
    says(
        r#"[plugins.a]
command = ["sh"]
log = { file = "a.log" }
[plugins.b]
command = ["sh"]
log = { file = "/plan/{name}.log" }
[plugins.c]
command = ["sh"]
log = { file = "/plan/a.log" }
"#,
        &[
            "9:16: error: `plugins.c.log.file` makes /plan/a.log the file of a and of c; give each its own: `{name}` in it stands for the plugin's name (3:16 the other one)",
        ],
    );
}

#[test]
fn what_runtime_says_is_checked() {
    says(
        r#"[runtime]
app_id = ""
grpc = 50001
http = ["127.0.0.1", 3500, "localhost:x", "unix:", "3500"]
run_dir = ""
socket_dir = ["/a"]
control = "/a\u0000"
forget_after = 30
max_message = "4MB"
"#,
        &[
            r#"2:10: error: `runtime.app_id` is empty; write letters, digits, `-` and `_`, such as "checkout""#,
            r#"3:8: error: `runtime.grpc` is an integer; write an address such as "127.0.0.1:50001", a list of addresses, or false"#,
            r#"4:9: error: `runtime.http[0]` is "127.0.0.1", which has no port; write "IP:PORT", "localhost:PORT" or "unix:/PATH.sock""#,
            r#"4:22: error: `runtime.http[1]` is an integer; write an address such as "127.0.0.1:3500", a list of addresses, or false"#,
            r#"4:28: error: `runtime.http[2]` is "localhost:x", which has no port from 0 to 65535 after `localhost:`; write "IP:PORT", "localhost:PORT" or "unix:/PATH.sock""#,
            r#"4:43: error: `runtime.http[3]` is "unix:", which has no path; write "IP:PORT", "localhost:PORT" or "unix:/PATH.sock""#,
            r#"4:52: error: `runtime.http[4]` is "3500", which is no address to listen at; write "IP:PORT", "localhost:PORT" or "unix:/PATH.sock""#,
            "5:11: error: `runtime.run_dir` is empty; write a path, or take the key out",
            "6:14: error: `runtime.socket_dir` is an array; write a path in quotes",
            r"7:11: error: `runtime.control` has a zero byte in it; take the \u0000 out",
            r#"8:16: error: `runtime.forget_after` is an integer; write a duration in quotes, such as "30s""#,
            r#"9:15: error: `runtime.max_message` is "4MB", which is no size; write a whole number and a unit out of K, M, G and T (of 1024), such as "64M""#,
        ],
    );
    says(
        r#"[runtime]
app_id = "a.b"
grpc = true
forget_after = "5M"
max_message = "1"
"#,
        &[
            r#"2:10: error: `runtime.app_id` is "a.b", which has a dot or a slash in it; write letters, digits, `-` and `_`, such as "checkout""#,
            r#"3:8: error: `runtime.grpc` is a boolean; write an address such as "127.0.0.1:50001", a list of addresses, or false"#,
            r#"4:16: error: `runtime.forget_after` is "5M", which is no duration; write minutes with a small m: "5m""#,
            r#"5:15: error: `runtime.max_message` is "1"; write a size from "1K" to below "4G""#,
        ],
    );
    says(
        r#"[runtime]
app_id = "a||b"
forget_after = "5 parsecs"
max_message = 4
"#,
        &[
            r#"2:10: error: `runtime.app_id` is "a||b", which has `||`, a space or a control character in it; write letters, digits, `-` and `_`, such as "checkout""#,
            r#"3:16: error: `runtime.forget_after` is "5 parsecs", which is no duration; write a number and a unit out of ms, s, m, h and d, such as "500ms", "30s" or "1h30m""#,
            r#"4:15: error: `runtime.max_message` is an integer; write a size in quotes, such as "4M""#,
        ],
    );
    says(
        r#"runtime = 3
plugins = []
components = "x"
"#,
        &[
            "1:11: error: `runtime` is an integer; write a table: [runtime]",
            "2:11: error: `plugins` is an array; write a table for each: [plugins.NAME]",
            "3:14: error: `components` is a string; write a table for each: [components.NAME]",
        ],
    );
}

#[test]
fn what_a_plugin_says_is_checked() {
    says(
        r#"[plugins.a]
command = "python3 main.py"
args = ["-v", 1, "\u0000"]
env = { A = 1, "B=" = "b", REPLUG_SOCKET_FOLDER = "/x" }
restart = "on_failure"
backoff = { initial = "1m", max = "1s" }
start_timeout = "0s"
stop_timeout = 10.5
stop_signal = "SIGTREM"
socket = "a.sock"
health = { interval = "0s", failures = 0, on_unhealthy = "kill", period = "1s" }
"#,
        &[
            r#"2:11: error: `plugins.a.command` is a string; write an array of strings: ["python3", "main.py"]"#,
            "3:15: error: `plugins.a.args[1]` is an integer; write a string, in quotes",
            r"3:18: error: `plugins.a.args[2]` has a zero byte in it; take the \u0000 out",
            "4:13: error: `plugins.a.env.A` is an integer; write it in quotes: variables are strings",
            r#"4:16: error: `plugins.a.env."B="` is no name for a variable; name it with letters, digits and `_`"#,
            "4:28: error: `plugins.a.env.REPLUG_SOCKET_FOLDER` is set by replug for every start; take it out; a plugin that does not listen where it is told has `socket`",
            r#"5:11: error: `plugins.a.restart` is "on_failure"; did you mean "on-failure"?"#,
            "6:35: error: `plugins.a.backoff.max` makes the longest delay (1s) shorter than the first one (1m); write a `max` that is at least `initial`",
            r#"7:17: error: `plugins.a.start_timeout` is zero; write a duration above zero, such as "100ms""#,
            r#"8:16: error: `plugins.a.stop_timeout` is a float; write a duration in quotes, such as "30s""#,
            r#"9:15: error: `plugins.a.stop_signal` is "SIGTREM", which is no signal; did you mean "SIGTERM"?"#,
            r#"10:10: error: `plugins.a.socket` is "a.sock"; write an absolute path, or take the key out: then the plugin is told a folder"#,
            r#"11:23: error: `plugins.a.health.interval` is zero; write a duration above zero, such as "100ms""#,
            "11:40: error: `plugins.a.health.failures` is 0; write a number from 1 on",
            r#"11:58: error: `plugins.a.health.on_unhealthy` is "kill"; write one of "restart", "report""#,
            "11:66: error: `plugins.a.health.period` is no key that replug knows; there are `interval`, `timeout`, `failures`, `on_unhealthy`, `exec`, `tcp`, `http`, `start_period`, `ready`",
        ],
    );
    says(
        r#"[plugins.a]
[plugins.b]
command = []
builtin = "state.sqlit"
[plugins.c]
command = [""]
backoff = { max = "1ms" }
[plugins.d]
builtin = 1
backoff = "1s"
[plugins]
e = ["sh"]
[[plugins.f]]
command = ["sh"]
"#,
        &[
            r#"1:10: error: `plugins.a` has neither `command` nor `builtin`; write what to run, such as command = ["./my-plugin"]"#,
            r#"3:11: error: `plugins.b.command` is empty; write the program and its arguments, such as ["./my-plugin", "--pool", "8"]"#,
            "4:1: error: `plugins.b.builtin` stands beside `command`; keep one of the two: a plugin runs a command or a built-in component type (3:1 the command)",
            r#"4:11: error: `plugins.b.builtin` is "state.sqlit", which is no built-in component type; did you mean "state.sqlite"?"#,
            "6:12: error: `plugins.c.command[0]` is empty; write the program to run",
            "7:19: error: `plugins.c.backoff.max` makes the longest delay (1ms) shorter than the first one (100ms); write a `max` that is at least `initial`",
            r#"9:11: error: `plugins.d.builtin` is an integer; write a component type, such as "state.sqlite""#,
            r#"10:11: error: `plugins.d.backoff` is a string; write a table, such as { initial = "100ms" }"#,
            "12:5: error: `plugins.e` is an array; write a table: [plugins.e]",
            "13:1: error: `plugins.f` is an array; write a table: [plugins.f]",
        ],
    );
    says(
        r#"[plugins.""]
command = ["sh"]
[plugins.".a"]
command = ["sh"]
[plugins."a/b"]
command = ["sh"]
[plugins.é]
command = ["sh"]
[plugins."a b"]
command = ["sh"]
[plugins.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]
command = ["sh"]
"#,
        &[
            r#"1:10: error: `plugins.""` has an empty name; use letters, digits, `-`, `_` and `.`, at most 64 bytes"#,
            r#"3:10: error: `plugins.".a"` has a name that begins with a dot; use letters, digits, `-`, `_` and `.`, at most 64 bytes"#,
            r#"5:10: error: `plugins."a/b"` has a name with '/' in it; use letters, digits, `-`, `_` and `.`, at most 64 bytes"#,
            "7:10: error: invalid unquoted key, expected letters, numbers, `-`, `_`; put the key in quotes",
            r#"9:10: error: `plugins."a b"` has a name with ' ' in it; use letters, digits, `-`, `_` and `.`, at most 64 bytes"#,
            "11:10: error: `plugins.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` has a name of 65 bytes; use letters, digits, `-`, `_` and `.`, at most 64 bytes",
        ],
    );
}

#[test]
fn what_is_said_of_probes_and_notifications_is_checked() {
    says(
        r#"[plugins.a]
command = ["sh"]
health = { exec = [], tcp = "localhost" }
[plugins.b]
command = ["sh"]
health = { http = "https://localhost/", ready = "yes" }
[plugins.c]
command = ["sh"]
health = { start_period = "1s", ready = true }
watchdog = "1s"
[plugins.d]
command = ["sh"]
health = { tcp = "unix:db.sock" }
notify = true
env = { NOTIFY_SOCKET = "/x" }
[plugins.e]
command = ["sh"]
health = { tcp = "db:99999" }
notify = 1
"#,
        &[
            r#"3:19: error: `plugins.a.health.exec` is empty; write the program and its arguments, such as ["./is-alive", "--quick"]"#,
            "3:23: error: `plugins.a.health.tcp` stands beside `exec`; keep one of the two: a plugin has one probe; one that runs a command can ask more (3:12 the other one)",
            r#"3:29: error: `plugins.a.health.tcp` is "localhost", which is no address; write "HOST:PORT" or "unix:/PATH.sock""#,
            r#"6:19: error: `plugins.b.health.http` is "https://localhost/", which does not begin with http://; write a URL such as "http://127.0.0.1:8080/healthz"; for anything else there is `exec`"#,
            "6:49: error: `plugins.b.health.ready` is a string; write true or false",
            "9:12: error: `plugins.c.health.start_period` is about a probe, and there is none; write what is asked: `exec`, `tcp` or `http`",
            "9:33: error: `plugins.c.health.ready` is about a probe, and there is none; write what is asked: `exec`, `tcp` or `http`",
            "10:1: error: `plugins.c.watchdog` is fed by `sd_notify`, which is off; write notify = true beside it, for a plugin that sends WATCHDOG=1",
            r#"13:18: error: `plugins.d.health.tcp` is "unix:db.sock", which has no absolute path; write "HOST:PORT" or "unix:/PATH.sock""#,
            "15:7: error: `plugins.d.env` is set by replug where `notify` is true; take it out, or take `notify` out",
            r#"18:18: error: `plugins.e.health.tcp` is "db:99999", which has no port from 1 to 65535; write "HOST:PORT" or "unix:/PATH.sock""#,
            "19:10: error: `plugins.e.notify` is an integer; write true or false",
        ],
    );
}

#[test]
fn what_is_to_be_watched_is_checked() {
    says(
        r#"[plugins.a]
command = ["sh"]
watch = "main.py"
[plugins.b]
command = ["sh"]
watch = ["no-such-file", "src/[a-.py", "", 1]
[plugins.c]
builtin = "state.sqlite"
watch = true
[plugins.d]
command = ["sh"]
watch = []
"#,
        &[
            r#"3:9: error: `plugins.a.watch` is a string; write true, or an array of paths, such as ["main.py", "src/**/*.py"]"#,
            "6:10: warning: `plugins.b.watch[0]` names /plan/no-such-file, which does not exist; nothing is watched there until it does",
            r#"6:26: error: `plugins.b.watch[1]` is "src/[a-.py", which is no pattern: invalid range; 'a' > '.'; write one such as "src/**/*.py""#,
            "6:40: error: `plugins.b.watch[2]` is empty; write a path",
            "6:44: error: `plugins.b.watch[3]` is an integer; write a path in quotes",
            "9:9: error: `plugins.c.watch` stands beside `builtin`; name files, or take it out: a built-in is a part of replug itself",
            r#"12:9: error: `plugins.d.watch` is empty; write true, or an array of paths, such as ["main.py", "src/**/*.py"]"#,
        ],
    );
}

#[test]
fn what_restart_says_of_ends_is_checked() {
    says(
        r#"[plugins.a]
command = ["sh"]
restart = 3
[plugins.b]
command = ["sh"]
restart = { policy = "alway", success = 0, prevent = [256, -1, "SIGTREM", 1.5], sucess = [] }
"#,
        &[
            r#"3:11: error: `plugins.a.restart` is an integer; write "always", "on-failure" or "never", or a table, such as { policy = "on-failure", success = [3] }"#,
            r#"6:22: error: `plugins.b.restart.policy` is "alway"; did you mean "always"?"#,
            r#"6:41: error: `plugins.b.restart.success` is an integer; write an array of exit statuses and signals, such as [3, "SIGTERM"]"#,
            "6:55: error: `plugins.b.restart.prevent[0]` is 256; write an exit status from 0 to 255",
            "6:60: error: `plugins.b.restart.prevent[1]` is -1; write an exit status from 0 to 255",
            r#"6:64: error: `plugins.b.restart.prevent[2]` is "SIGTREM", which is no signal; did you mean "SIGTERM"?"#,
            r#"6:75: error: `plugins.b.restart.prevent[3]` is a float; write an exit status, such as 3, or a signal's name, such as "SIGTERM""#,
            "6:81: error: `plugins.b.restart.sucess` is no key that replug knows; did you mean `success`?",
        ],
    );
}
