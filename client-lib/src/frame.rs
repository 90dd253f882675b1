//! Frames on streams: a 16-bit big-endian length and one message.

use farthing_channel::codec::{decode_exact, encode_into};
use farthing_channel::limits::FRAME_BYTES_MAX;
use farthing_channel::wire::{Request, Response};
use quinn::{ReadExactError, RecvStream, SendStream};

use crate::error::{ClientError, HubFault};

/// Appends `message` as a frame. Nothing this crate sends comes near the limit except a request with far too many
/// lanes, which is the caller's mistake.
pub(crate) fn append<T>(out: &mut Vec<u8>, encode: impl FnOnce(&mut Vec<u8>) -> T) -> Result<(), ClientError> {
    let start = out.len();
    out.extend_from_slice(&[0, 0]);
    encode(out);
    let length = out.len() - start - 2;
    match u16::try_from(length) {
        Ok(prefix) if length <= FRAME_BYTES_MAX => {
            out[start..start + 2].copy_from_slice(&prefix.to_be_bytes());
            Ok(())
        }
        _ => {
            out.truncate(start);
            Err(ClientError::config("a message is larger than a frame may be"))
        }
    }
}

/// Reads one frame's message; `None` where the stream ended before it.
pub(crate) async fn read(stream: &mut RecvStream) -> Result<Option<Vec<u8>>, ClientError> {
    let mut prefix = [0; 2];
    match stream.read_exact(&mut prefix).await {
        Ok(()) => {}
        Err(ReadExactError::FinishedEarly(0)) => return Ok(None),
        Err(error) => return Err(broken(&error)),
    }
    let length = usize::from(u16::from_be_bytes(prefix));
    if length > FRAME_BYTES_MAX {
        return Err(HubFault::Malformed.into());
    }
    let mut message = vec![0; length];
    match stream.read_exact(&mut message).await {
        Ok(()) => Ok(Some(message)),
        Err(error) => Err(broken(&error)),
    }
}

fn broken(error: &ReadExactError) -> ClientError {
    match error {
        ReadExactError::FinishedEarly(_) => HubFault::Malformed.into(),
        ReadExactError::ReadError(quinn::ReadError::ConnectionLost(lost)) => lost.clone().into(),
        ReadExactError::ReadError(error) => ClientError::Unreachable(error.to_string().into()),
    }
}

/// Writes a request's frame.
pub(crate) async fn write_request(stream: &mut SendStream, request: &Request) -> Result<(), ClientError> {
    let mut frame = Vec::new();
    append(&mut frame, |out| encode_into(request, out))?;
    stream.write_all(&frame).await?;
    Ok(())
}

/// Reads the response to a request; a refusal becomes an error.
pub(crate) async fn read_response(stream: &mut RecvStream) -> Result<Response, ClientError> {
    let bytes = read(stream).await?.ok_or(HubFault::Unexpected)?;
    match decode_exact(&bytes).map_err(|_| HubFault::Malformed)? {
        Response::Refused { refusal } => Err(refusal.into()),
        response => Ok(response),
    }
}
