//! Java programs, built by Maven, which keeps what it fetches under target/.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use super::ROOT;
use super::fixture::{locked, modified, newest_in, once, run, target, text};

/// The application on Dapr's SDK for Java.
pub(super) fn java_application() -> tokio::process::Command {
    static CLASSES: OnceLock<String> = OnceLock::new();
    let sources = "tests/clients/java";
    let classes = CLASSES.get_or_init(|| {
        build("application", sources, |folder| {
            run(Command::new("mvn")
                .args(["--batch-mode", "--quiet", "--file"])
                .arg(Path::new(ROOT).join(sources).join("pom.xml"))
                .arg(format!("-Dbuild.folder={}", text(folder)))
                .arg(format!("-Dmaven.repo.local={}", text(&folder.with_file_name("repository"))))
                .arg("compile"));
        })
    });
    let mut command = tokio::process::Command::new("java");
    // Quick to start, which counts more here than how fast it gets.
    command.args(["-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-cp", classes]);
    // Tomcat makes folders for its temporary files, and leaves them where it is killed.
    let temporary = target().join("java/temporary");
    std::fs::create_dir_all(&temporary).unwrap();
    command.arg(format!("-Djava.io.tmpdir={}", text(&temporary))).arg("Application");
    command
}

/// The class path of the sample plugins, built by the samples' own set-up.
pub(super) fn java_samples() -> &'static str {
    static CLASSES: OnceLock<String> = OnceLock::new();
    CLASSES.get_or_init(|| {
        build("plugin", "samples/java", |folder| {
            run(Command::new(Path::new(ROOT).join("samples/java/setup.sh")).arg(folder));
        })
    })
}

/// The class path of what is built from a folder with a pom.xml: the classes, and beside them in
/// `lib` what they need.
fn build(name: &str, sources: &str, make: impl FnOnce(&Path)) -> String {
    let all = target().join("java");
    let folder = all.join(name);
    let stamp = folder.with_extension("stamp");
    let sources = Path::new(ROOT).join(sources);
    let current = || newest_in(&sources) <= modified(&stamp);
    once(&stamp, current, || {
        // What Maven fetches is shared, and Maven lets others see it half written.
        let _alone = locked(&all.join("repository.lock"));
        make(&folder);
    });
    let folder = text(&folder);
    format!("{folder}/classes:{folder}/lib/*")
}
