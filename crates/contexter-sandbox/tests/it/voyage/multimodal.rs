//! `POST /multimodalembeddings`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contexter_sandbox::SandboxConfig;
use serde_json::{Value, json};

use crate::client::{post, start, voyage};

const PATH: &str = "multimodalembeddings";

/// The head of a PNG of this size, which is all that is looked at.
fn png(width: u32, height: u32) -> String {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend([8, 6, 0, 0, 0, 0, 0, 0, 0]);
    format!("data:image/png;base64,{}", STANDARD.encode(bytes))
}

fn image(url: &str) -> Value {
    json!({"type": "image_base64", "image_base64": url})
}

#[tokio::test]
async fn texts_and_images_are_counted_apart() {
    let sandbox = start(SandboxConfig::new()).await;
    let body = json!({
        "model": "voyage-multimodal-3.5", "output_dimension": 512,
        "inputs": [
            {"content": [{"type": "text", "text": "a diagram"}, image(&png(1000, 560))]},
            {"content": [image(&png(10, 10))]},
        ],
    });
    let (status, reply) = post(&voyage(&sandbox), PATH, &body).await;
    assert_eq!(status, 200, "{reply}");
    assert_eq!(reply["data"].as_array().unwrap().len(), 2);
    assert_eq!(reply["data"][0]["embedding"].as_array().unwrap().len(), 512);
    let usage = &reply["usage"];
    assert_eq!(usage["text_tokens"], 3);
    // The small one is billed as 50,000 pixels.
    assert_eq!(usage["image_pixels"], 610_000);
    assert_eq!(usage["video_pixels"], 0);
    assert_eq!(usage["total_tokens"], 3 + 610_000 / 560);
}

#[tokio::test]
async fn both_names_of_the_encoding_work() {
    let sandbox = start(SandboxConfig::new()).await;
    let api = voyage(&sandbox);
    for name in ["encoding_format", "output_encoding"] {
        let mut body = json!({
            "model": "voyage-multimodal-3.5",
            "inputs": [{"content": [{"type": "text", "text": "a"}]}],
        });
        body[name] = json!("base64");
        let (status, reply) = post(&api, PATH, &body).await;
        assert_eq!(status, 200, "{reply}");
        assert!(reply["data"][0]["embedding"].is_string(), "{name}");
    }
}

#[tokio::test]
async fn wrong_inputs_are_refused() {
    let sandbox = start(SandboxConfig::new()).await;
    let api = voyage(&sandbox);
    let url = json!({"type": "image_url", "image_url": "https://example.org/a.jpg"});
    let video = json!({"type": "video_url", "video_url": "https://example.org/a.mp4"});
    let table = [
        ("voyage-multimodal-3.5", vec![image(&png(5000, 5000))]),
        (
            "voyage-multimodal-3.5",
            vec![image("data:image/png;base64,AAAA")],
        ),
        (
            "voyage-multimodal-3.5",
            vec![image("data:image/png;base64,?")],
        ),
        (
            "voyage-multimodal-3.5",
            vec![image("https://example.org/a.png")],
        ),
        ("voyage-multimodal-3.5", vec![image(&png(9, 9)), url]),
        (
            "voyage-multimodal-3.5",
            vec![json!({"type": "sound", "sound": "a"})],
        ),
        ("voyage-multimodal-3.5", vec![]),
        ("voyage-multimodal-3", vec![video]),
        ("voyage-4", vec![json!({"type": "text", "text": "a"})]),
    ];
    for (model, content) in table {
        let body = json!({"model": model, "inputs": [{"content": content}]});
        let (status, reply) = post(&api, PATH, &body).await;
        assert_eq!(status, 400, "{body}: {reply}");
    }
    let body = json!({
        "model": "voyage-multimodal-3", "output_dimension": 512,
        "inputs": [{"content": [{"type": "text", "text": "a"}]}],
    });
    assert_eq!(post(&api, PATH, &body).await.0, 400);
}
