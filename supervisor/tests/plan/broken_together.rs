//! Tables that are good by themselves and wrong together.

use crate::says;

#[test]
fn no_two_listen_at_one_place() {
    says(
        r#"[runtime]
grpc = "127.0.0.1:1"
http = ["[::1]:1", "localhost:1"]
control = "/a.sock"
[plugins.a]
command = ["sh"]
socket = "/a.sock"
[plugins.b]
command = ["sh"]
socket = "/b.sock"
[plugins.c]
command = ["sh"]
socket = "/b.sock"
"#,
        &[
            "3:20: error: `runtime.http[1]` is 127.0.0.1:1, where `runtime.grpc` listens already; give each its own (2:8 the other one)",
            "7:10: error: `plugins.a.socket` is unix:/a.sock, where `runtime.control` listens already; give each its own (4:11 the other one)",
            "13:10: error: `plugins.c.socket` is unix:/b.sock, where `plugins.b.socket` listens already; give each its own (10:10 the other one)",
        ],
    );
    says(
        r#"[runtime]
grpc = "127.0.0.1:3500"
"#,
        &[
            "2:8: error: `runtime.grpc` is 127.0.0.1:3500, where `runtime.http` listens already; give each its own",
        ],
    );
}

#[test]
fn what_replug_owns_is_not_in_the_folder_of_what_it_finds() {
    says(
        r#"[runtime]
socket_dir = "/s"
grpc = "unix:/s/grpc.sock"
[plugins.a]
command = ["sh"]
socket = "/s/a.sock"
"#,
        &[
            "3:8: error: `runtime.grpc` puts /s/grpc.sock into the folder of found plugins; that folder is for plugins that replug does not run: use another one (2:14 that folder)",
            "6:10: error: `plugins.a.socket` puts /s/a.sock into the folder of found plugins; that folder is for plugins that replug does not run: use another one (2:14 that folder)",
        ],
    );
    says(
        r#"[runtime]
run_dir = "/s"
socket_dir = "/s"
"#,
        &[
            "3:14: error: `runtime.socket_dir` puts /s/control.sock into the folder of found plugins; that folder is for plugins that replug does not run: use another one",
        ],
    );
}

#[test]
fn socket_paths_that_the_system_would_not_take_are_errors() {
    says(
        r#"[runtime]
run_dir = "/run/a-folder-with-a-very-long-name/and-another-one-in-it/where-the-sockets-go"
grpc = "unix:/a-folder-with-a-very-long-name/another-one-with-a-long-name/and-another-one/where-the-sockets-go/one-more/a.sock"
[plugins.settings]
command = ["sh"]
[plugins.fixed]
command = ["sh"]
socket = "/fixed.sock"
"#,
        &[
            "3:8: error: `runtime.grpc` makes a socket path of 113 bytes (/a-folder-with-a-very-long-name/another-one-with-a-long-name/and-another-one/where-the-sockets-go/one-more/a.sock); a socket path may have 107 bytes: write a shorter one",
            "4:10: error: `plugins.settings` would have sockets in /run/a-folder-with-a-very-long-name/and-another-one-in-it/where-the-sockets-go with paths of up to 140 bytes, and the system takes 107; set a `run_dir` in [runtime] that is 33 bytes shorter, or shorten the name",
        ],
    );
    says(
        r#"[runtime]
run_dir = "/run/a-folder-with-a-very-long-name/and-another-one-in-it/where-the-sockets-go/and-yet-another-one"
"#,
        &[
            "2:11: error: `runtime.run_dir` makes a socket path of 111 bytes (/run/a-folder-with-a-very-long-name/and-another-one-in-it/where-the-sockets-go/and-yet-another-one/control.sock); a socket path may have 107 bytes: write a shorter one",
        ],
    );
    says(
        r#"[plugins.a]
command = ["sh"]
socket = "/a-folder-with-a-very-long-name/another-one-with-a-long-name/and-another-one/where-the-sockets-go/one-more/a.sock"
"#,
        &[
            "3:10: error: `plugins.a.socket` makes a socket path of 113 bytes (/a-folder-with-a-very-long-name/another-one-with-a-long-name/and-another-one/where-the-sockets-go/one-more/a.sock); a socket path may have 107 bytes: write a shorter one",
        ],
    );
}

#[test]
fn a_type_that_nobody_can_serve_is_a_warning() {
    says(
        r#"[components.a]
type = "state.sqlit"
[components.b]
type = "lock.mine"
[plugins.p]
builtin = "hello.helloworld"
"#,
        &[
            r#"2:8: warning: `components.a.type` is "state.sqlit", which no plugin here serves and replug does not have; did you mean "state.sqlite"?"#,
            r#"4:8: warning: `components.b.type` is "lock.mine", which no plugin here serves and replug does not have; declare a plugin that does, set `socket_dir`, or use one of state.sqlite, state.in-memory, hello.helloworld, secretstores.local.file"#,
        ],
    );
}

#[test]
fn an_order_that_cannot_be_kept_is_an_error() {
    says(
        r#"[plugins.a]
command = ["sh"]
after = ["b", "vualt"]
[plugins.b]
command = ["sh"]
after = ["c"]
[plugins.c]
command = ["sh"]
after = ["a"]
[plugins.d]
command = ["sh"]
after = ["d"]
enabled = "no"
start = "never"
[plugins.vault]
command = ["sh"]
after = "a"
"#,
        &[
            "3:10: error: `plugins.a.after[0]` makes a circle in which nothing can start first: a → b → c → a; take one of them out",
            r#"3:15: error: `plugins.a.after[1]` is "vualt", which is no plugin; did you mean "vault"?"#,
            "12:10: error: `plugins.d.after[0]` makes a circle in which nothing can start first: d → d; take one of them out",
            "13:11: error: `plugins.d.enabled` is a string; write true or false",
            r#"14:9: error: `plugins.d.start` is "never"; write one of "auto", "manual""#,
            r#"17:9: error: `plugins.vault.after` is a string; write an array of strings, such as ["--pool", "8"]"#,
        ],
    );
}
