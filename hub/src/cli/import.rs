//! Mandates, from a file to a running hub, in bounded pieces.
//!
//! The file is a CBOR sequence of mandate bundles. A million mandates are some hundred megabytes, so neither this side nor
//! the hub ever holds more than one piece.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use farthing_channel::codec::decode_first;
use farthing_channel::mandate::MandateBundle;

use super::failure::Failure;
use crate::admin::client::AdminClient;
use crate::admin::encoded::HexBytes;
use crate::admin::protocol::{IMPORT_BYTES_MAX, Imported, Request};

/// Takes bundles out of a file.
#[derive(Debug)]
struct Bundles<R> {
    reader: R,
    buffer: Vec<u8>,
    /// Where in the file the buffer begins.
    offset: u64,
    at_end: bool,
}

impl<R: Read> Bundles<R> {
    fn new(reader: R) -> Self {
        Self { reader, buffer: Vec::new(), offset: 0, at_end: false }
    }

    fn fill(&mut self) -> std::io::Result<()> {
        let missing = IMPORT_BYTES_MAX.saturating_sub(self.buffer.len());
        let bound = u64::try_from(missing).unwrap_or(u64::MAX);
        let read = (&mut self.reader).take(bound).read_to_end(&mut self.buffer)?;
        self.at_end = read < missing;
        Ok(())
    }

    /// The next piece: whole bundles in their encoding; empty at the end.
    fn piece(&mut self) -> Result<Vec<HexBytes>, String> {
        if !self.at_end {
            self.fill().map_err(|error| error.to_string())?;
        }
        let mut bundles = Vec::new();
        let mut taken = 0;
        while let Some(rest) = self.buffer.get(taken..).filter(|rest| !rest.is_empty()) {
            match decode_first::<MandateBundle>(rest) {
                Ok((_, length)) => {
                    bundles.push(HexBytes(rest.get(..length).unwrap_or_default().to_vec()));
                    taken = taken.saturating_add(length);
                }
                // Most likely cut by the end of the buffer; the next piece begins with it.
                Err(_) if !self.at_end && !bundles.is_empty() => break,
                Err(error) => {
                    let at = self.offset.saturating_add(u64::try_from(taken).unwrap_or(u64::MAX));
                    return Err(format!("no mandate bundle at byte {at}: {error}"));
                }
            }
        }
        self.buffer.drain(..taken);
        self.offset = self.offset.saturating_add(u64::try_from(taken).unwrap_or(u64::MAX));
        Ok(bundles)
    }
}

/// Sends every bundle of a file to the hub. What was taken up before a failure stays taken up; importing the file again
/// is harmless.
///
/// # Errors
/// [`Failure`], with how far it came.
pub fn import(client: &mut AdminClient, path: &Path) -> Result<Imported, Failure> {
    let file = File::open(path).map_err(|error| Failure::io(path.display(), &error))?;
    let mut bundles = Bundles::new(BufReader::new(file));
    let mut total = Imported::default();
    loop {
        let piece = bundles.piece().map_err(|message| Failure::Failed {
            code: "bad_request".to_owned(),
            message: format!("{}: {message}; {} bundles were imported before", path.display(), total.bundles),
        })?;
        if piece.is_empty() {
            return Ok(total);
        }
        let imported: Imported =
            client.ask(&Request::MandatesImport { bundles: piece }).map_err(|error| match Failure::from(error) {
                Failure::Failed { code, message } => Failure::Failed {
                    code,
                    message: format!("after {} bundles of {}: {message}", total.bundles, path.display()),
                },
                usage @ Failure::Usage(_) => usage,
            })?;
        total.bundles = total.bundles.saturating_add(imported.bundles);
        total.accepted = total.accepted.saturating_add(imported.accepted);
        total.known = total.known.saturating_add(imported.known);
    }
}

#[cfg(test)]
mod tests {
    use farthing_channel::codec::encode_to_vec;
    use farthing_channel::id::{Address, EscrowId};
    use farthing_channel::mandate::{Authority, MandateTerms};
    use farthing_channel::sign::UncheckedSignature;
    use farthing_channel::time::UnixSeconds;

    use super::*;

    fn encoded(serial: u64) -> Vec<u8> {
        let terms = MandateTerms {
            device: Address([1; 20]),
            limit: 5,
            expiry: UnixSeconds(6),
            serial,
            payees: vec![Address([7; 20]); 20],
        };
        let authority = Authority::Direct { signature: UncheckedSignature([1; 64]) };
        encode_to_vec(&MandateBundle { escrow: EscrowId([2; 32]), mandates: vec![terms; 20], authority })
    }

    #[test]
    fn a_long_file_comes_in_whole_bundles_and_bounded_pieces() {
        let file: Vec<u8> = (0..200).flat_map(encoded).collect();
        assert!(file.len() > 4 * IMPORT_BYTES_MAX);
        let mut bundles = Bundles::new(file.as_slice());
        let mut found = Vec::new();
        loop {
            let piece = bundles.piece().unwrap();
            if piece.is_empty() {
                break;
            }
            assert!(piece.iter().map(|bundle| bundle.0.len()).sum::<usize>() <= IMPORT_BYTES_MAX);
            found.extend(piece);
        }
        assert_eq!(found.into_iter().flat_map(|bundle| bundle.0).collect::<Vec<_>>(), file);
    }

    #[test]
    fn what_is_no_bundle_is_reported_at_its_byte() {
        let mut file = encoded(1);
        let good = file.len();
        file.extend_from_slice(b"garbage");
        let error = Bundles::new(file.as_slice()).piece().unwrap_err();
        assert!(error.contains(&format!("at byte {good}")), "{error}");
        let cut = encoded(1);
        let error = Bundles::new(&cut[..cut.len() - 1]).piece().unwrap_err();
        assert!(error.contains("at byte 0"), "{error}");
        assert!(Bundles::new(&[][..]).piece().unwrap().is_empty());
    }
}
