//! The payloads of the documentation flow.

use contexter_protocol::rag::{
    DocumentIngested, DocumentProcessed, EmbeddingCompleted, ProcessingCompleted, ProcessingFailed,
    ProcessingStatus,
};
use contexter_protocol::{EventPayload, Hash, PayloadError, ProtocolHandler};
use serde_json::json;

fn ingested() -> DocumentIngested {
    DocumentIngested {
        library_id: "tokio".to_owned(),
        path: "guide.md".to_owned(),
        document: Hash::from_bytes([1; 32]),
        chunks: Hash::from_bytes([2; 32]),
        chunk_count: 3,
        profile: None,
    }
}

#[test]
fn a_payload_sets_the_type_subject_order_key_and_reference_of_its_event() {
    let handler = ProtocolHandler::new("document_processor").unwrap();
    let cause = handler.create_event(&ingested(), None).unwrap();
    assert_eq!(cause.source(), "document_processor");
    assert_eq!(cause.event_type(), "document.ingested");
    assert_eq!(cause.subject(), Some("tokio#guide.md"));
    assert_eq!(cause.partition_key(), Some("tokio#guide.md"));
    assert_eq!(
        cause.data_ref(),
        Some(&*format!("sha256:{}", "02".repeat(32)))
    );
    assert_eq!(cause.payload::<DocumentIngested>().unwrap(), ingested());
    let failed = ProcessingFailed {
        library_id: "tokio".to_owned(),
        path: None,
        step: "embed".to_owned(),
        error: "quota".to_owned(),
        error_type: "QuotaExhausted".to_owned(),
    };
    let effect = handler.create_event(&failed, Some(&cause)).unwrap();
    assert_eq!(effect.correlation_id(), cause.correlation_id());
    assert_eq!(effect.causation_id(), Some(cause.id()));
    assert!(effect.data().get("path").is_none());
}

#[test]
fn another_type_and_another_shape_are_told_apart() {
    let handler = ProtocolHandler::new("s").unwrap();
    let event = handler.create_event(&ingested(), None).unwrap();
    let wrong = event.payload::<EmbeddingCompleted>().unwrap_err();
    assert!(matches!(wrong, PayloadError::WrongType { .. }), "{wrong}");
    let mut value = serde_json::to_value(&event).unwrap();
    value["data"]["document"] = json!("abc");
    let event: contexter_protocol::IntegrationEvent = serde_json::from_value(value).unwrap();
    let error = event.payload::<DocumentIngested>().unwrap_err();
    let PayloadError::Undecodable { source, .. } = error else {
        panic!("{error}")
    };
    assert!(
        source.to_string().contains("invalid content hash \"abc\""),
        "{source}"
    );
}

#[test]
fn names_follow_the_integration_architecture() {
    let processed = DocumentProcessed {
        library_id: "tokio".to_owned(),
        document_count: 2,
        processing_time_seconds: 1.5,
    };
    assert_eq!(DocumentProcessed::TYPE, "document.processed");
    assert_eq!(
        serde_json::to_value(&processed).unwrap(),
        json!({ "library_id": "tokio", "document_count": 2, "processing_time_seconds": 1.5 })
    );
    let completed: ProcessingCompleted = serde_json::from_value(json!({
        "library_id": "l", "path": "p", "status": "success",
        "completion_time": "2026-11-23T00:00:00Z", "new_field": 1
    }))
    .unwrap();
    assert_eq!(completed.status, ProcessingStatus::Success);
    let later = serde_json::from_value::<ProcessingStatus>(json!("paused")).unwrap();
    assert_eq!(
        later,
        ProcessingStatus::Unknown,
        "a later status is no error"
    );
}
