// Uploads, presigned URLs and browser forms of the SDK for JavaScript, against the verifier of crates/sigv4.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { createPresignedPost } from "@aws-sdk/s3-presigned-post";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const { ENDPOINT, KEY, SECRET } = process.env;
const client = (secretAccessKey) =>
  new S3Client({
    endpoint: ENDPOINT,
    region: "us-east-1",
    forcePathStyle: true,
    maxAttempts: 1,
    requestStreamBufferSize: 65536,
    credentials: { accessKeyId: KEY, secretAccessKey },
  });
const s3 = client(SECRET);
const sha256 = (data) => createHash("sha256").update(data).digest("hex");

// What the server said, taken off the wire.
async function sent(command, through = s3) {
  let headers;
  command.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      headers = result.response.headers;
      return result;
    },
    { step: "deserialize", priority: "low" },
  );
  await through.send(command);
  return headers;
}

const data = randomBytes(3 << 20);
for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]) {
  const headers = await sent(new PutObjectCommand({ Bucket: "b", Key: "a b/ü", Body: data, ChecksumAlgorithm }));
  assert.equal(headers["x-body-sha256"], sha256(data), ChecksumAlgorithm);
}

// A stream of known length goes out in chunks with a trailer.
const streamed = await sent(
  new PutObjectCommand({ Bucket: "b", Key: "k", Body: Readable.from([data]), ContentLength: data.length }),
);
assert.equal(streamed["x-verified"], "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
assert.equal(streamed["x-body-sha256"], sha256(data));

const url = await getSignedUrl(s3, new GetObjectCommand({ Bucket: "b", Key: "a b" }), { expiresIn: 60 });
assert.equal((await fetch(url)).status, 200);
assert.equal((await fetch(url.replace("a%20b", "c"))).status, 403);

const { url: action, fields } = await createPresignedPost(s3, {
  Bucket: "bucket",
  Key: "k",
  Conditions: [["content-length-range", 0, 10]],
});
const post = (content) => {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append("file", new Blob([content]));
  return fetch(action, { method: "POST", body: form });
};
const accepted = await post("content");
assert.equal(accepted.status, 200, await accepted.text());
assert.equal((await post("more than ten bytes")).status, 403);

await assert.rejects(sent(new PutObjectCommand({ Bucket: "b", Key: "k", Body: "x" }), client("another")));
