//! Texts, images and videos together.

use std::sync::Arc;

use contexter_model::{CountTokens as _, ErrorKind};
use contexter_resilience::{StackConfig, StandardStack};
use contexter_service::Service as _;
use contexter_testkit::{Scripted, ScriptedServer};
use contexter_voyage::{
    Caps, Content, EmbedMultimodal, Image, Lane, Packed, limits::MAX_IMAGE_BYTES,
};
use serde_json::{Value, json};

use crate::support::{adapter, call};

/// The head of an image of 2 × 3 pixels; enough to know it by.
pub(crate) const PNG: &[u8] = &[
    0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, b'I', b'H', b'D', b'R', 0, 0, 0,
    2, 0, 0, 0, 3, 8, 2, 0, 0, 0,
];

/// The same as it is sent.
pub(crate) const PNG_URL: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAIAAAADCAIAAAA=";

fn answer(count: usize) -> Scripted {
    let data: Vec<Value> = (0..count)
        .map(|index| json!({ "index": index, "embedding": vec![0.5; 1024] }))
        .collect();
    Scripted::json(
        200,
        json!({
            "data": data,
            "usage": {
                "text_tokens": 12,
                "image_pixels": 2_000_000,
                "total_tokens": 3_583,
            },
        }),
    )
}

#[tokio::test]
async fn images_on_the_web_and_images_that_are_sent_do_not_go_together() {
    let server = ScriptedServer::start(vec![answer(2), answer(1)]).await;
    let url = || vec![Content::image_url("https://example.org/a.jpg")];
    let inline = vec![Content::image(PNG).unwrap()];
    let inputs = vec![url(), vec![Content::text("of any kind")], inline];
    let request = EmbedMultimodal::new(inputs, None);
    let mut settings = crate::support::config(&server);
    settings.max_concurrent = 1;
    let adapter = contexter_voyage::VoyageAdapter::new(settings).unwrap();
    let reply = call(&adapter, request).await.unwrap();
    assert_eq!(reply.vectors.len(), 3);
    assert_eq!(
        (reply.usage.image_pixels, reply.usage.tokens),
        (4_000_000, 7_166)
    );
    let inputs: Vec<Value> = server
        .requests()
        .iter()
        .map(|request| request.json()["inputs"].clone())
        .collect();
    assert_eq!(
        inputs,
        [
            json!([
                { "content": [{ "type": "image_url", "image_url": "https://example.org/a.jpg" }] },
                { "content": [{ "type": "text", "text": "of any kind" }] },
            ]),
            json!([{ "content": [{ "type": "image_base64", "image_base64": PNG_URL }] }]),
        ]
    );
    // 24 tokens of texts, and 4,000,000 pixels.
    assert_eq!(adapter.usage().cost_micro_dollars, 2 + 2_400);
}

#[tokio::test]
async fn videos_are_sent_as_they_are_given() {
    let server = ScriptedServer::start(vec![answer(1)]).await;
    let video = Content::Video {
        media_type: "video/mp4".to_owned(),
        bytes: "abc".into(),
    };
    call(
        &adapter(&server),
        EmbedMultimodal::new(vec![vec![video]], None),
    )
    .await
    .unwrap();
    assert_eq!(
        server.requests()[0].json()["inputs"],
        json!([{ "content": [
            { "type": "video_base64", "video_base64": "data:video/mp4;base64,YWJj" },
        ]}])
    );
}

#[tokio::test]
async fn what_the_vendor_would_refuse_is_not_sent() {
    let server = ScriptedServer::start(vec![Scripted::status(500)]).await;
    let adapter = adapter(&server);
    let mixed = vec![
        Content::image_url("https://example.org/a.jpg"),
        Content::image(PNG).unwrap(),
    ];
    let mut large = PNG.to_vec();
    large.resize(MAX_IMAGE_BYTES + 1, 0);
    for (input, kind, message) in [
        (
            vec![],
            ErrorKind::Invalid,
            "input 0 is empty, expected a text, an image or a video",
        ),
        (
            mixed,
            ErrorKind::Invalid,
            "input 0 has contents by url and as bytes, expected one of them",
        ),
        (
            vec![Content::image(large).unwrap()],
            ErrorKind::TooLarge,
            "input 0 has 20000001 bytes in one content, at most 20000000 are allowed",
        ),
    ] {
        let error = call(&adapter, EmbedMultimodal::new(vec![input], None))
            .await
            .unwrap_err();
        assert_eq!((error.kind(), error.message()), (kind, message));
        assert_eq!(error.operation(), Some("embed_multimodal"));
    }
    let video = vec![Content::VideoUrl("https://example.org/a.mp4".to_owned())];
    let old = EmbedMultimodal::new(vec![video], None).with_model("voyage-multimodal-3");
    let error = call(&adapter, old).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (
            ErrorKind::Invalid,
            "input 0 has a video, which voyage-multimodal-3 cannot read"
        )
    );
    assert!(server.requests().is_empty());
}

#[test]
fn an_image_is_known_by_its_head() {
    let image = Image::new(PNG).unwrap();
    assert_eq!((image.media_type(), image.pixels()), ("image/png", Some(6)));
    let mut huge = PNG.to_vec();
    huge[18] = 0xff;
    huge[22] = 0xff;
    let error = Image::new(huge).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    for other in [&b"<svg/>"[..], b"", b"BM", &PNG[..4]] {
        assert_eq!(
            Image::new(other).unwrap_err().kind(),
            ErrorKind::Unsupported
        );
    }
    let shown = format!("{:?}", Content::image(PNG).unwrap());
    assert!(!shown.contains("IHDR"), "{shown}");
}

#[tokio::test]
async fn pixels_teach_nothing_about_texts() {
    struct Images;

    impl contexter_service::Service<EmbedMultimodal> for Images {
        type Response = contexter_voyage::MultimodalEmbeddings;
        type Error = contexter_model::Error;

        async fn call(&self, request: EmbedMultimodal) -> Result<Self::Response, Self::Error> {
            request.read_reply(
                &serde_json::to_vec(&json!({
                    "data": [{ "index": 0, "embedding": vec![0.5; 1024] }],
                    "usage": {
                        "text_tokens": 1_000, "image_pixels": 2_000_000, "total_tokens": 50_000,
                    },
                }))
                .unwrap(),
            )
        }
    }

    let stack = StandardStack::new(StackConfig::new()).unwrap();
    let packed = Packed::new(Images, Arc::new(Lane::new(stack, Caps::new(10, 100_000))));
    let text = "word".repeat(1_000);
    let before = packed.lane().tokens().count(&text);
    for _ in 0..25 {
        let input = vec![Content::text(&*text), Content::image(PNG).unwrap()];
        packed
            .call(EmbedMultimodal::new(vec![input], None))
            .await
            .unwrap();
    }
    let after = packed.lane().tokens().count(&text);
    assert!((1_000..before / 2).contains(&after), "{before} {after}");
}

#[tokio::test]
async fn no_request_has_more_bytes_than_several_can_have() {
    let server = ScriptedServer::start(vec![answer(1)]).await;
    let mut settings = crate::support::config(&server);
    settings.max_concurrent = 1;
    let adapter = contexter_voyage::VoyageAdapter::new(settings).unwrap();
    let mut large = PNG.to_vec();
    large.resize(13_000_000, 0);
    let inputs = vec![vec![Content::image(large).unwrap()]; 2];
    call(&adapter, EmbedMultimodal::new(inputs, None))
        .await
        .unwrap();
    assert_eq!(server.requests().len(), 2);
}
