//! Socket folders on a real file system, with real sockets and whatever else people put there.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use replug_supervisor::sockets::{Folder, FolderEvent, Refusal, SocketWatch, WatchError};
use tempfile::{TempDir, tempdir};

fn bind(path: &Path) -> UnixListener {
    UnixListener::bind(path).unwrap()
}

async fn private() -> (TempDir, Folder) {
    let folder = tempdir().unwrap();
    let watched = SocketWatch::new().watch_private(folder.path()).await.unwrap();
    (folder, watched)
}

async fn shared(path: &Path) -> Folder {
    SocketWatch::new().watch_shared(path).await.unwrap()
}

fn refused(path: PathBuf, reason: Refusal) -> FolderEvent {
    FolderEvent::Refused { path, reason }
}

#[tokio::test]
async fn a_socket_is_told_once_whether_it_was_there_before_or_comes_later() {
    let folder = tempdir().unwrap();
    let (before, later) = (folder.path().join("before"), folder.path().join("later.sock"));
    let _before = bind(&before);
    let watch = SocketWatch::new();
    let mut watched = watch.watch_private(folder.path()).await.unwrap();
    assert_eq!(watched.next().await, FolderEvent::Appeared(before.clone()));
    let _later = bind(&later);
    assert_eq!(watched.next().await, FolderEvent::Appeared(later.clone()));
    fs::remove_file(&later).unwrap();
    assert_eq!(watched.next().await, FolderEvent::Removed(later));
    fs::remove_file(&before).unwrap();
    assert_eq!(watched.next().await, FolderEvent::Removed(before));
}

#[tokio::test]
async fn a_socket_that_is_made_anew_goes_and_comes() {
    let (folder, mut watched) = private().await;
    let path = folder.path().join("a.sock");
    let old = bind(&path);
    assert_eq!(watched.next().await, FolderEvent::Appeared(path.clone()));
    // Renamed over it, so that there is no moment without one.
    let prepared = tempfile::tempdir_in(folder.path().parent().unwrap()).unwrap();
    let new = bind(&prepared.path().join("new"));
    fs::rename(prepared.path().join("new"), &path).unwrap();
    assert_eq!(watched.next().await, FolderEvent::Removed(path.clone()));
    assert_eq!(watched.next().await, FolderEvent::Appeared(path));
    drop((old, new));
}

#[tokio::test]
async fn a_socket_whose_mode_is_changed_stays() {
    let (folder, mut watched) = private().await;
    let path = folder.path().join("a.sock");
    let _listener = bind(&path);
    assert_eq!(watched.next().await, FolderEvent::Appeared(path.clone()));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    let next = folder.path().join("b.sock");
    let _next = bind(&next);
    assert_eq!(watched.next().await, FolderEvent::Appeared(next));
}

#[tokio::test]
async fn a_socket_that_is_moved_in_counts() {
    let (folder, mut watched) = private().await;
    let elsewhere = tempdir().unwrap();
    let _listener = bind(&elsewhere.path().join("x"));
    let path = folder.path().join("x");
    fs::rename(elsewhere.path().join("x"), &path).unwrap();
    assert_eq!(watched.next().await, FolderEvent::Appeared(path));
}

