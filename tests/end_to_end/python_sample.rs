//! The sample plugin in Python, by its own tests.

use crate::rig::{require_tool, run_unittests};

#[test]
fn the_python_samples_own_tests_pass() {
    if require_tool("python3", &["--version"]) {
        run_unittests();
    }
}
