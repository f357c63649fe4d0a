//! Uploads in every form the SDK has, and presigned addresses, which whoever reads the output tries and changes.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_s3 as s3;
use s3::{
    presigning::PresigningConfig,
    primitives::ByteStream,
    types::ChecksumAlgorithm::{self, Crc32, Crc32C, Crc64Nvme, Sha1, Sha256},
};

use crate::{Fallible, keys, wire::Wire, wrong_keys};

const CHECKSUMS: [ChecksumAlgorithm; 5] = [Crc32, Crc32C, Crc64Nvme, Sha1, Sha256];
const EXPIRES: Duration = Duration::from_secs(60);

pub async fn run(endpoint: &str, file: &str) -> Fallible {
    let wire = Wire::new();
    let client = client_of(endpoint, keys()?, &wire);
    let in_memory = ByteStream::from_static(b"content");
    client.put_object().bucket("b").key("a key/ü+~").body(in_memory).send().await?;
    println!("in memory\t{}", wire.verdict());

    let tls = client_of(&endpoint.replacen("http:", "https:", 1), keys()?, &wire);
    for (form, client) in [("signed", &client), ("unsigned", &tls)] {
        for checksum in CHECKSUMS {
            let body = ByteStream::from_path(file).await?;
            let upload = client.put_object().bucket("b").key("k").body(body);
            upload.checksum_algorithm(checksum.clone()).send().await?;
            println!("{form} {checksum}\t{}", wire.verdict());
        }
    }

    let body = ByteStream::from_path(file).await?;
    let refused = client_of(endpoint, wrong_keys()?, &wire).put_object().bucket("b").key("k").body(body);
    let refused = refused.send().await.err();
    let status =
        refused.as_ref().and_then(|error| error.raw_response()).map(|answer| answer.status().as_u16());
    println!("refused\t{}", status.unwrap_or_default());

    let put = client.put_object().bucket("b").key("dir//a b");
    println!("put\t{}", put.presigned(PresigningConfig::expires_in(EXPIRES)?).await?.uri());
    let get = client.get_object().bucket("b").key("dir//a b");
    println!("get\t{}", get.presigned(PresigningConfig::expires_in(EXPIRES)?).await?.uri());
    Ok(())
}

fn client_of(endpoint: &str, keys: Credentials, wire: &Wire) -> s3::Client {
    let config = s3::Config::builder()
        .behavior_version(s3::config::BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .force_path_style(true)
        .region(s3::config::Region::new("us-east-1"))
        .retry_config(s3::config::retry::RetryConfig::disabled())
        .credentials_provider(keys)
        .http_client(wire.clone());
    s3::Client::from_conf(config.build())
}
