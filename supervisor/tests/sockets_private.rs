//! The private folder of each generation, from its making to its end.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use replug_supervisor::sockets::{PrivateFolder, RunFolder, RunFolderError};
use tempfile::tempdir;

fn make(run: &RunFolder, plugin: &str, life: &str) -> PrivateFolder {
    run.place(plugin, life).unwrap().make(None).unwrap()
}

#[tokio::test]
async fn a_private_folder_is_fresh_closed_to_others_and_gone_with_its_generation() {
    let run_dir = tempdir().unwrap();
    let run = RunFolder::open(run_dir.path().join("made/too")).await.unwrap();
    let first = make(&run, "settings", "settings.1");
    let second = make(&run, "settings", "settings.2");
    assert_ne!(first.path(), second.path());
    for folder in [&first, &second] {
        assert_eq!(fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o700);
    }
    let _listener = UnixListener::bind(first.path().join("left.sock")).unwrap();
    let path = first.path().to_owned();
    drop(first);
    assert!(!path.exists());
    assert!(second.path().exists());
    let own = run.path().to_owned();
    drop((second, run));
    assert!(!own.exists());
}

#[tokio::test]
async fn a_plugin_is_told_of_its_folder_by_every_name_that_it_may_look_for() {
    let run_dir = tempdir().unwrap();
    let run = RunFolder::open(run_dir.path()).await.unwrap();
    let folder = make(&run, "pg-state", "pg-state.3");
    let told: HashMap<_, _> = folder.place().environment().into_iter().collect();
    for name in [
        "REPLUG_SOCKET_FOLDER",
        "DAPR_COMPONENTS_SOCKETS_FOLDER",
        "DAPR_COMPONENT_SOCKETS_FOLDER",
        "DAPR_COMPONENT_SOCKET_FOLDER",
        "LAYOTTO_COMPONENTS_SOCKETS_FOLDER",
    ] {
        assert_eq!(told[std::ffi::OsStr::new(name)], folder.path());
    }
    let file = &told[std::ffi::OsStr::new("DAPR_COMPONENT_SOCKET_PATH")];
    assert_eq!(*file, folder.path().join("pg-state.sock"));
    assert_eq!(told.len(), 6);
}

#[tokio::test]
async fn what_a_killed_replug_left_is_cleared_away_and_a_living_one_keeps_its_own() {
    let run_dir = tempdir().unwrap();
    let left = run_dir.path().join("p-abcdef");
    fs::create_dir_all(left.join("settings.7")).unwrap();
    fs::write(left.join("settings.7/x"), "").unwrap();
    fs::create_dir(run_dir.path().join("somebody-else")).unwrap();
    let living = RunFolder::open(run_dir.path()).await.unwrap();
    assert!(!left.exists());
    let folder = make(&living, "settings", "settings.1");
    let other = RunFolder::open(run_dir.path()).await.unwrap();
    assert!(folder.path().exists());
    assert_ne!(other.path(), living.path());
    assert!(run_dir.path().join("somebody-else").exists());
}

#[tokio::test]
async fn many_that_open_one_run_folder_at_once_each_have_their_own() {
    let run_dir = tempdir().unwrap();
    let mut opening = tokio::task::JoinSet::new();
    for _ in 0..16 {
        opening.spawn(RunFolder::open(run_dir.path().to_owned()));
    }
    let open: Vec<_> = opening.join_all().await.into_iter().map(Result::unwrap).collect();
    assert!(open.iter().all(|run| run.path().exists()));
}

#[tokio::test]
async fn a_socket_path_that_would_be_too_long_is_refused_beforehand() {
    let run_dir = tempdir().unwrap();
    let run = RunFolder::open(run_dir.path()).await.unwrap();
    let long = "long".repeat(12);
    let error = run.place(&long, &format!("{long}@2.1")).unwrap_err();
    assert!(matches!(error, RunFolderError::TooLong { .. }), "{error}");
    assert!(error.to_string().contains("107 is the most"), "{error}");
    // One that is just short enough can be bound.
    let around = run.path().as_os_str().len() + "/.1/.sock".len();
    let name = "n".repeat((107 - around) / 2);
    let folder = make(&run, &name, &format!("{name}.1"));
    UnixListener::bind(folder.path().join(format!("{name}.sock"))).unwrap();
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_is_no_folder() {
    let run_dir = tempdir().unwrap();
    let run = RunFolder::open(run_dir.path()).await.unwrap();
    for name in ["", "..", "a/b", ".hidden"] {
        for (plugin, life) in [(name, "life.1"), ("plugin", name)] {
            let error = run.place(plugin, life).unwrap_err();
            assert!(matches!(error, RunFolderError::BadName(_)), "{error}");
        }
    }
}

#[tokio::test]
async fn a_run_folder_that_cannot_be_made_is_named() {
    let run_dir = tempdir().unwrap();
    fs::write(run_dir.path().join("file"), "").unwrap();
    let error = RunFolder::open(run_dir.path().join("file")).await.unwrap_err();
    assert!(error.to_string().contains("/file: "), "{error}");
}
