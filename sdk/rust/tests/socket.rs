//! The socket's file: what is replaced, what is left alone, and that it goes away.

mod support;

use std::os::unix::fs::{FileTypeExt as _, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::pin::pin;

use replug_sdk::{Error, Plugin};
use support::GreeterType;

fn greeter(folder: &Path) -> Plugin {
    Plugin::named("greeter").hello(GreeterType).folder(folder)
}

/// What becomes of a greeter that serves in `folder`: it fails, or its socket appears and somebody
/// listens on it at that moment.
async fn start(folder: &Path) -> Result<(), Error> {
    let socket = folder.join("greeter.sock");
    let mut serve = pin!(greeter(folder).serve());
    tokio::select! {
        // The watch begins before the plugin does.
        biased;
        () = appears(&socket) => {
            UnixStream::connect(&socket).unwrap();
            Ok(())
        }
        ended = &mut serve => ended,
    }
}

/// Waits until there is something new of this name in its folder.
async fn appears(socket: &Path) {
    let (folder, name) = (socket.parent().unwrap(), socket.file_name().unwrap().to_owned());
    let (found, mut new) = tokio::sync::mpsc::unbounded_channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let event = event.unwrap();
        if event.kind.is_create() && event.paths.iter().any(|path| path.ends_with(&name)) {
            let _ = found.send(());
        }
    })
    .unwrap();
    notify::Watcher::watch(&mut watcher, folder, notify::RecursiveMode::NonRecursive).unwrap();
    new.recv().await;
}

#[tokio::test]
async fn a_socket_appears_with_its_listener_and_goes_with_the_plugin() {
    let folder = tempfile::tempdir().unwrap();
    start(folder.path()).await.unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
}

#[tokio::test]
async fn a_socket_that_nobody_listens_on_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let stale = folder.path().join("greeter.sock");
    drop(UnixListener::bind(&stale).unwrap());
    assert!(stale.exists());
    start(folder.path()).await.unwrap();
    assert!(!stale.exists());
}

#[tokio::test]
async fn a_socket_that_somebody_listens_on_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("greeter.sock");
    let _other = UnixListener::bind(&socket).unwrap();
    assert!(matches!(start(folder.path()).await, Err(Error::InUse(path)) if path == socket));
    UnixStream::connect(&socket).unwrap();
}

#[tokio::test]
async fn a_socket_of_another_kind_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("greeter.sock");
    let _other = UnixDatagram::bind(&socket).unwrap();
    assert!(matches!(start(folder.path()).await, Err(Error::Unclear { .. })));
    assert!(std::fs::symlink_metadata(&socket).unwrap().file_type().is_socket());
}

#[tokio::test]
async fn what_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("greeter.sock");
    let refused = async || {
        let error = start(folder.path()).await.unwrap_err();
        assert!(matches!(&error, Error::InTheWay(found) if *found == path), "{error}");
    };
    std::fs::write(&path, "a file").unwrap();
    refused().await;
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "a file");

    std::fs::remove_file(&path).unwrap();
    symlink(folder.path().join("nowhere"), &path).unwrap();
    refused().await;
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    refused().await;
}

#[tokio::test]
async fn a_successors_socket_is_not_removed() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("greeter.sock");
    let mut serve = pin!(greeter(folder.path()).serve());
    tokio::select! {
        biased;
        () = appears(&socket) => {
            std::fs::remove_file(&socket).unwrap();
            drop(UnixListener::bind(&socket).unwrap());
        }
        ended = &mut serve => ended.unwrap(),
    }
    assert!(socket.exists());
}

#[tokio::test]
async fn a_path_that_is_too_long_is_named_with_its_length() {
    let folder = tempfile::tempdir().unwrap();
    let name = "g".repeat(107);
    let serve = Plugin::named(&name).hello(GreeterType).folder(folder.path()).serve();
    let error = serve.await.unwrap_err();
    assert!(matches!(error, Error::PathTooLong { limit: 107, bytes, .. } if bytes > 107));
    assert!(error.to_string().contains("107 is the most"), "{error}");
}

#[tokio::test]
async fn the_longest_path_that_there_can_be_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let rest = 107 - folder.path().as_os_str().len() - "//greeter.sock".len();
    let folder = folder.path().join("f".repeat(rest));
    std::fs::create_dir(&folder).unwrap();
    start(&folder).await.unwrap();
}

#[tokio::test]
async fn a_plugin_needs_a_name_and_something_to_serve() {
    for name in ["", "a/b", "a\0b"] {
        let error = Plugin::named(name).hello(GreeterType).serve().await.unwrap_err();
        assert!(matches!(error, Error::Name(_)), "{error}");
    }
    let error = Plugin::named("idle").serve().await.unwrap_err();
    assert!(matches!(error, Error::NothingToServe(name) if name == "idle"));
}
