//! What a client encodes, the server decodes to the same document, in every protocol.

use casemate_schema::{Document, OpMeta};
use casemate_wire::{Router, decode, document_from_json, document_to_json, encode, encode_request};
use proptest::prelude::*;

use crate::model::{self, head_of, sorted};

fn through_the_wire(op: &'static OpMeta, input: &Document) -> Document {
    let request = encode_request(op, input).unwrap();
    let head = head_of(&request);
    let router = Router::new(model::ALL);
    let route = router.route(&head, Some(op.service.signing_name), &request.body).unwrap();
    assert!(std::ptr::eq(route.op, op), "routed to {} instead of {}", route.op.name, op.name);
    decode(&route, &head, &request.body).unwrap()
}

fn comes_back(op: &'static OpMeta, input: Document) {
    assert_eq!(sorted(through_the_wire(op, &input)), sorted(input));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn json_input_comes_back(input in model::of_body(&model::NODE, 3)) {
        comes_back(&model::TEN_PUT, input.clone());
        comes_back(&model::ELEVEN_PUT, input);
    }

    #[test]
    fn query_input_comes_back(input in model::of_body(&model::NODE, 3)) {
        comes_back(&model::QUERY_PUT, input);
    }

    #[test]
    fn rest_input_comes_back(input in model::http_input()) {
        comes_back(&model::REST_PUT, input);
    }

    #[test]
    fn structure_payload_comes_back(node in model::of_body(&model::NODE, 3)) {
        comes_back(&model::REST_CREATE, Document::structure([("Node", node.clone())]));
        comes_back(&model::REST_IMPORT, Document::structure([("Node", node)]));
    }

    #[test]
    fn blob_payload_and_greedy_label_come_back(
        path in "[^/\\PC]{1,5}(/[^/\\PC]{1,5}){0,3}"
            .prop_filter("dot segments match nothing", |p| !p.split('/').any(|s| matches!(s, "." | ".."))),
        data in prop::collection::vec(any::<u8>(), 1..50),
    ) {
        comes_back(
            &model::REST_UPLOAD,
            Document::structure([("Path", path.into()), ("Data", Document::Blob(data.into()))]),
        );
    }

    #[test]
    fn json_answer_comes_back(output in model::of_body(&model::NODE, 3)) {
        let answer = encode(&model::TEN_PUT, output.clone(), "id");
        let read = document_from_json(&model::NODE, &answer.body).unwrap();
        assert_eq!(sorted(read), sorted(output.clone()));
        assert_eq!(document_to_json(&model::NODE, &output), answer.body);
        let checksum = crc32(&answer.body).to_string();
        assert_eq!(answer.header("x-amz-crc32"), Some(checksum.as_str()));
    }

    #[test]
    fn xml_answer_is_balanced_and_holds_no_raw_markup(output in model::of_body(&model::NODE, 3)) {
        let answer = encode(&model::QUERY_PUT, output, "id");
        let text = std::str::from_utf8(&answer.body).unwrap();
        let mut open = Vec::new();
        for part in text.split('<').skip(1) {
            let (tag, content) = part.split_once('>').unwrap();
            assert!(!content.contains(['"', '\r', '\0']));
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name));
            } else {
                open.push(tag.split(' ').next().unwrap());
            }
        }
        assert!(open.is_empty());
    }
}

/// A second, literal implementation of the checksum.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    })
}
