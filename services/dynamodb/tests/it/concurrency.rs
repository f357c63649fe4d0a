//! Many writers at once, work that outlasts its request, and inputs meant to break the server.

use std::rc::Rc;

use serde_json::{Value, json};

use crate::{Scene, key, note, notes};

/// Sends all requests before the first is answered; their writes meet in the store.
async fn all(scene: &Rc<Scene>, count: usize, input: impl Fn(usize) -> (&'static str, Value)) -> Vec<u16> {
    let local = tokio::task::LocalSet::new();
    let tasks: Vec<_> = (0..count)
        .map(|n| {
            let (scene, (operation, input)) = (Rc::clone(scene), input(n));
            local.spawn_local(async move { scene.call(operation, input).await.status.as_u16() })
        })
        .collect();
    local
        .run_until(async move {
            let mut statuses = Vec::new();
            for task in tasks {
                statuses.push(task.await.unwrap());
            }
            statuses
        })
        .await
}

#[tokio::test]
async fn of_many_conditional_puts_exactly_one_succeeds() {
    let scene = Rc::new(Scene::new().await);
    let statuses = all(&scene, 40, |n| {
        let item = note("u", "n", json!({"by": {"N": n.to_string()}}));
        (
            "PutItem",
            json!({"TableName": "notes", "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}),
        )
    })
    .await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1);
    assert!(statuses.iter().all(|status| [200, 400].contains(status)));
}

#[tokio::test]
async fn no_increment_is_lost_and_the_index_agrees() {
    let scene = Rc::new(Scene::new().await);
    let statuses = all(&scene, 60, |n| {
        let update = json!({"TableName": "notes", "Key": key("u", "n"), "UpdateExpression": "SET kind = :k ADD hits :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}, ":k": {"S": format!("k{}", n % 3)}}});
        if n % 2 == 0 {
            ("UpdateItem", update)
        } else {
            ("TransactWriteItems", json!({"TransactItems": [{"Update": update}]}))
        }
    })
    .await;
    assert_eq!(statuses, [200; 60]);
    let item = scene.get("u", "n").await;
    assert_eq!(item["hits"], json!({"N": "60"}));
    let index = scene.done("Scan", json!({"TableName": "notes", "IndexName": "all"})).await;
    assert_eq!(index["Items"], json!([item]));
}

#[tokio::test]
async fn a_large_table_is_removed_behind_the_answer() {
    let mut scene = Scene::empty();
    let before = scene.world.digest();
    scene.done("CreateTable", notes()).await;
    for batch in 0..100 {
        let puts: Vec<Value> = (0..25)
            .map(|n| json!({"PutRequest": {"Item": note(&format!("p{batch}"), &n.to_string(), json!({"kind": {"S": "k"}}))}}))
            .collect();
        scene.done("BatchWriteItem", json!({"RequestItems": {"notes": puts}})).await;
    }
    scene.done("DeleteTable", json!({"TableName": "notes"})).await;
    assert_ne!(scene.world.digest(), before);
    // A successor is not touched by the work on its predecessor.
    scene.done("CreateTable", notes()).await;
    scene.put(key("new", "1")).await;
    scene.world.run_tasks();
    let mut rounds = 0;
    loop {
        let digest = scene.world.digest();
        tokio::task::yield_now().await;
        if scene.world.digest() == digest {
            rounds += 1;
        } else {
            rounds = 0;
        }
        if rounds > 50 {
            break;
        }
    }
    assert_eq!(scene.done("Scan", json!({"TableName": "notes"})).await["Count"], json!(1));
    scene.done("DeleteTable", json!({"TableName": "notes"})).await;
    assert_eq!(scene.world.digest(), before);
}

#[tokio::test]
async fn bottomless_or_absurd_input_is_refused() {
    let scene = Scene::new().await;
    let before = scene.world.digest();
    for levels in [33, 200, 20_000] {
        let value = format!("{}{{\"S\":\"x\"}}{}", "{\"L\":[".repeat(levels), "]}".repeat(levels));
        let body =
            format!(r#"{{"TableName":"notes","Item":{{"pk":{{"S":"u"}},"sk":{{"S":"n"}},"a":{value}}}}}"#);
        let request = crate::request(&scene.world, &scene.admin, "PutItem", &json!({})).clone();
        let request = casemate_testkit::Request {
            body: body.into(),
            headers: request.headers[..3].to_vec(),
            ..request
        }
        .signed(&scene.admin, "dynamodb", "us-east-1", scene.world.now());
        let answer = scene.world.send(&request).await;
        assert_eq!(answer.status, 400, "{levels}: {}", answer.text());
    }
    let long = format!("a{}", " AND a".repeat(2000));
    let put = json!({"TableName": "notes", "Item": key("u", "n"), "ConditionExpression": long});
    assert!(
        scene.invalid("PutItem", put).await.contains("Expression size has exceeded the maximum allowed size")
    );
    let deep =
        json!({"TableName": "notes", "Item": key("u", "n"), "ConditionExpression": "NOT ".repeat(1000)});
    assert!(scene.invalid("PutItem", deep).await.contains("nested too deeply"));
    assert_eq!(scene.world.digest(), before);
}
