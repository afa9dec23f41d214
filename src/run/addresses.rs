//! Where the plan says to listen, in the runtime's terms.

use std::io;
use std::sync::Arc;

use replug_runtime::api::{ApiAccess, ApiSettings, ApiToken, Bound, Given, GivenBy, ListenAddress};
use replug_runtime::telemetry::Telemetry;
use replug_supervisor::activation::PassedSocket;
use replug_supervisor::plan::{Listen, Plan};
use replug_supervisor::upgrade::{ApiSocket, Luggage};

/// The APIs' settings as the plan has them.
pub(super) fn settings(
    plan: &Plan,
    version: &str,
    token: Option<ApiToken>,
    telemetry: Option<Arc<Telemetry>>,
) -> ApiSettings {
    let addresses = |listens: &[Listen]| listens.iter().map(address).collect();
    ApiSettings {
        grpc: addresses(&plan.runtime.grpc),
        http: addresses(&plan.runtime.http),
        token,
        max_body: plan.runtime.max_message,
        app: plan.app.clone(),
        access: ApiAccess::of(&plan.configuration),
        secret_scopes: plan.configuration.secret_scopes.clone(),
        telemetry,
        ..ApiSettings::new(&plan.runtime.app_id, version)
    }
}

pub(super) fn address(listen: &Listen) -> ListenAddress {
    match listen {
        Listen::Tcp(address) => ListenAddress::Tcp(address.to_string()),
        Listen::Unix(path) => ListenAddress::Unix(path.clone()),
    }
}

/// The sockets that a service manager has opened.
pub(super) fn passed(passed: Vec<PassedSocket>) -> Vec<Given> {
    let given = |PassedSocket { name, socket }| Given { by: GivenBy::Manager { name }, socket };
    passed.into_iter().map(given).collect()
}

/// The sockets that the program before this one has left.
pub(super) fn handed(sockets: &[ApiSocket], luggage: &mut Luggage) -> io::Result<Vec<Given>> {
    let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let given = sockets.iter().map(|ApiSocket { name, bound_for, socket }| {
        let by = match (name, bound_for) {
            (Some(name), _) => GivenBy::Manager { name: name.clone() },
            (None, Some((purpose, wanted))) => GivenBy::Predecessor {
                purpose: purpose.clone(),
                wanted: wanted.parse().map_err(|error| wrong(format!("{error}")))?,
            },
            (None, None) => return Err(wrong("a socket for nothing".to_owned())),
        };
        Ok(Given { by, socket: luggage.claim(*socket)? })
    });
    given.collect()
}

/// The sockets for the program after this one.
pub(super) fn on_their_way(apis: &Bound, luggage: &mut Luggage) -> io::Result<Vec<ApiSocket>> {
    let sockets = apis.passed_on()?.into_iter().map(|Given { by, socket }| {
        let socket = luggage.check_in(socket);
        match by {
            GivenBy::Manager { name } => ApiSocket { name: Some(name), bound_for: None, socket },
            GivenBy::Predecessor { purpose, wanted } => {
                ApiSocket { name: None, bound_for: Some((purpose, wanted.to_string())), socket }
            }
        }
    });
    Ok(sockets.collect())
}

/// Everything that the plan has replug make where others find it: what one program cannot change
/// that takes over from another.
pub(crate) fn places(plan: &Plan) -> Vec<String> {
    let runtime = &plan.runtime;
    let listens = |name: &'static str, listens: &[Listen]| {
        listens.iter().map(move |listen| format!("{name} {}", address(listen))).collect::<Vec<_>>()
    };
    let files = [
        format!("control {}", runtime.control.display()),
        format!("private sockets {}", runtime.plugins_dir().display()),
    ];
    [listens("grpc", &runtime.grpc), listens("http", &runtime.http), files.into()].concat()
}

/// Where applications call, for people.
pub(super) fn listeners(apis: &Bound) -> Vec<String> {
    let named = |name: &str, addresses: Vec<ListenAddress>| -> Vec<String> {
        addresses.iter().map(|address| format!("{name} {address}")).collect()
    };
    [named("grpc", apis.grpc_addresses()), named("http", apis.http_addresses())].concat()
}
