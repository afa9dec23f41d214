//! Java programs, built by Maven, which keeps what it fetches under target/.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use super::ROOT;
use super::fixture::{modified, newest_in, once, run, target, text};

/// The application on Dapr's SDK for Java.
pub(super) fn java_application() -> tokio::process::Command {
    static CLASSES: OnceLock<String> = OnceLock::new();
    let classes = CLASSES.get_or_init(|| build("application", "tests/clients/java"));
    let mut command = tokio::process::Command::new("java");
    command.args(["-XX:TieredStopAtLevel=1", "-cp", classes, "Application"]);
    command
}

/// The class path of a folder with a pom.xml, whose libraries go to `lib` beside the classes.
fn build(name: &str, sources: &str) -> String {
    let all = target().join("java");
    let folder = all.join(name);
    let stamp = folder.with_extension("stamp");
    let sources = Path::new(ROOT).join(sources);
    let current = || newest_in(&sources) <= modified(&stamp);
    once(&stamp, current, || {
        run(Command::new("mvn")
            .args(["--batch-mode", "--quiet", "--file"])
            .arg(sources.join("pom.xml"))
            .arg(format!("-Dmaven.repo.local={}", text(&all.join("repository"))))
            .arg(format!("-Dbuild.folder={}", text(&folder)))
            .arg("compile"));
    });
    let folder = text(&folder);
    format!("{folder}/classes:{folder}/lib/*")
}
