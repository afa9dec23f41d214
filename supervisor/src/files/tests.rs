//! Files that are written as editors and compilers write them.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use tempfile::TempDir;
use tokio::time::timeout;

use super::*;

/// Bounds how long a broken test hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// A watch that has looked once.
async fn watching(what: impl IntoIterator<Item = Watching>) -> FileWatch {
    let mut files = FileWatch::new(SocketWatch::new(), what.into_iter().collect());
    nothing_happens(&mut files).await;
    files
}

async fn changed(files: &mut FileWatch) -> PathBuf {
    match timeout(PATIENCE, files.next()).await.expect("a change is told") {
        FileEvent::Changed { path, .. } => path,
        FileEvent::Trouble(reason) => panic!("{reason}"),
    }
}

/// That nothing is told for longer than a change takes to be told. The only way to see that.
async fn nothing_happens(files: &mut FileWatch) {
    let told = timeout(SETTLED * 3, files.next()).await;
    assert!(told.is_err(), "{told:?}");
}

fn path(folder: &TempDir, name: &str) -> PathBuf {
    folder.path().join(name)
}

fn named(path: &Path) -> [Watching; 1] {
    [Watching::Path(path.to_owned())]
}

#[tokio::test]
async fn a_file_that_is_written_again_and_again_is_told_once_when_that_has_settled() {
    let folder = tempfile::tempdir().unwrap();
    let program = path(&folder, "program");
    fs::write(&program, "1").unwrap();
    let mut files = watching(named(&program)).await;

    let mut writer = fs::File::create(&program).unwrap();
    for _ in 0..5 {
        writer.write_all(b"piece").unwrap();
        assert!(timeout(SETTLED / 2, files.next()).await.is_err(), "told while it is written");
    }
    drop(writer);
    assert_eq!(changed(&mut files).await, program);
    nothing_happens(&mut files).await;
}

#[tokio::test]
async fn a_file_that_is_replaced_is_told_when_the_next_one_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let (program, other) = (path(&folder, "program"), path(&folder, "other"));
    fs::write(&program, "1").unwrap();
    let mut files = watching(named(&program)).await;

    // As an editor does.
    fs::write(&other, "2").unwrap();
    fs::rename(&other, &program).unwrap();
    assert_eq!(changed(&mut files).await, program);
    // As a compiler does.
    fs::remove_file(&program).unwrap();
    nothing_happens(&mut files).await;
    fs::write(&program, "3").unwrap();
    assert_eq!(changed(&mut files).await, program);
}

#[tokio::test]
async fn a_file_is_told_whose_folder_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let target = path(&folder, "target");
    let program = target.join("release/program");
    let mut files = watching(named(&program)).await;
    for content in ["1", "2"] {
        fs::create_dir_all(program.parent().unwrap()).unwrap();
        fs::write(&program, content).unwrap();
        assert_eq!(changed(&mut files).await, program);
        fs::remove_dir_all(&target).unwrap();
        nothing_happens(&mut files).await;
    }
}

#[tokio::test]
async fn what_a_link_leads_to_counts_and_so_does_the_link() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (path(&folder, "v1/program"), path(&folder, "v2/program"));
    for program in [&first, &second] {
        fs::create_dir(program.parent().unwrap()).unwrap();
        fs::write(program, "1").unwrap();
    }
    let link = path(&folder, "program");
    std::os::unix::fs::symlink(&first, &link).unwrap();
    let mut files = watching(named(&link)).await;

    fs::write(&first, "changed").unwrap();
    assert_eq!(changed(&mut files).await, link);
    let other = path(&folder, "other");
    std::os::unix::fs::symlink(&second, &other).unwrap();
    fs::rename(&other, &link).unwrap();
    assert_eq!(changed(&mut files).await, link);
}

#[tokio::test]
async fn everything_in_a_folder_counts_but_what_is_hidden_or_made_by_running_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(path(&folder, "deep")).unwrap();
    let mut files = watching(named(folder.path())).await;

    fs::write(path(&folder, ".main.py.swp"), "").unwrap();
    fs::create_dir(path(&folder, "__pycache__")).unwrap();
    fs::write(path(&folder, "__pycache__/main.pyc"), "").unwrap();
    nothing_happens(&mut files).await;
    let main = path(&folder, "deep/main.py");
    fs::write(&main, "").unwrap();
    assert_eq!(changed(&mut files).await, main);
    // A folder that came later is watched like the others.
    fs::create_dir(path(&folder, "later")).unwrap();
    nothing_happens(&mut files).await;
    let later = path(&folder, "later/part.py");
    fs::write(&later, "").unwrap();
    assert_eq!(changed(&mut files).await, later);
    fs::remove_file(&later).unwrap();
    assert_eq!(changed(&mut files).await, later);
}

#[tokio::test]
async fn only_what_matches_a_pattern_counts() {
    let folder = tempfile::tempdir().unwrap();
    let glob = Watching::Glob { base: folder.path().to_owned(), pattern: "**/*.py".to_owned() };
    let mut files = watching([glob]).await;
    fs::write(path(&folder, "notes.txt"), "").unwrap();
    nothing_happens(&mut files).await;
    let main = path(&folder, "main.py");
    fs::write(&main, "").unwrap();
    assert_eq!(changed(&mut files).await, main);
}
