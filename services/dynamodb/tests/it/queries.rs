//! Queries and scans: ranges, order, pages, filters, segments.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{Scene, note, texts};

async fn scene() -> Scene {
    let scene = Scene::new().await;
    for n in 0..6 {
        let rest = json!({"at": {"N": (10 - n).to_string()}, "size": {"N": n.to_string()}, "title": {"S": format!("t{n}")}});
        scene.put(note("u", &format!("a{n}"), rest)).await;
    }
    scene.put(note("u", "b0", json!({}))).await;
    scene.put(note("v", "a0", json!({}))).await;
    scene
}

fn query(condition: &str, values: Value) -> Value {
    json!({"TableName": "notes", "KeyConditionExpression": condition, "ExpressionAttributeValues": values})
}

#[tokio::test]
async fn ranges_of_the_sort_key_are_exact() {
    let scene = scene().await;
    let two = |low: &str, high: &str| json!({":p": {"S": "u"}, ":a": {"S": low}, ":b": {"S": high}});
    let one = |value: &str| json!({":p": {"S": "u"}, ":a": {"S": value}});
    for (condition, values, expected) in [
        ("pk = :p", json!({":p": {"S": "u"}}), "a0 a1 a2 a3 a4 a5 b0"),
        ("pk = :p AND sk = :a", one("a3"), "a3"),
        ("pk = :p AND sk < :a", one("a2"), "a0 a1"),
        ("pk = :p AND sk <= :a", one("a2"), "a0 a1 a2"),
        ("pk = :p AND sk > :a", one("a4"), "a5 b0"),
        ("pk = :p AND :a <= sk", one("a5"), "a5 b0"),
        ("pk = :p AND sk BETWEEN :a AND :b", two("a1", "a3"), "a1 a2 a3"),
        ("pk = :p AND begins_with(sk, :a)", one("a"), "a0 a1 a2 a3 a4 a5"),
        ("pk = :p AND begins_with(sk, :a)", one("z"), ""),
    ] {
        let answer = scene.done("Query", query(condition, values)).await;
        assert_eq!(texts(&answer, "sk").join(" "), expected, "{condition}");
    }
    let mut backwards = query("pk = :p AND sk < :a", one("a3"));
    backwards["ScanIndexForward"] = json!(false);
    assert_eq!(texts(&scene.done("Query", backwards).await, "sk"), ["a2", "a1", "a0"]);
    let legacy = json!({"TableName": "notes", "KeyConditions": {
        "pk": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "u"}]},
        "sk": {"ComparisonOperator": "BEGINS_WITH", "AttributeValueList": [{"S": "b"}]}}});
    assert_eq!(texts(&scene.done("Query", legacy).await, "sk"), ["b0"]);
}

#[tokio::test]
async fn pages_cover_each_item_once_in_both_directions() {
    let scene = scene().await;
    for forward in [true, false] {
        let mut input = query("pk = :p", json!({":p": {"S": "u"}}));
        input["Limit"] = json!(2);
        input["ScanIndexForward"] = json!(forward);
        let mut found = Vec::new();
        loop {
            let answer = scene.done("Query", input.clone()).await;
            found.extend(texts(&answer, "sk"));
            match answer.get("LastEvaluatedKey") {
                Some(last) => input["ExclusiveStartKey"] = last.clone(),
                None => break,
            }
        }
        if !forward {
            found.reverse();
        }
        assert_eq!(found.join(" "), "a0 a1 a2 a3 a4 a5 b0");
    }
}

#[tokio::test]
async fn a_filter_counts_after_the_limit() {
    let scene = scene().await;
    let mut input = query("pk = :p", json!({":p": {"S": "u"}, ":s": {"N": "1"}}));
    input["FilterExpression"] = json!("#s > :s");
    input["ExpressionAttributeNames"] = json!({"#s": "size"});
    input["Limit"] = json!(3);
    let answer = scene.done("Query", input.clone()).await;
    assert_eq!((&answer["Count"], &answer["ScannedCount"]), (&json!(1), &json!(3)));
    assert_eq!(answer["LastEvaluatedKey"], json!({"pk": {"S": "u"}, "sk": {"S": "a2"}}));
    input["Select"] = json!("COUNT");
    let answer = scene.done("Query", input).await;
    assert_eq!((answer.get("Items"), &answer["Count"]), (None, &json!(1)));
}

