//! Frames: a length and that many bytes of MessagePack.

use bytes::{Buf, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Longest frame that is read, in bytes.
const LONGEST: usize = 64 << 20;

pub(super) fn encode<T: Serialize>(value: &T) -> Result<Bytes, String> {
    let body = rmp_serde::to_vec_named(value).map_err(|e| e.to_string())?;
    let length = u32::try_from(body.len()).map_err(|e| e.to_string())?;
    let mut frame = Vec::with_capacity(body.len() + 4);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&body);
    Ok(frame.into())
}

/// Takes the first frame off the buffer; `None` if it is not there whole.
pub(super) fn take<T: DeserializeOwned>(buffer: &mut BytesMut) -> Result<Option<T>, String> {
    let Some(length) = buffer.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length) as usize;
    if length > LONGEST {
        return Err(format!("a frame of {length} bytes is too long"));
    }
    if buffer.len() < 4 + length {
        return Ok(None);
    }
    buffer.advance(4);
    let body = buffer.split_to(length);
    rmp_serde::from_slice(&body).map(Some).map_err(|e| e.to_string())
}
