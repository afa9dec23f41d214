//! Output on its way from one program of replug to the next: read up to a point, and on from there.

use serde::{Deserialize, Serialize};

use super::printout::Record;

/// What all plugins have printed, on its way: the lines that are kept, and the counts.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct HandedPrintouts(pub(super) Vec<HandedPrintout>);

/// What one plugin has printed, on its way.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct HandedPrintout {
    pub(super) plugin: String,
    /// The number of the last line.
    pub(super) printed: u64,
    pub(super) unlogged: u64,
    pub(super) unfiled: u64,
    /// The lines that are kept, the latest at the end.
    pub(super) records: Vec<Record>,
}

/// The output of one generation on its way; `D` is a descriptor, or what stands for one.
#[derive(Debug, Serialize, Deserialize)]
pub struct HandedOutput<D> {
    /// Those that have not ended.
    pub(super) pipes: Vec<Unread<D>>,
    /// The last lines, the latest at the end.
    pub(super) tail: Vec<String>,
}

/// A pipe in which there may be more.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Unread<D> {
    pub(super) stream: super::Stream,
    pub(super) pipe: D,
    /// The line that has been begun and has no end yet.
    pub(super) begun: Vec<u8>,
    /// Whether more of it came than there was room for.
    pub(super) cut: bool,
}

// === impl HandedOutput ===

impl<D> HandedOutput<D> {
    /// The same with other descriptors. The first error is the end.
    pub(crate) fn with<E, Error>(
        self,
        mut change: impl FnMut(D) -> Result<E, Error>,
    ) -> Result<HandedOutput<E>, Error> {
        let pipes = self.pipes.into_iter().map(|Unread { stream, pipe, begun, cut }| {
            Ok(Unread { stream, pipe: change(pipe)?, begun, cut })
        });
        Ok(HandedOutput { pipes: pipes.collect::<Result<_, _>>()?, tail: self.tail })
    }
}
