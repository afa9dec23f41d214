//! Where a database is that nothing else says anything of: libpq's variables of the environment, which
//! Dapr's client reads too, and this machine.

use std::path::Path;

use replug_component::Error;
use tokio_postgres::Config;

use super::{TlsOptions, parsed};

/// Where a server on this machine has its socket.
const SOCKETS: &str = "/var/run/postgresql";

/// Fills in what is not said.
pub(super) fn fill(
    config: &mut Config,
    tls: &mut TlsOptions,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<(), Error> {
    let variable = |name| variable(name).filter(|value| !value.is_empty());
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        match variable("PGHOST") {
            Some(host) => config.host(host),
            None if Path::new(SOCKETS).exists() => config.host_path(SOCKETS),
            None => config.host("localhost"),
        };
    }
    if config.get_ports().is_empty()
        && let Some(port) = variable("PGPORT")
    {
        config.port(parsed("PGPORT", &port)?);
    }
    if config.get_dbname().is_none()
        && let Some(database) = variable("PGDATABASE")
    {
        config.dbname(database);
    }
    if config.get_user().is_none()
        && let Some(user) = variable("PGUSER")
    {
        config.user(user);
    }
    if config.get_password().is_none()
        && let Some(password) = variable("PGPASSWORD")
    {
        config.password(password);
    }
    if config.get_application_name().is_none()
        && let Some(name) = variable("PGAPPNAME")
    {
        config.application_name(name);
    }
    let of_tls = [
        (&mut tls.mode, "PGSSLMODE"),
        (&mut tls.root, "PGSSLROOTCERT"),
        (&mut tls.certificate, "PGSSLCERT"),
        (&mut tls.key, "PGSSLKEY"),
    ];
    for (place, name) in of_tls {
        if place.is_none() {
            *place = variable(name);
        }
    }
    Ok(())
}
