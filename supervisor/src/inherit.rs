//! Descriptors that another program left open for this one, by their numbers.
//!
//! A number is no proof that the descriptor is nobody else's, so it is not taken for one: a second
//! descriptor of the same file is made, by way of a socket, and the inherited one is closed.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

/// The first descriptor after the standard three.
const FIRST: RawFd = 3;

/// Takes over the open descriptor of that number, which nobody in this process may own. It is closed
/// on exec from now on.
///
/// To be called before any thread is started: until then nothing else can come by the number.
pub(crate) fn claim(number: RawFd) -> io::Result<OwnedFd> {
    if number < FIRST {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let (here, there) = UnixStream::pair()?;
    let byte = [IoSlice::new(&[0])];
    let descriptors = [number];
    let rights = [ControlMessage::ScmRights(&descriptors)];
    sendmsg::<()>(here.as_raw_fd(), &byte, &rights, MsgFlags::MSG_NOSIGNAL, None)?;

    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut received = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(&there, &mut [IoSliceMut::new(&mut byte)], &mut received, RecvFlags::CMSG_CLOEXEC)?;
    let claimed = received.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    nix::unistd::close(number)?;
    claimed.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::fd::IntoRawFd as _;

    use super::*;

    #[test]
    fn a_claimed_descriptor_is_the_same_file_and_the_number_is_free() {
        let (mut ours, left) = UnixStream::pair().unwrap();
        let number = left.into_raw_fd();
        let mut claimed = UnixStream::from(claim(number).unwrap());
        ours.write_all(b"x").unwrap();
        drop(ours);
        let mut read = Vec::new();
        claimed.read_to_end(&mut read).unwrap();
        assert_eq!(read, b"x");
    }

    #[test]
    fn what_is_not_open_cannot_be_claimed_and_the_standard_ones_are_not_to_be() {
        // Far above what a process opens.
        assert!(claim(1_000_000).is_err());
        assert!(claim(0).is_err());
        assert!(claim(-1).is_err());
    }
}
