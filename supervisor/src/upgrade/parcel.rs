//! What goes from one program to the next over an exec: a document, and descriptors.
//!
//! All of it waits in a socket, of which the next program inherits the reading end and nothing else:
//! every descriptor stays closed on exec, so that an exec that fails has changed nothing, and one
//! that succeeds leaves none open that nobody takes.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read as _, Seek as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::{Deserialize, Serialize};

/// Descriptors in one message: fewer than the kernel's most, which is 253.
const BATCH: usize = 200;

/// What a document has to be before it is read: nobody can change it any more.
const SEALS: SealFlags =
    SealFlags::WRITE.union(SealFlags::GROW).union(SealFlags::SHRINK).union(SealFlags::SEAL);

/// A descriptor of a parcel, as a document names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ticket(usize);

/// Descriptors on their way, each given out once for its ticket.
#[derive(Debug, Default)]
pub struct Luggage(Vec<Option<OwnedFd>>);

// === impl Luggage ===

impl Luggage {
    /// Takes a descriptor along.
    pub fn check_in(&mut self, descriptor: OwnedFd) -> Ticket {
        self.0.push(Some(descriptor));
        Ticket(self.0.len() - 1)
    }

    /// Gives the descriptor out.
    pub fn claim(&mut self, ticket: Ticket) -> io::Result<OwnedFd> {
        let descriptor = self.0.get_mut(ticket.0).and_then(Option::take);
        descriptor.ok_or_else(|| wrong("a descriptor is missing"))
    }

    fn all(&self) -> io::Result<Vec<BorrowedFd<'_>>> {
        let all = self.0.iter().map(|descriptor| descriptor.as_ref().map(OwnedFd::as_fd));
        all.collect::<Option<_>>().ok_or_else(|| wrong("a descriptor has been given out"))
    }
}

/// Puts the document and all descriptors into a socket, and gives the end where they can be read. It
/// is closed on exec, until somebody says otherwise.
pub fn send(document: &[u8], luggage: &Luggage) -> io::Result<OwnedFd> {
    let mut file: File =
        memfd_create("replug-upgrade", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?.into();
    file.write_all(document)?;
    file.rewind()?;
    fcntl_add_seals(&file, SEALS)?;

    // Nobody reads yet: what does not fit into the socket is an error and not a wait.
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (here, there) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    let descriptors = luggage.all()?;
    let count = u64::try_from(descriptors.len()).map_err(io::Error::other)?.to_le_bytes();
    send_batch(&here, &count, &[file.as_fd()])?;
    for batch in descriptors.chunks(BATCH) {
        send_batch(&here, &[0], batch)?;
    }
    Ok(there)
}

/// Takes the document and all descriptors out of the socket.
pub fn receive(socket: OwnedFd) -> io::Result<(Vec<u8>, Luggage)> {
    let mut count = [0; 8];
    let first = receive_batch(&socket, &mut count)?;
    let [document] = <[_; 1]>::try_from(first).map_err(|_| wrong("there is no document"))?;
    if !fcntl_get_seals(&document)?.contains(SEALS) {
        return Err(wrong("the document is not sealed"));
    }
    let count = usize::try_from(u64::from_le_bytes(count)).map_err(io::Error::other)?;
    let mut luggage = Luggage::default();
    while luggage.0.len() < count {
        let batch = receive_batch(&socket, &mut [0])?;
        if batch.is_empty() {
            return Err(wrong("descriptors are missing"));
        }
        luggage.0.extend(batch.into_iter().map(Some));
    }
    let mut text = Vec::new();
    File::from(document).read_to_end(&mut text)?;
    Ok((text, luggage))
}

fn send_batch(socket: &OwnedFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    if !rights.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(wrong("too many descriptors for one message"));
    }
    sendmsg(socket, &[IoSlice::new(bytes)], &mut rights, SendFlags::NOSIGNAL)?;
    Ok(())
}

fn receive_batch(socket: &OwnedFd, bytes: &mut [u8]) -> io::Result<Vec<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    recvmsg(socket, &mut [IoSliceMut::new(bytes)], &mut rights, RecvFlags::CMSG_CLOEXEC)?;
    let descriptors = rights.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    Ok(descriptors.flatten().collect())
}

fn wrong(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    /// A pipe that says a number.
    fn saying(number: usize) -> OwnedFd {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(number.to_string().as_bytes()).unwrap();
        reader.into()
    }

    #[test]
    fn everything_arrives_and_every_ticket_gives_its_own_descriptor() {
        // More than one batch.
        const MANY: usize = BATCH + 17;
        let mut luggage = Luggage::default();
        let tickets: Vec<_> = (0..MANY).map(|number| luggage.check_in(saying(number))).collect();
        // Larger than any socket's buffer.
        let document = vec![b'x'; 4 << 20];
        let socket = send(&document, &luggage).unwrap();
        drop(luggage);

        let (arrived, mut luggage) = receive(socket).unwrap();
        assert!(arrived == document);
        for (number, ticket) in tickets.into_iter().enumerate() {
            let mut said = String::new();
            File::from(luggage.claim(ticket).unwrap()).read_to_string(&mut said).unwrap();
            assert_eq!(said, number.to_string());
            assert!(luggage.claim(ticket).is_err(), "given out twice");
        }
    }

    #[test]
    fn a_socket_in_which_nothing_is_or_no_socket_at_all_is_an_error() {
        let (_other, empty) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::NONBLOCK, None)
                .unwrap();
        assert!(receive(empty).is_err());
        assert!(receive(saying(1)).is_err());
    }
}
