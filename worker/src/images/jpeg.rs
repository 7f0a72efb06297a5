//! Walks a JPEG's markers before it is decoded: the decoder takes a file that
//! is cut off in silence, and works through any number of scans.

use super::ImageError;

/// Pictures have about ten scans; each one costs a pass over all pixels.
const SCANS_MAX: u32 = 100;

/// What the markers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Jpeg {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) is_progressive: bool,
}

/// Follows the markers from the first to the end of the image.
pub(super) fn inspect(bytes: &[u8]) -> Result<Jpeg, ImageError> {
    let mut markers = Markers { bytes, at: 0 };
    let (mut frame, mut scans) = (None, 0);
    loop {
        match markers.next()? {
            0x00 | 0x01 | 0xd0..=0xd8 => {}
            0xd9 => break,
            marker if is_frame(marker) => frame = Some(read_frame(marker, markers.segment()?)?),
            0xda => {
                scans += 1;
                markers.segment()?;
            }
            _ => {
                markers.segment()?;
            }
        }
        if scans > SCANS_MAX {
            return Err(ImageError::TooManyScans);
        }
    }
    match frame {
        Some(frame) if scans > 0 => Ok(frame),
        _ => Err(ImageError::Damaged("it has no picture".to_owned())),
    }
}

/// C0 to CF begin a frame, but for the tables among them.
fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}

fn read_frame(marker: u8, segment: &[u8]) -> Result<Jpeg, ImageError> {
    let [_precision, h1, h0, w1, w0, ..] = *segment else {
        return Err(ImageError::CutOff);
    };
    Ok(Jpeg {
        width: u32::from(u16::from_be_bytes([w1, w0])),
        height: u32::from(u16::from_be_bytes([h1, h0])),
        is_progressive: matches!(marker, 0xc2 | 0xc6 | 0xca | 0xce),
    })
}

struct Markers<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Markers<'a> {
    /// The next marker; coded pixels before it are passed over (in them FF 00
    /// is a byte, and FF before FF is filling).
    fn next(&mut self) -> Result<u8, ImageError> {
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let found = rest.iter().position(|byte| *byte == 0xff);
            let at = self.at + found.ok_or(ImageError::CutOff)?;
            let marker = *self.bytes.get(at + 1).ok_or(ImageError::CutOff)?;
            self.at = at + 1;
            if marker != 0xff {
                self.at += 1;
                if marker != 0x00 {
                    return Ok(marker);
                }
            }
        }
    }

    /// The segment that follows a marker, without its length.
    fn segment(&mut self) -> Result<&'a [u8], ImageError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let [l1, l0, ..] = *rest else {
            return Err(ImageError::CutOff);
        };
        let length = usize::from(u16::from_be_bytes([l1, l0]));
        let segment = rest.get(2..length.max(2)).ok_or(ImageError::CutOff)?;
        self.at += length.max(2);
        Ok(segment)
    }
}
