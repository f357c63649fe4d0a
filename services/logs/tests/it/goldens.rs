//! Whole exchanges, byte for byte, and what every operation needs.

use casemate_testkit::{access_table, golden};
use serde_json::json;

use crate::{Scene, refusals::hints, request, world};

#[tokio::test]
async fn exchanges_stay_as_they_are() {
    let scene = Scene::new().await;
    let transcript = async |operation, input| {
        scene.world.transcript(&request(&scene.world, &scene.admin, operation, &input)).await
    };
    let event = json!([{"timestamp": scene.now(), "message": "hello"}]);
    let put = json!({"logGroupName": "g", "logStreamName": "s", "logEvents": event});
    golden!("put_log_events/accepted.http", transcript("PutLogEvents", put).await);
    let get = json!({"logGroupName": "g", "logStreamName": "s"});
    golden!("get_log_events/one.http", transcript("GetLogEvents", get).await);
    let filter = json!({"logGroupName": "g", "filterPattern": "hello"});
    golden!("filter_log_events/one.http", transcript("FilterLogEvents", filter).await);
    golden!("describe_log_groups/one.http", transcript("DescribeLogGroups", json!({})).await);
    let missing = json!({"logGroupName": "no", "logStreamName": "s"});
    golden!("create_log_stream/no_group.http", transcript("CreateLogStream", missing).await);
    golden!(
        "create_log_group/bad_name.http",
        transcript("CreateLogGroup", json!({"logGroupName": "a b"})).await
    );
}

#[test]
fn what_operations_need_stays_as_it_is() {
    golden!("access.golden", access_table(&world(), &hints));
}
