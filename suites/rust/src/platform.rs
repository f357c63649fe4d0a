//! STS and DynamoDB: one service of the Query protocol and one of JSON.

use aws_credential_types::Credentials;
use aws_sdk_dynamodb as dynamodb;
use aws_sdk_sts as sts;
use dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use sts::error::ProvideErrorMetadata as _;

use crate::{Fallible, keys, wire::Wire, wrong_keys};

pub async fn run(endpoint: &str) -> Fallible {
    let identity = sts_of(endpoint, keys()?).get_caller_identity().send().await?;
    println!("identity\t{}", identity.arn().unwrap_or("-"));
    items(&dynamodb_of(endpoint, keys()?)).await?;

    let refused = sts_of(endpoint, wrong_keys()?).get_caller_identity().send().await.err();
    println!("sts refused\t{}", refused.as_ref().and_then(|error| error.code()).unwrap_or("-"));
    let refused = dynamodb_of(endpoint, wrong_keys()?).list_tables().send().await.err();
    println!("dynamodb refused\t{}", refused.as_ref().and_then(|error| error.code()).unwrap_or("-"));
    Ok(())
}

async fn items(client: &dynamodb::Client) -> Fallible {
    let table = "rust-sdk";
    let key = KeySchemaElement::builder().attribute_name("pk").key_type(KeyType::Hash).build()?;
    let attribute =
        AttributeDefinition::builder().attribute_name("pk").attribute_type(ScalarAttributeType::S).build()?;
    client
        .create_table()
        .table_name(table)
        .key_schema(key)
        .attribute_definitions(attribute)
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await?;
    let (id, text) = (AttributeValue::S("1".to_owned()), AttributeValue::S("größer +&=".to_owned()));
    client.put_item().table_name(table).item("pk", id.clone()).item("text", text).send().await?;
    let found = client.get_item().table_name(table).key("pk", id).send().await?;
    let text = found.item().and_then(|item| item.get("text")).and_then(|value| value.as_s().ok());
    println!("item\t{}", text.map_or("-", String::as_str));
    client.delete_table().table_name(table).send().await?;
    Ok(())
}

fn sts_of(endpoint: &str, keys: Credentials) -> sts::Client {
    let config = sts::Config::builder()
        .behavior_version(sts::config::BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(sts::config::Region::new("us-east-1"))
        .retry_config(sts::config::retry::RetryConfig::disabled())
        .credentials_provider(keys)
        .http_client(Wire::new());
    sts::Client::from_conf(config.build())
}

fn dynamodb_of(endpoint: &str, keys: Credentials) -> dynamodb::Client {
    let config = dynamodb::Config::builder()
        .behavior_version(dynamodb::config::BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(dynamodb::config::Region::new("us-east-1"))
        .retry_config(dynamodb::config::retry::RetryConfig::disabled())
        .credentials_provider(keys)
        .http_client(Wire::new());
    dynamodb::Client::from_conf(config.build())
}
