//! Configuration files.

use std::path::Path;

use replug_runtime::resources::{ApiProtocol, Configuration};

use super::folder;

#[test]
fn configuration_files_are_laid_over_each_other() {
    let over = |configuration: Configuration, text| {
        configuration.over(text, Path::new("config.yaml")).unwrap()
    };
    let first = "
kind: Configuration
spec:
  metric: {enabled: false, recordErrorCodes: true}
  features: [{name: HotReload, enabled: false}, {name: Other, enabled: true}]
  secrets:
    scopes: [{storeName: vault, defaultAccess: Deny, allowedSecrets: [a]}]
  components: {deny: [state.redis, bindings.http/v1]}
";
    let second = "
spec:
  metrics: {enabled: true}
  features: [{name: Third, enabled: true}]
  api:
    allowed: [{name: state, version: v1.0, protocol: HTTP}, {name: state, version: v1}]
    denied: [{name: secrets, version: v1, protocol: grpc}]
  logging: {apiLogging: {enabled: true, omitHealthChecks: true}}
";
    let all = over(over(Configuration::default(), first), second);
    assert!(all.metrics.enabled && all.metrics.record_error_codes);
    assert!(
        all.feature("HotReload", true),
        "the second file's list takes the place of the first's"
    );
    assert!(all.feature("Third", false) && !all.feature("Other", false));
    assert!(all.secret_scopes[0].deny_by_default);
    assert!(all.denies("state.redis", "v2") && all.denies("bindings.http", "v1"));
    assert!(!all.denies("bindings.http", "v2"));
    assert!(all.denies("state.in-memory", ""), "one without a version, where any are denied");
    assert!(!Configuration::default().denies("state.in-memory", ""));
    let any = over(Configuration::default(), "spec: {components: {deny: [state.redis/]}}");
    assert!(any.denies("state.redis", "v2") && !any.denies("state.etcd", "v1"));
    let protocols: Vec<_> = all.api_allowed.iter().map(|rule| rule.protocol).collect();
    assert_eq!(protocols, [Some(ApiProtocol::Http), None]);
    assert_eq!(all.api_denied[0].protocol, Some(ApiProtocol::Grpc));
    assert_eq!(all.api_logging.enabled, Some(true));
}

/// A file that began with a comment and a line of `---` counted as an empty one.
#[test]
fn what_stands_before_the_line_that_a_document_begins_with_is_none() {
    let spec = "spec: {components: {deny: [state.redis]}}\n";
    for before in ["---\n", "# a\n---\n", "\u{feff}# a\r\n\r\n---\r\n", "%YAML 1.1\n---\n", "\n \n"]
    {
        let text = format!("{before}{spec}---\nspec: {{components: {{deny: []}}}}\n");
        let read = Configuration::default().over(&text, Path::new("config.yaml")).unwrap();
        assert!(read.denies("state.redis", "v1"), "{before:?}");
    }
    let text = format!("null\n---\n{spec}");
    let read = Configuration::default().over(&text, Path::new("config.yaml")).unwrap();
    assert!(!read.denies("state.redis", "v1"), "the first document alone counts");
}

#[test]
fn a_configuration_file_has_variables_replaced_and_tells_what_is_wrong_with_it() {
    let folder = folder(&[
        ("good.yaml", "spec:\n  features: [{name: $FEATURE, enabled: ${ON}}, {name: a$b}]"),
        ("typed.yaml", "\nspec:\n  features: 5"),
        ("twice.yaml", "spec: {secrets: {scopes: [{storeName: a}, {storeName: a}]}}"),
        ("access.yaml", "spec: {secrets: {scopes: [{storeName: a, defaultAccess: maybe}]}}"),
    ]);
    let variable = |name: &str| match name {
        "FEATURE" => Some("Flag".to_owned()),
        "ON" => Some("true".to_owned()),
        _ => None,
    };
    let load = |name: &str| Configuration::load(&[folder.path().join(name)], variable);
    let good = load("good.yaml").unwrap();
    assert!(good.feature("Flag", false));
    for (name, says) in [
        ("typed.yaml", "typed.yaml:3: `spec.features` is a number"),
        ("twice.yaml", "two scopes of the store \"a\""),
        ("access.yaml", "`spec.secrets.scopes[0].defaultAccess` is \"maybe\""),
        ("missing.yaml", "cannot read"),
    ] {
        let error = load(name).unwrap_err().to_string();
        assert!(
            error.contains(says) && error.starts_with("error loading configuration: "),
            "{error}"
        );
    }
}
