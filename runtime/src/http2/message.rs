//! gRPC's form of a message: a byte that says whether it is compressed, four with its length, and
//! the message.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use prost::Message;
use tonic::Status;

/// What stands before a message.
const PREFIX: usize = 5;

/// The form of a message without content.
const EMPTY: &[u8] = &[0; PREFIX];

/// A message in its form, written once.
pub(crate) fn framed(message: &impl Message) -> Bytes {
    framed_of(message, message.encoded_len())
}

/// The same, where it is known how long the message is, which takes a look through all of it.
pub(crate) fn framed_of(message: &impl Message, length: usize) -> Bytes {
    // A message is far smaller than four bytes can tell, or its peer will say so.
    let Some(told) = u32::try_from(length).ok().filter(|length| *length > 0) else {
        return Bytes::from_static(EMPTY);
    };
    let mut frame = BytesMut::with_capacity(PREFIX + length);
    frame.put_u8(0);
    frame.put_u32(told);
    message.encode_raw(&mut frame);
    frame.freeze()
}

/// The only message of a body, put together from the pieces in which it comes. Its memory grows with
/// what has come, not with what is announced.
#[derive(Debug, Default)]
pub(crate) struct Only {
    /// The first piece; mostly all there is.
    first: Bytes,
    /// All pieces, once there is another.
    all: BytesMut,
}

/// Why a body is not one message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// It has none.
    Missing,
    /// It ends within one.
    Cut,
    /// It has more than one.
    Several,
    /// It is compressed, which nobody asked for.
    Compressed,
    /// The message is longer than it may be: so many bytes.
    TooLong(usize),
}

// === impl Only ===

impl Only {
    /// Takes the next piece. An error is one that shows already.
    pub(crate) fn push(&mut self, piece: Bytes, limit: usize) -> Result<(), Malformed> {
        if self.len() == 0 {
            self.first = piece;
        } else {
            if self.all.is_empty() {
                let told = announced(&self.first).unwrap_or_default().saturating_add(PREFIX);
                self.all.reserve(told.min(2 * (self.first.len() + piece.len())));
                self.all.extend_from_slice(&self.first);
                self.first = Bytes::new();
            }
            self.all.extend_from_slice(&piece);
        }
        let so_far = if self.all.is_empty() { &self.first[..] } else { &self.all[..] };
        let Some(told) = announced(so_far) else { return Ok(()) };
        if so_far[0] != 0 {
            return Err(Malformed::Compressed);
        }
        if told > limit {
            return Err(Malformed::TooLong(told));
        }
        if so_far.len() > PREFIX + told {
            return Err(Malformed::Several);
        }
        Ok(())
    }

    /// The message, after the body's end.
    pub(crate) fn message(self) -> Result<Bytes, Malformed> {
        let mut body = if self.all.is_empty() { self.first } else { self.all.freeze() };
        match announced(&body) {
            Some(_) if body[0] != 0 => Err(Malformed::Compressed),
            Some(told) if body.len() > PREFIX + told => Err(Malformed::Several),
            Some(told) if body.len() == PREFIX + told => {
                body.advance(PREFIX);
                Ok(body)
            }
            None if body.is_empty() => Err(Malformed::Missing),
            _ => Err(Malformed::Cut),
        }
    }

    fn len(&self) -> usize {
        self.first.len() + self.all.len()
    }
}

/// The length that a message's prefix announces, once that is there.
fn announced(body: &[u8]) -> Option<usize> {
    let length: [u8; 4] = body.get(1..PREFIX)?.try_into().ok()?;
    usize::try_from(u32::from_be_bytes(length)).ok()
}

/// What `message` says, or that it is none of its type, as gRPC's libraries have it.
pub(crate) fn decoded<M: Message + Default>(message: Bytes) -> Result<M, Status> {
    M::decode(message).map_err(|error| Status::internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use replug_proto::dapr::components::v1::GetResponse;

    use super::*;

    const LIMIT: usize = 1 << 20;

    fn told(pieces: &[&[u8]]) -> Result<Bytes, Malformed> {
        let mut only = Only::default();
        for piece in pieces {
            only.push(Bytes::copy_from_slice(piece), LIMIT)?;
        }
        only.message()
    }

    #[test]
    fn a_message_comes_out_as_it_went_in_however_it_is_cut() {
        let sent = GetResponse { data: vec![7; 3000].into(), ..Default::default() };
        let frame = framed(&sent);
        for size in [1, 2, 5, 6, 1000, frame.len()] {
            let pieces: Vec<_> = frame.chunks(size).collect();
            assert_eq!(decoded::<GetResponse>(told(&pieces).unwrap()).unwrap(), sent, "{size}");
        }
        assert_eq!(framed(&GetResponse::default()), EMPTY);
        assert_eq!(told(&[EMPTY]).unwrap(), Bytes::new());
    }

    #[test]
    fn a_body_that_is_not_one_message_is_told_apart() {
        assert_eq!(told(&[]), Err(Malformed::Missing));
        assert_eq!(told(&[&EMPTY[..4]]), Err(Malformed::Cut));
        assert_eq!(told(&[&[0, 0, 0, 0, 2, 1]]), Err(Malformed::Cut));
        assert_eq!(told(&[EMPTY, EMPTY]), Err(Malformed::Several));
        assert_eq!(told(&[&[1, 0, 0, 0, 0]]), Err(Malformed::Compressed));
        let length = u32::try_from(LIMIT + 1).unwrap().to_be_bytes();
        assert_eq!(told(&[&[0], &length]), Err(Malformed::TooLong(LIMIT + 1)));
    }
}
