//! Dapr's YAML beside the tables of the plan.

use std::fs;
use std::path::Path;

use replug_supervisor::plan::{Change, Checked, Plan, Severity};

use crate::surroundings;

const ORDERS: &str = "
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: orders}
spec:
  type: state.sqlite
  version: v1
  metadata: [{name: connectionString, value: 'file:{appID}.db'}, {name: busyTimeout, value: 5}]
";

const PLAN: &str = "
[runtime]
app_id = \"shop\"
resources = [\"components\"]
[components.own]
type = \"state.in-memory\"
";

/// A folder with a plan and these resources.
fn folder(plan: &str, files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("plugins.toml"), plan).unwrap();
    fs::create_dir(folder.path().join("components")).unwrap();
    for (name, text) in files {
        fs::write(folder.path().join("components").join(name), text).unwrap();
    }
    folder
}

fn load(folder: &Path) -> Checked {
    Plan::load(&folder.join("plugins.toml"), &surroundings())
}

/// The plan of a folder that has nothing wrong with it.
fn good(folder: &Path) -> Plan {
    let checked = load(folder);
    assert_eq!(checked.diagnostics, []);
    checked.plan.unwrap()
}

#[test]
fn a_component_in_yaml_is_one_like_those_of_the_plan() {
    let yaml = folder(PLAN, &[("a.yaml", ORDERS)]);
    let toml = folder(
        "[runtime]\napp_id = \"shop\"\n[components.own]\ntype = \"state.in-memory\"\n\
         [components.orders]\ntype = \"state.sqlite\"\nversion = \"v1\"\n\
         metadata = { connectionString = \"file:shop.db\", busyTimeout = 5 }\n",
        &[],
    );
    assert_eq!(good(yaml.path()).components, good(toml.path()).components);
}

#[test]
fn what_is_wrong_with_a_resource_is_told_with_its_file_and_line() {
    for (files, severity, line, says) in [
        (
            &[(
                "a.yaml",
                "kind: Component\napiVersion: dapr.io/v1alpha1\nmetadata: {name: a}\nspec: {type: 'state.'}",
            )][..],
            Severity::Error,
            1,
            "process component a error: incorrect type state.",
        ),
        (
            &[(
                "a.yaml",
                "kind: Component\napiVersion: dapr.io/v1alpha1\nmetadata: {name: a}\nspec:\n  type: []",
            )],
            Severity::Error,
            5,
            "`spec.type` is a list; write a text",
        ),
        (
            &[("a.yaml", ORDERS), ("b.yaml", ORDERS)],
            Severity::Error,
            2,
            "duplicate definition of Component name orders",
        ),
        (
            &[("a.yaml", &ORDERS.replace("orders", "own"))],
            Severity::Error,
            2,
            "component own is in [components] of the plan as well",
        ),
        (
            &[("a.yaml", &ORDERS.replace("v1alpha1", "v3"))],
            Severity::Warning,
            3,
            "which no Component has",
        ),
        (
            &[("a.yaml", &ORDERS.replace("kind: Component", "kind: Component2"))],
            Severity::Warning,
            3,
            "no kind of resource",
        ),
    ] {
        let folder = folder(PLAN, files);
        let checked = load(folder.path());
        let [said] = checked.diagnostics.as_slice() else { panic!("{:?}", checked.diagnostics) };
        let at = said.at.as_ref().unwrap().line;
        assert!(said.message.contains(says), "{said}");
        assert_eq!((said.severity, at), (severity, line), "{said}");
        assert_eq!(checked.plan.is_some(), severity == Severity::Warning);
        let mut shown = Vec::new();
        checked.render(false, &mut shown).unwrap();
        assert!(String::from_utf8_lossy(&shown).contains(".yaml:"), "the file is quoted");
    }
}

#[test]
fn a_secret_in_yaml_is_the_same_reference_and_stores_that_need_each_other_are_told() {
    let store = |name: &str, needs: &str| {
        format!(
            "---\napiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {{name: {name}}}\n\
             auth: {{secretStore: {needs}}}\nspec:\n  type: secretstores.local.file\n  metadata:\n  \
             - {{name: secretsFile, secretKeyRef: {{name: path, key: k}}}}\n"
        )
    };
    let alone = folder(PLAN, &[("a.yaml", &store("one", "elsewhere"))]);
    let plan = load(alone.path()).plan.unwrap();
    let reference = plan.components[1].metadata["secretsFile"].reference().unwrap();
    assert_eq!(reference.to_string(), "elsewhere/path (key k)");
    let circle = format!("{}{}", store("one", "two"), store("two", "one"));
    let circle = folder(PLAN, &[("a.yaml", &circle)]);
    let checked = load(circle.path());
    assert_eq!(checked.plan, None);
    let said = checked.diagnostics[0].to_string();
    assert!(
        said.contains("a.yaml:2:1: error: process component one error: it needs a secret of two"),
        "{said}"
    );
}

