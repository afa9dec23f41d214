//! plugins.toml that is wrong: `replug check` and `replug run` say what, where, and what would be
//! right.

use crate::rig::{Home, Run};

/// What `check` says of a plan, which it has to refuse; `run` has to refuse it alike.
async fn refused(plan: &[u8]) -> String {
    let home = Home::empty();
    home.write_raw_plan(plan);
    let check = Run::replug(&["check"], &home.plan()).await;
    assert_eq!(check.code, Some(3), "{}{}", check.stdout, check.stderr);
    let run = Run::replug(&["run"], &home.plan()).await;
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(!home.run_dir().exists(), "a wrong plan has started something");
    check.stdout + &check.stderr
}

#[tokio::test]
async fn a_plan_that_is_absent_is_refused() {
    let home = Home::empty();
    for command in ["check", "run"] {
        let run = Run::replug(&[command], &home.plan()).await;
        assert_eq!(run.code, Some(3), "{}", run.stderr);
        let said = run.stdout + &run.stderr;
        assert!(said.contains("plugins.toml"), "{said}");
    }
}

#[tokio::test]
async fn a_plan_that_is_not_utf8_is_refused() {
    let said = refused(b"[runtime]\napp_id = \"\xff\"\n").await;
    assert!(said.contains("UTF-8"), "{said}");
}

#[tokio::test]
async fn every_error_of_a_plan_is_told_at_once_with_its_line() {
    let plan = "[runtime]\n\
                app_id = 7\n\
                [plugins.one]\n\
                comand = [\"true\"]\n\
                [components.kv]\n\
                type = \"state.one\"\n\
                hold = \"soon\"\n";
    let said = refused(plan.as_bytes()).await;
    for part in ["plugins.toml:2", "app_id", "plugins.toml:4", "`command`", "plugins.toml:7"] {
        assert!(said.contains(part), "no {part} in\n{said}");
    }
}

#[tokio::test]
async fn a_name_that_is_used_twice_is_refused() {
    let plan = "[plugins.one]\ncommand = [\"true\"]\n[plugins.one]\ncommand = [\"false\"]\n";
    let said = refused(plan.as_bytes()).await;
    assert!(said.contains("one"), "{said}");
}

#[tokio::test]
async fn a_socket_path_that_is_too_long_is_refused() {
    let folder = "x".repeat(120);
    let said = refused(format!("[runtime]\nrun_dir = \"/tmp/{folder}\"\n").as_bytes()).await;
    assert!(said.contains("107"), "{said}");
}

#[tokio::test]
async fn a_good_plan_is_accepted_and_starts_nothing() {
    let home = Home::new("[plugins.one]\ncommand = [\"/nowhere/at/all\"]\n");
    let check = Run::replug(&["check"], &home.plan()).await;
    assert_eq!(check.code, Some(0), "{}{}", check.stdout, check.stderr);
    let said = check.stdout + &check.stderr;
    assert!(said.contains("/nowhere/at/all"), "a warning names the program: {said}");
    assert!(!home.run_dir().exists());
}
