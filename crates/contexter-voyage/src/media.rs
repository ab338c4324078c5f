//! What an input of multimodal embeddings is made of.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use contexter_model::{Error, ErrorKind};
use serde::Serialize;

use crate::packing::ItemKind;

/// One content of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// A text.
    Text(String),
    /// An image that the vendor fetches from the web.
    ImageUrl(String),
    /// An image that is sent.
    Image(Image),
    /// A video that the vendor fetches from the web; from version 3.5 of the model on.
    VideoUrl(String),
    /// A video that is sent; from version 3.5 of the model on.
    Video {
        /// Its media type, such as `video/mp4`.
        media_type: String,
        /// The file.
        bytes: Bytes,
    },
}

/// An image of a format that the vendor reads.
///
/// Source: <https://docs.voyageai.com/docs/multimodal-embeddings>.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    media_type: &'static str,
    pixels: Option<u64>,
    bytes: Bytes,
}

/// The most pixels of an image: 16 million.
///
/// Source: <https://docs.voyageai.com/docs/multimodal-embeddings>.
const MAX_PIXELS: u64 = 16_000_000;

impl Image {
    /// Takes an image as the bytes of a file, and finds its format by them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] for what is no PNG, JPEG, WebP or GIF, and
    /// [`ErrorKind::TooLarge`] for more than 16 million pixels.
    ///
    /// # Examples
    ///
    /// ```
    /// use contexter_model::ErrorKind;
    /// use contexter_voyage::Image;
    ///
    /// let error = Image::new("no image").unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Unsupported);
    /// ```
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self, Error> {
        let bytes = bytes.into();
        let media_type = match imagesize::image_type(&bytes) {
            Ok(imagesize::ImageType::Png) => "image/png",
            Ok(imagesize::ImageType::Jpeg) => "image/jpeg",
            Ok(imagesize::ImageType::Webp) => "image/webp",
            Ok(imagesize::ImageType::Gif) => "image/gif",
            _ => {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    "unknown format of an image, expected PNG, JPEG, WebP or GIF",
                ));
            }
        };
        // What cannot be measured is sent: the vendor judges it.
        let pixels = imagesize::blob_size(&bytes).ok().map(|size| {
            let (width, height) = (size.width as u64, size.height as u64);
            width.saturating_mul(height)
        });
        match pixels {
            Some(pixels) if pixels > MAX_PIXELS => Err(Error::new(
                ErrorKind::TooLarge,
                format!("an image of {pixels} pixels, at most {MAX_PIXELS} are allowed"),
            )),
            _ => Ok(Self {
                media_type,
                pixels,
                bytes,
            }),
        }
    }

    /// Returns the media type, such as `image/png`.
    #[must_use]
    pub fn media_type(&self) -> &'static str {
        self.media_type
    }

    /// Returns how many pixels it has, where its head says so.
    #[must_use]
    pub fn pixels(&self) -> Option<u64> {
        self.pixels
    }
}

/// Without the bytes.
impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image")
            .field("media_type", &self.media_type)
            .field("pixels", &self.pixels)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}

impl Content {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// An image on the web.
    pub fn image_url(url: impl Into<String>) -> Self {
        Self::ImageUrl(url.into())
    }

    /// An image, as the bytes of a file.
    ///
    /// # Errors
    ///
    /// As [`Image::new`].
    pub fn image(bytes: impl Into<Bytes>) -> Result<Self, Error> {
        Image::new(bytes).map(Self::Image)
    }

    pub(crate) fn kind(&self) -> Option<ItemKind> {
        match self {
            Self::Text(_) => None,
            Self::ImageUrl(_) | Self::VideoUrl(_) => Some(ItemKind::Url),
            Self::Image(_) | Self::Video { .. } => Some(ItemKind::Inline),
        }
    }

    pub(crate) fn is_video(&self) -> bool {
        matches!(self, Self::VideoUrl(_) | Self::Video { .. })
    }

    pub(crate) fn bytes(&self) -> Option<usize> {
        match self {
            Self::Image(image) => Some(image.bytes.len()),
            Self::Video { bytes, .. } => Some(bytes.len()),
            _ => None,
        }
    }

    /// How many bytes are sent for it: base64 makes four of three.
    pub(crate) fn payload(&self) -> u64 {
        let length = match self {
            Self::Text(text) | Self::ImageUrl(text) | Self::VideoUrl(text) => text.len(),
            Self::Image(_) | Self::Video { .. } => {
                let bytes = self.bytes().unwrap_or_default();
                bytes.div_ceil(3).saturating_mul(4)
            }
        };
        length as u64
    }

    pub(crate) fn pixels(&self) -> Option<u64> {
        match self {
            Self::Image(image) => image.pixels,
            _ => None,
        }
    }

    pub(crate) fn wire(&self) -> Wire<'_> {
        match self {
            Self::Text(text) => Wire::Text { text },
            Self::ImageUrl(url) => Wire::ImageUrl { image_url: url },
            Self::Image(image) => Wire::ImageBase64 {
                image_base64: data_url(image.media_type, &image.bytes),
            },
            Self::VideoUrl(url) => Wire::VideoUrl { video_url: url },
            Self::Video { media_type, bytes } => Wire::VideoBase64 {
                video_base64: data_url(media_type, bytes),
            },
        }
    }
}

fn data_url(media_type: &str, bytes: &[u8]) -> String {
    let mut url = format!("data:{media_type};base64,");
    STANDARD.encode_string(bytes, &mut url);
    url
}

/// A content as it is sent.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Wire<'a> {
    Text {
        text: &'a str,
    },
    ImageUrl {
        image_url: &'a str,
    },
    #[serde(rename = "image_base64")]
    ImageBase64 {
        image_base64: String,
    },
    VideoUrl {
        video_url: &'a str,
    },
    #[serde(rename = "video_base64")]
    VideoBase64 {
        video_base64: String,
    },
}
