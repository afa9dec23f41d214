//! Who holds a port that is taken.

use std::path::Path;

use super::Machine;
use super::machine::descriptors;

/// The state of a socket that listens, as `/proc/net/tcp` writes it.
const LISTENS: &str = "0A";

/// A process that holds a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) pid: u32,
    /// What it is called: 15 bytes at the most.
    pub(super) name: String,
}

/// The process that listens on a port; none where it belongs to another user and cannot be seen.
pub(super) fn of_port(machine: &Machine, port: u16) -> Option<Holder> {
    let tables = ["proc/net/tcp", "proc/net/tcp6"];
    let tables = tables.iter().filter_map(|table| machine.read(table));
    let inodes: Vec<String> = tables.flat_map(|table| listening(&table, port)).collect();
    let sockets: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    let holds = |folder: &Path| {
        descriptors(folder).iter().any(|target| sockets.iter().any(|s| Path::new(s) == target))
    };
    let (pid, folder) = machine.processes().into_iter().find(|(_, folder)| holds(folder))?;
    let name = std::fs::read_to_string(folder.join("comm")).unwrap_or_default().trim().to_owned();
    Some(Holder { pid, name })
}

/// The inodes of sockets that listen on a port, out of a table such as `/proc/net/tcp`.
fn listening(table: &str, port: u16) -> Vec<String> {
    let wanted = format!("{port:04X}");
    let rows = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
    let inode = |row: Vec<&str>| {
        let (_, local) = row.get(1)?.rsplit_once(':')?;
        (local == wanted && row.get(3) == Some(&LISTENS)).then(|| row.get(9).map(|&i| i.into()))?
    };
    rows.filter_map(inode).collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn whoever_listens_on_a_port_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let holder = of_port(&Machine::this(), port).unwrap();
        assert_eq!(holder.pid, std::process::id());
        assert!(!holder.name.is_empty());
    }

    #[test]
    fn a_connection_over_a_port_is_nobody_who_listens() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                     0: 0100007F:0DAC 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1\n   \
                     1: 0100007F:0DAC 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4712 1\n";
        assert_eq!(listening(table, 3500), ["4711"]);
        assert_eq!(listening(table, 3501), Vec::<String>::new());
    }
}
