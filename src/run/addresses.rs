//! Where the plan says to listen, in the runtime's terms.

use replug_runtime::api::{ApiSettings, ApiToken, Bound, Given, GivenBy, ListenAddress};
use replug_supervisor::activation::PassedSocket;
use replug_supervisor::plan::{Listen, Plan};

/// The APIs' settings as the plan has them.
pub(super) fn settings(plan: &Plan, version: &str, token: Option<ApiToken>) -> ApiSettings {
    let addresses = |listens: &[Listen]| listens.iter().map(address).collect();
    ApiSettings {
        grpc: addresses(&plan.runtime.grpc),
        http: addresses(&plan.runtime.http),
        token,
        max_body: plan.runtime.max_message,
        ..ApiSettings::new(&plan.runtime.app_id, version)
    }
}

fn address(listen: &Listen) -> ListenAddress {
    match listen {
        Listen::Tcp(address) => ListenAddress::Tcp(address.to_string()),
        Listen::Unix(path) => ListenAddress::Unix(path.clone()),
    }
}

/// The sockets that a service manager has opened.
pub(super) fn given(passed: Vec<PassedSocket>) -> Vec<Given> {
    let given = |PassedSocket { name, socket }| Given { by: GivenBy::Manager { name }, socket };
    passed.into_iter().map(given).collect()
}

/// Where applications call, for people.
pub(super) fn listeners(apis: &Bound) -> Vec<String> {
    let named = |name: &str, addresses: Vec<ListenAddress>| -> Vec<String> {
        addresses.iter().map(|address| format!("{name} {address}")).collect()
    };
    [named("grpc", apis.grpc_addresses()), named("http", apis.http_addresses())].concat()
}
