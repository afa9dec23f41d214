//! A file of resources, and of a Configuration.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use replug_runtime::resources::{
    ComponentResource, Configuration, Kind, Names, SubscriptionResource, read_text,
};

fuzz_target!(|text: &str| {
    let names = Names { app_id: "app".into(), namespace: String::new(), environment: [].into() };
    let mut problems = Vec::new();
    for manifest in read_text(text, Path::new("a.yaml"), &mut problems) {
        match manifest.kind {
            Kind::Component => {
                if let Ok(component) = ComponentResource::read(&manifest) {
                    let _ = component.values(&names);
                }
            }
            Kind::Subscription => {
                let _ = SubscriptionResource::read(&manifest);
            }
            // Looked at as a whole, below.
            Kind::Configuration => {}
        }
    }
    let _ = Configuration::default().over(text, Path::new("c.yaml"));
});