#[tokio::test]
async fn what_is_no_socket_is_refused_once_with_its_kind() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("a-file.sock"), "").unwrap();
    fs::create_dir(path("b-folder")).unwrap();
    let real = tempdir().unwrap();
    let _real = bind(&real.path().join("real"));
    symlink(real.path().join("real"), path("c-link.sock")).unwrap();
    nix::unistd::mkfifo(&path("d-pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut watched = shared(folder.path()).await;
    assert_eq!(watched.next().await, refused(path("a-file.sock"), Refusal::RegularFile));
    assert_eq!(watched.next().await, refused(path("b-folder"), Refusal::Folder));
    assert_eq!(watched.next().await, refused(path("c-link.sock"), Refusal::SymbolicLink));
    assert_eq!(watched.next().await, refused(path("d-pipe"), Refusal::NoSocket));
    // Touched, and not told again: the next that is told is another file.
    fs::write(path("a-file.sock"), "more").unwrap();
    fs::set_permissions(path("a-file.sock"), fs::Permissions::from_mode(0o600)).unwrap();
    let _listener = bind(&path("e.sock"));
    assert_eq!(watched.next().await, FolderEvent::Appeared(path("e.sock")));
}

#[tokio::test]
async fn a_socket_of_another_user_is_refused_where_anybody_may_put_one() {
    if !nix::unistd::Uid::effective().is_root() {
        assert!(std::env::var_os("CI").is_none(), "only root can give files away");
        eprintln!("skipped: only root can give files away");
        return;
    }
    let folder = tempdir().unwrap();
    let path = folder.path().join("planted.sock");
    let _planted = bind(&path);
    std::os::unix::fs::chown(&path, Some(4242), None).unwrap();
    let mut watched = shared(folder.path()).await;
    assert_eq!(watched.next().await, refused(path.clone(), Refusal::Stranger { uid: 4242 }));
    std::os::unix::fs::chown(&path, Some(0), None).unwrap();
    assert_eq!(watched.next().await, FolderEvent::Appeared(path.clone()));
    std::os::unix::fs::chown(&path, Some(4242), None).unwrap();
    assert_eq!(watched.next().await, FolderEvent::Removed(path.clone()));
    // In a private folder the mode of the folder protects it.
    let mut watched = SocketWatch::new().watch_private(folder.path()).await.unwrap();
    assert_eq!(watched.next().await, FolderEvent::Appeared(path));
}

#[tokio::test]
async fn a_private_folder_that_goes_takes_its_sockets_with_it() {
    let (folder, mut watched) = private().await;
    let path = folder.path().join("a.sock");
    let _listener = bind(&path);
    assert_eq!(watched.next().await, FolderEvent::Appeared(path.clone()));
    drop(folder);
    assert_eq!(watched.next().await, FolderEvent::Removed(path));
    assert_eq!(watched.next().await, FolderEvent::Gone);
}

#[tokio::test]
async fn a_shared_folder_that_is_missing_is_made_for_its_user_alone() {
    let parent = tempdir().unwrap();
    let path = parent.path().join("sockets");
    let mut watched = shared(&path).await;
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    let _listener = bind(&path.join("a"));
    assert_eq!(watched.next().await, FolderEvent::Appeared(path.join("a")));
}

#[tokio::test]
async fn a_shared_folder_that_cannot_be_is_an_error_that_says_why() {
    let parent = tempdir().unwrap();
    let watch = SocketWatch::new();
    let error = watch.watch_shared(parent.path().join("missing/sockets")).await.unwrap_err();
    assert!(error.to_string().contains("missing/sockets does not exist: No such file"), "{error}");
    let file = parent.path().join("file");
    fs::write(&file, "").unwrap();
    assert_eq!(
        watch.watch_shared(&file).await.unwrap_err(),
        WatchError::NoFolder { path: file.clone() }
    );
}

#[tokio::test]
async fn a_shared_folder_is_watched_again_after_it_was_deleted() {
    let parent = tempdir().unwrap();
    let path = parent.path().join("sockets");
    let mut watched = shared(&path).await;
    for round in ["a", "b", "c"] {
        let socket = path.join(round);
        let listener = loop {
            // replug makes the folder anew; until it has, nothing can be put there.
            fs::create_dir_all(&path).unwrap();
            if let Ok(listener) = UnixListener::bind(&socket) {
                break listener;
            }
        };
        until(&mut watched, &FolderEvent::Appeared(socket.clone())).await;
        fs::remove_dir_all(&path).unwrap();
        until(&mut watched, &FolderEvent::Removed(socket)).await;
        drop(listener);
    }
}

#[tokio::test]
async fn a_shared_folder_whose_parent_was_deleted_too_is_found_when_it_is_back() {
    let grandparent = tempdir().unwrap();
    let parent = grandparent.path().join("run");
    fs::create_dir(&parent).unwrap();
    let path = parent.join("sockets");
    let mut watched = shared(&path).await;
    let _first = bind(&path.join("a"));
    until(&mut watched, &FolderEvent::Appeared(path.join("a"))).await;
    fs::rename(&parent, grandparent.path().join("away")).unwrap();
    // The watch is on the folder, which is where it was; something in it makes replug look.
    fs::remove_file(grandparent.path().join("away/sockets/a")).unwrap();
    until(&mut watched, &FolderEvent::Gone).await;
    fs::create_dir_all(&path).unwrap();
    let _second = bind(&path.join("b"));
    until(&mut watched, &FolderEvent::Appeared(path.join("b"))).await;
}

/// Waits for one event and passes over those before it.
async fn until(watched: &mut Folder, wanted: &FolderEvent) {
    while watched.next().await != *wanted {}
}

#[tokio::test]
async fn one_path_is_watched_without_its_neighbours() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("fixed.sock");
    fs::write(folder.path().join("neighbour"), "").unwrap();
    let _neighbour = bind(&folder.path().join("neighbour.sock"));
    let mut watched = SocketWatch::new().watch_file(&path).await.unwrap();
    let _fixed = bind(&path);
    assert_eq!(watched.next().await, FolderEvent::Appeared(path.clone()));
    fs::remove_file(&path).unwrap();
    assert_eq!(watched.next().await, FolderEvent::Removed(path));
}

#[tokio::test]
async fn a_dropped_wait_loses_nothing() {
    let (folder, mut watched) = private().await;
    let sockets: Vec<_> = (0..50).map(|n| folder.path().join(format!("{n:02}"))).collect();
    let _listeners: Vec<_> = sockets.iter().map(|path| bind(path)).collect();
    let mut told = Vec::new();
    while told.len() < sockets.len() {
        // Given up at every point at which it waits.
        if let Some(event) = poll_once(watched.next()).await {
            told.push(event);
        }
        tokio::task::yield_now().await;
    }
    told.sort_by_key(|event| format!("{event:?}"));
    let wanted: Vec<_> = sockets.into_iter().map(FolderEvent::Appeared).collect();
    assert_eq!(told, wanted);
}

async fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match future.as_mut().poll(cx) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test]
async fn whoever_listens_knows_what_is_there_after_any_turmoil() {
    let (folder, mut watched) = private().await;
    let root = folder.path().to_owned();
    let turmoil = tokio::task::spawn_blocking(move || {
        let mut listeners = Vec::new();
        for round in 0..2000_u32 {
            let path = root.join(format!("{}", (round * 7919) % 23));
            if fs::remove_file(&path).is_err() || round % 3 == 0 {
                listeners.push(bind(&path));
                listeners.truncate(50);
            }
        }
        let _last = bind(&root.join("last"));
    });
    let mut believed = BTreeSet::new();
    let last = folder.path().join("last");
    while !believed.contains(&last) {
        match watched.next().await {
            FolderEvent::Appeared(path) => assert!(believed.insert(path)),
            FolderEvent::Removed(path) => assert!(believed.remove(&path)),
            other => panic!("{other:?}"),
        }
    }
    turmoil.await.unwrap();
    // The last one came last, and a look sees all of a folder.
    let there = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path());
    assert_eq!(believed, there.collect());
}
