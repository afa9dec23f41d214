//! Values that come from elsewhere: variables, files of variables, secrets.

use std::fs;

use replug_supervisor::plan::{EnvValue, Plan, Source, Surroundings};

use crate::{plan, says, surroundings};

fn with(variables: &[(&str, &str)]) -> Surroundings {
    let mut surroundings = surroundings();
    let more = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    surroundings.env.extend(more);
    surroundings
}

#[test]
fn variables_are_replaced_in_every_string_and_in_no_key() {
    let plan = plan(
        r#"
[plugins.a]
command = ["sh", "-c", "echo ${GREETING} $1 $${GREETING}"]
env = { "${GREETING}" = "${NOBODY_SET_THIS:-x}" }
stop_timeout = "${NOBODY_SET_THIS:-3s}"
[components.c]
type = "state.sqlite"
metadata = { text = "${GREETING} there", list = ["${GREETING}"] }
"#,
    );
    let a = &plan.plugins[0];
    let launch = format!("{:?}", a.launch);
    assert!(launch.contains("echo hello $1 ${GREETING}"), "{launch}");
    assert_eq!(a.env["${GREETING}"], EnvValue::Plain("x".to_owned()));
    assert_eq!(a.stop_timeout.as_secs(), 3);
    assert_eq!(plan.components[0].metadata["text"].text(), Some("hello there"));
    assert_eq!(plan.components[0].metadata["list"].text(), Some(r#"["hello"]"#));
}

#[test]
fn a_variable_that_is_not_set_is_told_with_its_place() {
    says(
        r#"[plugins.a]
command = ["sh", "${NOPE}"]
env = { A = "${", B = "${1x}" }
"#,
        &[
            "2:18: error: `plugins.a.command[1]` takes the environment variable `NOPE`, which is not set; set it before replug starts, or write ${NOPE:-default}",
            "3:13: error: `plugins.a.env.A` has `${` without `}`; close it, or write `$${` where the text itself is meant",
            "3:23: error: `plugins.a.env.B` has `${1x}`, which names no variable; write ${VAR} or ${VAR:-default}, and `$${` where the text itself is meant",
        ],
    );
}

#[test]
fn secrets_come_from_files_variables_and_credentials_and_are_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("pg"), "word-from-file\n").unwrap();
    fs::write(folder.path().join("cred"), "word-from-credential").unwrap();
    let text = r#"
[plugins.a]
command = ["sh"]
env = { A = { file = "pg" }, B = { env = "TOKEN" }, C = { credential = "cred" }, D = "plain" }
[components.c]
type = "state.sqlite"
metadata = { a = { file = "pg" }, b = { env = "TOKEN" }, c = { credential = "cred" } }
"#;
    let given = folder.path().to_str().unwrap();
    let surroundings = with(&[("TOKEN", "word-from-variable"), ("CREDENTIALS_DIRECTORY", given)]);
    let checked = Plan::check(text.to_owned(), &folder.path().join("plugins.toml"), &surroundings);
    assert_eq!(checked.diagnostics, []);
    let plan = checked.plan.as_ref().unwrap();
    let env = &plan.plugins[0].env;
    let exposed: Vec<_> = env.values().filter_map(EnvValue::expose).collect();
    assert_eq!(exposed, ["word-from-file", "word-from-variable", "word-from-credential", "plain"]);
    let metadata = &plan.components[0].metadata;
    assert_eq!(metadata["a"].text(), Some("word-from-file"));
    assert_eq!(metadata["b"].text(), Some("word-from-variable"));
    assert_eq!(metadata["c"].text(), Some("word-from-credential"));
    let shown = format!("{checked:?}");
    assert!(!shown.contains("word-from"), "{shown}");

    // A process gets what is there when it starts.
    fs::write(folder.path().join("pg"), "another\n").unwrap();
    assert_eq!(env["A"].now(), Ok(Some("another".to_owned())));
    fs::remove_file(folder.path().join("pg")).unwrap();
    let error = env["A"].now().unwrap_err();
    assert!(error.contains("/pg: "), "{error}");
}

