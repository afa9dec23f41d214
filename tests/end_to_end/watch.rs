//! Plugins that are started anew when their files change.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::rig::{Application, Home, Replug, Status, misbehave};

/// Waits until calls go to that generation: each keeps what is stored in a memory of its own.
async fn until_in_place(replug: &mut Replug, generation: u64) {
    let in_place = |status: &Status| {
        let store = status.plugin("store");
        store.is_some_and(|now| now.generation == generation && now.state == "ready")
    };
    replug.until(&format!("generation {generation} in place"), in_place).await;
}

#[tokio::test]
async fn a_plugin_whose_program_is_replaced_is_replaced_and_serves_on_beside_a_broken_one() {
    let home = Home::empty();
    let program = home.path("program");
    let write = |script: String| {
        // As a compiler does: the file goes, and is written anew.
        let _ = fs::remove_file(&program);
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    };
    let good =
        |version: &str| format!("#!/bin/sh\necho version {version}\nexec {:?} well\n", misbehave());
    write(good("one"));
    home.write_plan(
        "[plugins.store]\n\
         command = [\"./program\"]\n\
         restart = \"never\"\n\
         watch = true\n\
         [components.kv]\n\
         type = \"state.misbehave\"\n\
         hold = \"30s\"\n",
    );
    let mut replug = Replug::start(&home).await;
    let status = replug.until_usable("kv").await;
    let application = Application::new(&status, "kv");
    replug.line("version one").await;

    write(good("two"));
    replug.line("version two").await;
    until_in_place(&mut replug, 2).await;
    application.assert_works().await;
    write("#!/bin/sh\nexit 5\n".to_owned());
    replug.line("does not take the place of generation 2: exit status 5").await;
    let status = replug.status().await;
    assert!(status.plugin_is("store", "ready"), "{status:?}");
    application.assert_works().await;
    write(good("three"));
    replug.line("version three").await;
    // The third was the one that is broken.
    until_in_place(&mut replug, 4).await;
    application.assert_works().await;

    let stopped = replug.command(&["stop", "store"]).await;
    assert_eq!(stopped.code, Some(0), "{}", stopped.stderr);
    write(good("four"));
    let line = replug.line("program has changed").await;
    assert!(line.contains("store"), "{line}");
    let status = replug.status().await;
    assert!(status.plugin_is("store", "stopped"), "{status:?}");
    replug.stop(&home).await;
}
