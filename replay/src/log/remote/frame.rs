//! Frames: a length and that many bytes of MessagePack.

use super::super::ReadError;
use bytes::{Buf, Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::BoxStream;
use schema::codec;
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
fn take<T: DeserializeOwned>(buffer: &mut BytesMut) -> Result<Option<T>, String> {
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
    codec::whole(&body).map(Some).map_err(|e| e.to_string())
}

/// A stream of frames, and what of it is not yet a whole frame.
pub(super) struct Frames {
    body: BoxStream<'static, reqwest::Result<Bytes>>,
    buffer: BytesMut,
}

impl Frames {
    pub(super) async fn open(request: reqwest::RequestBuilder) -> Result<Frames, ReadError> {
        let unavailable = |e: reqwest::Error| ReadError::Unavailable(e.to_string());
        let response = request.send().await.map_err(unavailable)?;
        let response = response.error_for_status().map_err(unavailable)?;
        Ok(Frames { body: response.bytes_stream().boxed(), buffer: BytesMut::new() })
    }

    /// The next frame; cancel-safe.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> Result<T, ReadError> {
        loop {
            if let Some(value) = take(&mut self.buffer).map_err(ReadError::Refused)? {
                return Ok(value);
            }
            match self.body.next().await {
                Some(Ok(bytes)) => self.buffer.extend_from_slice(&bytes),
                Some(Err(error)) => return Err(ReadError::Unavailable(error.to_string())),
                None => return Err(ReadError::Unavailable("the stream ended".into())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_whole_or_not_at_all() {
        let frame = encode(&"hello".to_owned()).expect("encodes");
        for cut in 0..frame.len() {
            let mut buffer = BytesMut::from(&frame[..cut]);
            assert_eq!(take::<String>(&mut buffer), Ok(None));
        }
        let mut two = BytesMut::from(&frame[..]);
        two.extend_from_slice(&frame);
        for _ in 0..2 {
            assert_eq!(take::<String>(&mut two), Ok(Some("hello".to_owned())));
        }
        let mut absurd = BytesMut::from(&[0xff_u8; 8][..]);
        assert!(take::<String>(&mut absurd).is_err());
        let deep = [0x91; 1 << 20];
        let mut deep = BytesMut::from(&[&[0, 0x10, 0, 0][..], &deep].concat()[..]);
        assert!(take::<serde::de::IgnoredAny>(&mut deep).is_err());
    }
}
