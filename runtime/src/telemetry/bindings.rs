//! What is measured of bindings, either side.

use std::time::Duration;

use super::{Counted, Maker, Telemetry};

/// Where the component and the operation stand among the labels of an invocation: neither need be
/// there.
const INVOKED: &[usize] = &[0, 2];

#[derive(Debug)]
pub(super) struct Bindings {
    input: Counted,
    output: Counted,
}

// === impl Bindings ===

impl Bindings {
    pub(super) fn new(make: &Maker<'_>) -> Self {
        let output = ["component", "namespace", "operation", "success"];
        Self {
            input: Counted::new(
                make,
                "dapr_component_input_binding",
                &["component", "namespace", "success"],
            ),
            output: Counted::new(make, "dapr_component_output_binding", &output).open(INVOKED),
        }
    }
}

// === impl Telemetry ===

impl Telemetry {
    /// The application has been given an event.
    pub(crate) fn input_binding(&self, component: &str, took: Duration, success: bool) {
        self.bindings.input.add(&[component, &*self.namespace, word(success)], took);
    }

    /// A binding has been invoked.
    pub(crate) fn output_binding(
        &self,
        component: &str,
        operation: &str,
        took: Duration,
        success: bool,
    ) {
        let labels = [component, &*self.namespace, operation, word(success)];
        self.bindings.output.add(&labels, took);
    }
}

fn word(success: bool) -> &'static str {
    if success { "true" } else { "false" }
}
