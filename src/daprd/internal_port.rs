//! The port that daprd takes calls of other sidecars at. Replug listens there for nobody; tools and
//! plugins read the number in `DAPR_PORT`.

use std::os::unix::fs::MetadataExt as _;

use sha2::{Digest as _, Sha256};

/// The first of the ports that one is chosen from.
const FIRST: u16 = 47_300;

/// The port that daprd chooses where it is given none: the same in each start of an application in
/// this folder, by this user, on this machine.
pub(super) fn chosen(app_id: &str) -> u16 {
    let folder = std::env::current_dir().unwrap_or_default();
    let user = std::fs::metadata("/proc/self").map_or(0, |process| process.uid());
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    of(app_id, &folder.to_string_lossy(), user, machine.trim())
}

fn of(app_id: &str, folder: &str, user: u32, machine: &str) -> u16 {
    let digest = Sha256::digest(format!("{app_id}|{folder}|{user}|{machine}"));
    let number = u16::from_le_bytes([digest[0], digest[1]]);
    FIRST + number % (u16::MAX - FIRST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_one_that_daprd_chooses() {
        // `printf 'shop|/srv|0|vm' | sha256sum` begins with 9da1.
        assert_eq!(of("shop", "/srv", 0, "vm"), 52_203);
    }
}
