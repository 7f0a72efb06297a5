//! Pixels to a JPEG file, as a camera writes one.

use jpeg_encoder::{ColorType, Encoder, EncodingError, SamplingFactor};

use super::film::Frame;

/// How the camera was held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// The rows of the file are the rows of the picture.
    Level,
    /// Turned a quarter: the file lies on its side, and its EXIF orientation
    /// (6) says that it is to be turned clockwise.
    Turned,
}

/// Encodes 8-bit RGB rows.
///
/// # Errors
/// When the picture has no pixels or a side above 65,535.
pub fn encode(frame: Frame, pixels: &[u8], held: Held) -> Result<Vec<u8>, EncodingError> {
    let turned;
    let (frame, pixels) = match held {
        Held::Level => (frame, pixels),
        Held::Turned => {
            turned = turn(frame, pixels);
            (Frame { width: frame.height, height: frame.width }, turned.as_slice())
        }
    };
    let side = |side: usize| u16::try_from(side).unwrap_or(0);
    let mut file = Vec::with_capacity(pixels.len() / 6);
    let mut encoder = Encoder::new(&mut file, QUALITY);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.add_exif_metadata(&exif(if held == Held::Turned { 6 } else { 1 }))?;
    encoder.encode(pixels, side(frame.width), side(frame.height), ColorType::Rgb)?;
    Ok(file)
}

const QUALITY: u8 = 94;

/// A quarter turn against the clock.
fn turn(frame: Frame, pixels: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(pixels.len());
    for x in (0..frame.width).rev() {
        for y in 0..frame.height {
            let at = (y * frame.width + x) * 3;
            out.extend_from_slice(&pixels[at..at + 3]);
        }
    }
    out
}

/// A TIFF block with one entry, the orientation.
fn exif(orientation: u8) -> [u8; 26] {
    let mut block = *b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0";
    block[19] = orientation;
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turned_picture_lies_on_its_side_with_orientation_six() {
        let frame = Frame { width: 2, height: 3 };
        let pixels: Vec<u8> = (0..6).flat_map(|i| [i, i, i]).collect();
        let stored: Vec<u8> = turn(frame, &pixels).chunks(3).map(|p| p[0]).collect();
        assert_eq!(stored, [1, 3, 5, 0, 2, 4]);

        let file = encode(frame, &pixels, Held::Turned).unwrap();
        let at = file.windows(6).position(|w| w == b"Exif\0\0").expect("an EXIF segment");
        assert_eq!(file[at + 6..at + 32], exif(6));
    }
}