#[tokio::test]
async fn a_page_ends_at_one_megabyte_before_filtering() {
    let scene = Scene::new().await;
    for n in 0..5 {
        scene.put(note("u", &format!("a{n}"), json!({"body": {"S": "x".repeat(300_000)}}))).await;
    }
    let mut input = query("pk = :p", json!({":p": {"S": "u"}, ":none": {"S": "none"}}));
    input["FilterExpression"] = json!("title = :none");
    let answer = scene.done("Query", input.clone()).await;
    assert_eq!((&answer["Count"], &answer["ScannedCount"]), (&json!(0), &json!(4)));
    input["ExclusiveStartKey"] = answer["LastEvaluatedKey"].clone();
    let answer = scene.done("Query", input).await;
    assert_eq!((&answer["ScannedCount"], answer.get("LastEvaluatedKey")), (&json!(1), None));
}

#[tokio::test]
async fn key_conditions_that_do_not_fit_are_refused() {
    let scene = scene().await;
    let p = json!({":p": {"S": "u"}, ":a": {"S": "a"}});
    for (condition, text) in [
        ("pk > :p AND sk = :a", "Query key condition not supported"),
        (
            "sk = :p AND begins_with(sk, :a)",
            "KeyConditionExpressions must only contain one condition per key",
        ),
        ("sk = :a AND title = :p", "Query condition missed key schema element: pk"),
        (
            "pk = :p OR sk = :a",
            "Invalid KeyConditionExpression: Invalid operator used in KeyConditionExpression: OR",
        ),
        ("pk = :p AND sk = :a AND title = :a", "Query key condition not supported"),
    ] {
        assert_eq!(scene.invalid("Query", query(condition, p.clone())).await, text, "{condition}");
    }
    let number = json!({":p": {"N": "1"}});
    assert_eq!(
        scene.invalid("Query", query("pk = :p", number)).await,
        "One or more parameter values were invalid: Condition parameter type does not match schema type"
    );
    assert_eq!(
        scene.invalid("Query", json!({"TableName": "notes"})).await,
        "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."
    );
    let mut filter = query("pk = :p", json!({":p": {"S": "u"}}));
    filter["FilterExpression"] = json!("sk = :p");
    assert_eq!(
        scene.invalid("Query", filter).await,
        "Filter Expression can only contain non-primary key attributes: Primary key attribute: sk"
    );
    let mut index = query("pk = :p", json!({":p": {"S": "u"}}));
    index["IndexName"] = json!("none");
    assert_eq!(scene.invalid("Query", index).await, "The table does not have the specified index: none");
}

#[tokio::test]
async fn a_starting_key_must_lie_in_the_range() {
    let scene = scene().await;
    let mut input = query("pk = :p AND sk > :a", json!({":p": {"S": "u"}, ":a": {"S": "a2"}}));
    let start = |pk: &str, sk: &str| json!({"pk": {"S": pk}, "sk": {"S": sk}});
    let outside = "The provided starting key is outside query boundaries based on provided conditions";
    for wrong in [start("v", "a3"), start("u", "a1")] {
        input["ExclusiveStartKey"] = wrong;
        assert_eq!(scene.invalid("Query", input.clone()).await, outside);
    }
    for wrong in [json!({"pk": {"S": "u"}}), json!({"pk": {"S": "u"}, "sk": {"N": "1"}}), json!({})] {
        input["ExclusiveStartKey"] = wrong;
        assert!(
            scene.invalid("Query", input.clone()).await.starts_with("The provided starting key is invalid")
        );
    }
    input["ExclusiveStartKey"] = start("u", "a4x");
    assert_eq!(texts(&scene.done("Query", input).await, "sk"), ["a5", "b0"]);
}

#[tokio::test]
async fn segments_and_pages_of_a_scan_cover_each_item_once() {
    let scene = Scene::new().await;
    for n in 0..40 {
        scene.put(note(&format!("p{n}"), "x", json!({}))).await;
    }
    for total in [1, 3, 7] {
        let mut found = Vec::new();
        for segment in 0..total {
            let mut input =
                json!({"TableName": "notes", "Segment": segment, "TotalSegments": total, "Limit": 5});
            loop {
                let answer = scene.done("Scan", input.clone()).await;
                found.extend(texts(&answer, "pk"));
                match answer.get("LastEvaluatedKey") {
                    Some(last) => input["ExclusiveStartKey"] = last.clone(),
                    None => break,
                }
            }
        }
        assert_eq!(found.len(), 40, "{total}");
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>().len(), 40, "{total}");
    }
    let filtered = json!({"TableName": "notes", "FilterExpression": "pk IN (:a, :b)",
        "ExpressionAttributeValues": {":a": {"S": "p1"}, ":b": {"S": "none"}}});
    assert_eq!(texts(&scene.done("Scan", filtered).await, "pk"), ["p1"]);
    assert!(
        scene.invalid("Scan", json!({"TableName": "notes", "Segment": 1})).await.contains("TotalSegments")
    );
}
