//! Secrets that secret stores keep: how they are written, and what may not need what.

use replug_runtime::component::SecretReference;
use replug_supervisor::plan::Change;

use crate::{plan, says};

const STORE: &str = "[components.vault]\ntype = 'secretstores.plug'\n\
                     [plugins.vault]\ncommand = ['sh']\n";

#[test]
fn what_a_store_keeps_is_a_reference_until_it_is_needed() {
    let plan = plan(&format!(
        "{STORE}\
         [plugins.a]\n\
         command = ['sh']\n\
         env = {{ TOKEN = {{ secret = 'vault/path/of/token' }} }}\n\
         [components.c]\n\
         type = 'state.sqlite'\n\
         metadata = {{ dsn = {{ secret = 'vault/pg', key = 'dsn' }}, table = 'orders' }}\n"
    ));
    let reference = |name: &str, key: Option<&str>| SecretReference {
        store: "vault".to_owned(),
        name: name.to_owned(),
        key: key.map(str::to_owned),
    };
    let token = &plan.plugins[1].env["TOKEN"];
    assert_eq!(token.reference(), Some(&reference("path/of/token", None)));
    assert_eq!((token.expose(), token.now()), (None, Ok(None)));
    let metadata = &plan.components[1].metadata;
    assert_eq!(metadata["dsn"].reference(), Some(&reference("pg", Some("dsn"))));
    assert_eq!(metadata["dsn"].text(), None);
    assert_eq!(metadata["table"].text(), Some("orders"));
}

#[test]
fn a_reference_that_leads_nowhere_is_an_error() {
    says(
        r#"[components.vault]
type = "secretstores.plug"
[components.c]
type = "state.sqlite"
[components.c.metadata]
a = { secret = "vualt/x" }
b = { secret = "c/x" }
c = { secret = "/x" }
d = { secret = 1 }
e = { secret = "vault/x", key = "" }
f = { secret = "vault/x", mode = "k" }
keyPrefix = { secret = "vault/x" }
[plugins.a]
command = ["sh"]
env = { T = { secret = "nowhere/x" } }
"#,
        &[
            "6:5: error: `components.c.metadata.a` takes a secret of `vualt`, which is no component; did you mean `vault`?",
            "7:5: error: `components.c.metadata.b` takes a secret of `c`, which is a component of the block state; name a component whose type begins with `secretstores.`",
            "7:5: error: `components.c.metadata.b` makes a circle in which nothing can come first: component c → component c; keep one of these secrets elsewhere, in a file or in a store that needs none of them",
            "8:5: error: `components.c.metadata.c` takes the secret \"/x\", which names no store; write { secret = \"STORE/NAME\" }, and key = \"KEY\" beside it where the secret has several values",
            "9:5: error: `components.c.metadata.d` has an integer as its `secret`; write { secret = \"STORE/NAME\" }, and key = \"KEY\" beside it where the secret has several values",
            "10:5: error: `components.c.metadata.e` has an empty `key`; write { secret = \"STORE/NAME\" }, and key = \"KEY\" beside it where the secret has several values",
            "11:5: error: `components.c.metadata.f` has other keys beside `secret` and `key`; write { secret = \"STORE/NAME\" }, and key = \"KEY\" beside it where the secret has several values",
            "12:13: error: `components.c.metadata.keyPrefix` is what a secret store keeps, and keys have to be known before it is asked; write \"appid\", \"name\", \"none\", or a text without `||`",
            "15:13: error: `plugins.a.env.T` takes a secret of `nowhere`, which is no component; there are vault",
        ],
    );
}

#[test]
fn keys_to_a_stores_values_are_kept_by_a_secret_store_and_written_as_dapr_does() {
    let kept = "has to be kept by a secret store, whose secret's name is the key's; write { secret = \"STORE/NAME\" }, and key = \"KEY\" beside it where the secret has several values";
    says(
        r#"[components.vault]
type = "secretstores.local.file"
[components.a]
type = "state.sqlite"
metadata = { primaryEncryptionKey = "000102030405060708090a0b0c0d0e0f" }
[components.b]
type = "state.in-memory"
metadata = { primaryEncryptionKey = 42 }
[components.c]
type = "state.sqlite"
metadata = { PrimaryEncryptionKey = { secret = "vault/x" } }
[components.d]
type = "state.sqlite"
metadata = { secondaryEncryptionKey = { secret = "vault/x" } }
[components.e]
type = "state.sqlite"
metadata = { primaryEncryptionKey = { secret = "vault/a||b" } }
[components.f]
type = "state.sqlite"
metadata = { primaryEncryptionKey = { secret = "vault/x" }, secondaryEncryptionKey = { secret = "vault/x", key = "old" } }
[components.g]
type = "hello.helloworld"
metadata = { primaryEncryptionKey = "not of a state store" }
"#,
        &[
            &format!("5:37: error: `components.a.metadata.primaryEncryptionKey` {kept}"),
            &format!("8:37: error: `components.b.metadata.primaryEncryptionKey` {kept}"),
            "11:37: error: `components.c.metadata.PrimaryEncryptionKey` would be no encryption key; write primaryEncryptionKey, as Dapr does, or values are stored in the clear",
            "14:39: error: `components.d.metadata.secondaryEncryptionKey` is of no use without a primary key; write primaryEncryptionKey beside it, with which values are encrypted",
            "17:37: error: `components.e.metadata.primaryEncryptionKey` has `||` in its name, which parts the name from the value; give the secret another name",
        ],
    );
}

#[test]
fn stores_that_need_each_other_are_an_error_with_the_circle_written_out() {
    says(
        r#"[components.a]
type = "secretstores.plug"
metadata = { token = { secret = "b/x" } }
[components.b]
type = "secretstores.plug"
metadata = { token = { secret = "a/x" } }
[components.own]
type = "secretstores.plug"
metadata = { token = { secret = "own/x" } }
[components.settings]
type = "secretstores.local.file"
[plugins.settings]
builtin = "secretstores.local.file"
after = ["first"]
[plugins.first]
command = ["sh"]
env = { TOKEN = { secret = "settings/x" } }
"#,
        &[
            "3:22: error: `components.a.metadata.token` makes a circle in which nothing can come first: component a → component b → component a; keep one of these secrets elsewhere, in a file or in a store that needs none of them",
            "9:22: error: `components.own.metadata.token` makes a circle in which nothing can come first: component own → component own; keep one of these secrets elsewhere, in a file or in a store that needs none of them",
            "17:17: error: `plugins.first.env.TOKEN` makes a circle in which nothing can come first: component settings → plugin settings → plugin first → component settings; keep one of these secrets elsewhere, in a file or in a store that needs none of them",
        ],
    );
}

#[test]
fn a_change_of_a_reference_is_shown_without_what_it_refers_to() {
    let with = |name: &str| {
        format!(
            "{STORE}[plugins.a]\ncommand = ['sh']\nenv = {{ T = {{ secret = 'vault/{name}' }} }}\n\
             [components.c]\ntype = 'state.sqlite'\n\
             metadata = {{ dsn = {{ secret = 'vault/{name}' }} }}\n"
        )
    };
    let change = Change::between(&plan(&with("one")), &plan(&with("two"))).to_string();
    assert_eq!(
        change,
        "plugin a: replaced (env.T)\n\
         component c: initialised again (metadata.dsn)\n\
         unchanged: 1 plugin, 1 component\n"
    );
}
