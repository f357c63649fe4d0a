//! What every operation needs, and some whole exchanges, byte for byte.

use casemate_testkit::{access_table, golden};
use serde_json::json;

use crate::{Scene, refusals::hints, request, world};

#[tokio::test]
async fn exchanges_stay_as_they_are() {
    let scene = Scene::new().await;
    let transcript = async |operation, input| {
        scene.world.transcript(&request(&scene.world, &scene.admin, operation, &input)).await
    };
    golden!("create_key/default.http", transcript("CreateKey", json!({"Description": "mine"})).await);
    golden!("describe_key/enabled.http", transcript("DescribeKey", json!({"KeyId": scene.key})).await);
    let encrypt = json!({"KeyId": scene.key, "Plaintext": "YQ==", "EncryptionContext": {"a": "b"}});
    golden!("encrypt/done.http", transcript("Encrypt", encrypt).await);
    let garbage = json!({"CiphertextBlob": "YQ=="});
    golden!("decrypt/garbage.http", transcript("Decrypt", garbage).await);
    golden!("get_key_policy/default.http", transcript("GetKeyPolicy", json!({"KeyId": scene.key})).await);
}

#[test]
fn what_operations_need_stays_as_it_is() {
    golden!("access.golden", access_table(&world(), &hints));
}
