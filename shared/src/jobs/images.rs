//! Images: a compute job, and the data job with its result.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::compute::ComputeOutcome;
use super::{Job, Travel};

/// Pixels of a side of the square cover, at most.
pub const COVER: u32 = 200;

/// Make every variant of an original: objects in, objects out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MakeVariants {
    /// The image.
    pub image: Uuid,
    /// Key of the original in the private bucket.
    pub original: String,
}

impl Job for MakeVariants {
    const QUEUE: &'static str = "images";
    const KIND: &'static str = "variants";
    const TRAVEL: Travel = Travel::Alone;
}

/// What came of a [`MakeVariants`], to be written down.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VariantsMade {
    /// The compute job, as it came: a retry sends it again.
    pub job: crate::envelope::Envelope<MakeVariants>,
    /// What it made, or why it could not.
    pub outcome: ComputeOutcome<Picture>,
}

impl Job for VariantsMade {
    const QUEUE: &'static str = "image-results";
    const KIND: &'static str = "variants";
}

/// An image and its variants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// Width in pixels, after orientation.
    pub width: u32,
    /// Height in pixels, after orientation.
    pub height: u32,
    /// A ThumbHash, in base64.
    pub placeholder: String,
    /// Narrowest first.
    pub variants: Vec<Variant>,
}

/// One size of an image in one format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// Content-addressed key in the public bucket.
    pub key: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Media type, such as `image/jpeg`.
    #[serde(rename = "type")]
    pub media_type: String,
    /// Size in bytes.
    pub bytes: u64,
}