#[test]
fn a_folder_or_a_configuration_that_is_not_there_is_an_error_of_its_key() {
    let folder =
        folder("[runtime]\nresources = [\"nowhere\"]\nconfiguration = [\"nowhere.yaml\"]\n", &[]);
    let said: Vec<_> = load(folder.path()).diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("2:14: error: `runtime.resources[0]` names "), "{said:?}");
    assert!(said[1].contains("3:18: error: `runtime.configuration[0]` names "), "{said:?}");
}

#[test]
fn a_configuration_denies_types_of_components() {
    let plan = PLAN.replace("resources", "configuration = [\"config.yaml\"]\nresources");
    let folder = folder(&plan, &[("a.yaml", ORDERS)]);
    let config = "spec: {components: {deny: [state.sqlite/v1]}}";
    fs::write(folder.path().join("config.yaml"), config).unwrap();
    let checked = load(folder.path());
    assert_eq!(checked.warnings(), 1, "{:?}", checked.diagnostics);
    let plan = checked.plan.unwrap();
    assert_eq!(plan.components.len(), 1, "the plan's own is there");
    assert_eq!(plan.configuration.denied_components, ["state.sqlite/v1"]);
}

#[test]
fn resources_are_read_again_by_themselves() {
    let folder = folder(PLAN, &[("a.yaml", ORDERS)]);
    let before = good(folder.path());
    let file = folder.path().join("components/a.yaml");
    fs::write(&file, ORDERS.replace("value: 5", "value: 6")).unwrap();
    let plan = fs::read_to_string(folder.path().join("plugins.toml")).unwrap();
    fs::write(folder.path().join("plugins.toml"), plan.replace("in-memory", "sqlite")).unwrap();
    let after = before.with_resources_again(&surroundings(), |_| true).plan.unwrap();
    let change = Change::between(&before, &after);
    assert_eq!(
        change.to_string(),
        "component orders: initialised again (metadata.busyTimeout)\n\
         unchanged: 0 plugins, 1 component\n"
    );
    assert_eq!(change.applied_to(&before), after);

    fs::write(&file, "kind: [").unwrap();
    let broken = before.with_resources_again(&surroundings(), |_| true);
    assert_eq!((broken.plan.as_ref(), broken.diagnostics.len()), (Some(&before), 1));
    assert_eq!(before.with_resources_again(&surroundings(), |_| false).diagnostics, []);
    let more = folder.path().join("components/b.yaml");
    fs::write(&more, ORDERS.replace("orders", "more")).unwrap();
    let beside = before.with_resources_again(&surroundings(), |_| true).plan.unwrap();
    let change = Change::between(&before, &beside).to_string();
    assert!(change.starts_with("component more: added\n"), "{change}");
    fs::write(&more, ORDERS.replace("value: 5", "value: 7")).unwrap();
    let moved = before.with_resources_again(&surroundings(), |_| true).plan.unwrap();
    let change = Change::between(&before, &moved).to_string();
    assert!(change.starts_with("component orders: initialised again (metadata.busy"), "{change}");
    fs::remove_file(&more).unwrap();
    fs::remove_file(&file).unwrap();
    let without = before.with_resources_again(&surroundings(), |_| true).plan.unwrap();
    assert_eq!(without.components.len(), 1);
}

#[test]
fn a_component_of_the_plan_may_be_for_other_applications() {
    let plan = "[runtime]\napp_id = \"shop\"\n[components.a]\ntype = \"state.in-memory\"\n\
                scopes = [\"else\"]\n[components.b]\ntype = \"state.in-memory\"\n\
                scopes = [\"else\", \"shop\"]\n[components.c]\ntype = \"state.in-memory\"\nscopes = []\n";
    let folder = folder(plan, &[]);
    let names: Vec<_> = good(folder.path()).components.into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["b", "c"]);
}
