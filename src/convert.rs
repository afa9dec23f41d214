//! `replug convert`: Dapr's YAML in the form of plugins.toml.

use std::fmt::Write as _;
use std::path::Path;

use replug_runtime::resources::{
    ComponentResource, Item, Loaded, Names, Problem, SecretKeyRef, read_folder,
};

use crate::cli::ConvertArgs;
use crate::exit::Failure;
use crate::stdout;

/// Prints what the files come to, and says on standard error what of them does not.
pub(crate) fn convert(args: &ConvertArgs) -> Result<(), Failure> {
    let names = Names::of_process(&args.app_id);
    let mut loaded = Loaded::default();
    for path in &args.paths {
        let manifests = read_folder(path, &mut loaded.problems).map_err(Failure::failed)?;
        for manifest in manifests {
            // What is for other applications is kept, and says so.
            let everybody = manifest.scopes.first().cloned().unwrap_or_else(|| args.app_id.clone());
            loaded.take(&manifest, &everybody, "");
        }
    }
    let mut text = String::new();
    for component in &loaded.resources.components {
        text.push_str(&component_table(component, &names).map_err(Failure::failed)?);
    }
    if !loaded.resources.subscriptions.is_empty() {
        let places: Vec<_> = args.paths.iter().map(|path| toml_text(&path_text(path))).collect();
        let _ = writeln!(
            text,
            "# {} subscriptions stand in these files: `resources = [{}]` in [runtime] reads them.",
            loaded.resources.subscriptions.len(),
            places.join(", ")
        );
    }
    stdout::write(text.as_bytes())?;
    for problem in &loaded.problems {
        eprintln!("{problem}");
    }
    for duplicate in &loaded.duplicates.0 {
        eprintln!("{}: {duplicate}", duplicate.place);
    }
    let broken = |problem: &Problem| matches!(problem, Problem::Broken { .. });
    if loaded.problems.iter().any(broken) || !loaded.duplicates.0.is_empty() {
        return Err(Failure::failed("a part could not be converted, as shown above"));
    }
    Ok(())
}

/// `[components.NAME]`.
fn component_table(component: &ComponentResource, names: &Names) -> Result<String, String> {
    let key = toml_key(&component.name);
    let mut text = format!("# {}\n[components.{key}]\n", component.place);
    // Writing to a String does not fail.
    let _ = writeln!(text, "type = {}", toml_text(&component.component_type));
    if !component.version.is_empty() {
        let _ = writeln!(text, "version = {}", toml_text(&component.version));
    }
    if !component.scopes.is_empty() {
        let scopes: Vec<_> = component.scopes.iter().map(|scope| toml_text(scope)).collect();
        let _ = writeln!(text, "scopes = [{}]", scopes.join(", "));
    }
    let names_namespace = component.values(names).is_ok_and(|values| values.namespaced);
    if names_namespace && component.component_type.starts_with("pubsub.") {
        text.push_str("namespaced = true\n");
    }
    if component.ignore_errors {
        text.push_str(
            "# ignoreErrors: a component that fails ends nothing here, and is tried again\n",
        );
    }
    let mut items: Vec<&Item> = Vec::new();
    for item in &component.metadata {
        items.retain(|known| known.name != item.name);
        items.push(item);
    }
    if !items.is_empty() {
        let _ = writeln!(text, "[components.{key}.metadata]");
    }
    for item in items {
        let (value, remark) = value(component, item, names).map_err(|error| {
            format!("{}: component {}: {error}", component.place, component.name)
        })?;
        let _ = writeln!(text, "{} = {value}{remark}", toml_key(&item.name));
    }
    text.push('\n');
    Ok(text)
}

/// The item's value, and what is to be known of it.
fn value(
    component: &ComponentResource,
    item: &Item,
    names: &Names,
) -> Result<(String, &'static str), String> {
    let plain = item.value.as_deref().unwrap_or_default();
    if let Some(SecretKeyRef { name, key }) = item.secret.as_ref().filter(|it| !it.name.is_empty())
        && !component.secret_store.is_empty()
    {
        let secret = toml_text(&format!("{}/{name}", component.secret_store));
        let key = if key.is_empty() || key == name {
            String::new()
        } else {
            format!(", key = {}", toml_text(key))
        };
        return Ok((format!("{{ secret = {secret}{key} }}"), ""));
    }
    if let Some(variable) = item.env.as_deref().filter(|it| !it.is_empty() && plain.is_empty()) {
        return Ok((format!("{{ env = {} }}", toml_text(variable)), ""));
    }
    let remark =
        if plain.contains("{uuid}") { "   # was {uuid}: another one at each start" } else { "" };
    let place = [component.name.as_str(), item.name.as_str()];
    let text = names.replaced(plain, &place).map_err(|error| error.to_string())?;
    // `$` begins a variable in plugins.toml.
    Ok((toml_text(&text.replace('$', "$$")), remark))
}

fn path_text(path: &Path) -> String {
    path.display().to_string()
}

/// The text as TOML writes it.
fn toml_text(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// The key as TOML writes it.
fn toml_key(key: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !key.is_empty() && key.bytes().all(bare) {
        return key.to_owned();
    }
    // A basic string in quotes is the one form that every key has.
    let mut quoted = String::from("\"");
    for c in key.chars() {
        match c {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