#[test]
fn a_secret_that_is_not_there_is_an_error() {
    says(
        r#"[plugins.a]
command = ["sh"]
env = { A = { file = "/no/such" }, B = { env = "NOPE" }, C = { credential = "c" }, D = { credential = "../x" } }
[plugins.b]
command = ["sh"]
env = { A = { file = 1 }, B = { file = "/a", mode = "x" }, C = { other = "x" } }
"#,
        &[
            "3:13: error: `plugins.a.env.A` takes /no/such, which does not exist; write the file, with the value in it",
            "3:40: error: `plugins.a.env.B` takes the environment variable `NOPE`, which is not set; set it before replug starts, or write the value here",
            "3:62: error: `plugins.a.env.C` takes the credential `c`, and CREDENTIALS_DIRECTORY is not set; let systemd start replug, with the credential in LoadCredential= or SetCredential=",
            "3:88: error: `plugins.a.env.D` takes the credential \"../x\", which is no name; write the name that the unit gives it in LoadCredential=",
            "6:13: error: `plugins.b.env.A` has an integer where a name belongs; write { file = \"/PATH\" }, with the name in quotes",
            "6:31: error: `plugins.b.env.B` has other keys beside `file`; write { file = \"/PATH\" } alone, or the table as a string of JSON",
            "6:64: error: `plugins.b.env.C` is a table; write it in quotes: variables are strings",
        ],
    );
}

#[test]
fn a_file_of_variables_counts_less_than_env_and_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.env"), "# of the plugin\nA=from-file\nexport B='from file'\n")
        .unwrap();
    let text = "[plugins.a]\ncommand = ['sh']\nenv_file = 'a.env'\nenv = { A = 'from-plan' }\n\
                [plugins.b]\ncommand = ['sh']\nenv_file = '-none.env'\n";
    let file = folder.path().join("plugins.toml");
    let checked = Plan::check(text.to_owned(), &file, &surroundings());
    assert_eq!(checked.diagnostics, []);
    let plan = checked.plan.unwrap();
    let env = &plan.plugins[0].env;
    assert_eq!(env["A"].expose(), Some("from-plan"));
    assert_eq!(env["B"].expose(), Some("from file"));
    let EnvValue::Secret(secret) = &env["B"] else { panic!("{env:?}") };
    assert_eq!(*secret.source(), Source::EnvFile(folder.path().join("a.env")));
    assert!(!format!("{plan:?}").contains("from file"));
    assert!(plan.plugins[1].env.is_empty());
}

#[test]
fn a_file_of_variables_that_is_wrong_is_told_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.env"), "A=1\n\nB\n").unwrap();
    fs::write(folder.path().join("b.env"), "DAPR_COMPONENT_SOCKET_PATH=/x\n").unwrap();
    let text = "[plugins.a]\ncommand = ['sh']\nenv_file = 'a.env'\n\
                [plugins.b]\ncommand = ['sh']\nenv_file = 'b.env'\n\
                [plugins.c]\ncommand = ['sh']\nenv_file = 'c.env'\n";
    let file = folder.path().join("plugins.toml");
    let checked = Plan::check(text.to_owned(), &file, &surroundings());
    let folder = format!("{}/", folder.path().display());
    let said: Vec<_> =
        checked.diagnostics.iter().map(|it| it.to_string().replace(&folder, "")).collect();
    assert_eq!(
        said,
        [
            "plugins.toml:3:12: error: `plugins.a.env_file` names a.env, whose line 3 has no `=`; write NAME=value, NAME=\"value\" or NAME='value' on each line",
            "plugins.toml:6:12: error: `plugins.b.env_file` sets DAPR_COMPONENT_SOCKET_PATH, which replug sets for every start; take it out; a plugin that does not listen where it is told has `socket`",
            "plugins.toml:9:12: error: `plugins.c.env_file` names c.env, which does not exist; write it, or put a `-` before the path of a file that may be missing",
        ]
    );
}

#[test]
fn what_is_required_comes_before_too() {
    let plan = plan(
        "[plugins.a]\ncommand = ['sh']\n[plugins.b]\ncommand = ['sh']\n\
         [plugins.c]\ncommand = ['sh']\nafter = ['a']\nrequires = ['b', 'a']\n",
    );
    assert_eq!(plan.plugins[2].after, ["a", "b"]);
    assert_eq!(plan.plugins[2].requires, ["b", "a"]);
}

#[test]
fn what_is_required_has_to_be_there_and_enabled() {
    says(
        r#"[plugins.a]
command = ["sh"]
enabled = false
[plugins.b]
command = ["sh"]
requires = ["a", "c", 1]
[plugins.c]
command = ["sh"]
requires = ["d", "a"]
"#,
        &[
            "6:23: error: `plugins.b.requires[2]` is an integer; write a string, in quotes",
            "9:13: error: `plugins.c.requires[0]` is \"d\", which is no plugin; did you mean \"a\"?",
            "9:18: error: `plugins.c.requires[1]` is \"a\", which is not enabled; enable it, or write `enabled = false` here as well",
        ],
    );
}
